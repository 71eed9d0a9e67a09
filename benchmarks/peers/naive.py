"""A semaphore and tenacity: what most people write first."""

from collections.abc import Awaitable, Callable

import httpx2
import tenacity
from harness import Job, at_most_in_flight, read_job


async def at_once() -> None:
    """Return at once: nobody waits for a turn."""


def asking(job: Job, turn: Callable[[], Awaitable[None]] = at_once):
    """Return a function that asks about one CRD, and tries again with growing, random pauses.
    Before each attempt it waits for its turn.
    """
    limits = httpx2.Limits(max_connections=None)
    client = httpx2.AsyncClient(base_url=job.base_url, limits=limits, timeout=60)

    @tenacity.retry(
        stop=tenacity.stop_after_attempt(job.attempts),
        wait=tenacity.wait_random_exponential(max=30),
        reraise=True,
    )
    async def ask(number: int) -> None:
        await turn()
        body = {
            "model": job.model,
            "messages": job.messages(number),
            "max_tokens": job.max_tokens,
        }
        (await client.post("/chat/completions", json=body)).raise_for_status()

    return ask


if __name__ == "__main__":
    job = read_job()
    at_most_in_flight(job, asking(job))
