"""The semaphore and tenacity, behind two leaky buckets that know the limits and their bursts."""

from aiolimiter import AsyncLimiter
from harness import at_most_in_flight, read_job
from naive import asking


def limiter(limit: dict | None) -> AsyncLimiter | None:
    """Return a limiter; None where no limit is told."""
    if not limit:
        return None
    return AsyncLimiter(limit["burst"], 60 * limit["burst"] / limit["per_minute"])


job = read_job()
requests, tokens = limiter(job.requests), limiter(job.tokens)


async def turn() -> None:
    """Wait for the turn of one attempt."""
    if requests:
        await requests.acquire()
    if tokens:
        await tokens.acquire(job.charge)


at_most_in_flight(job, asking(job, turn))
