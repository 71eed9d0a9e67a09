"""LangChain's chat model with its own rate limiter, which knows requests and not tokens."""

from harness import at_most_in_flight, read_job
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_openai import ChatOpenAI

job = read_job()
limiter = None
if job.requests:
    limiter = InMemoryRateLimiter(
        requests_per_second=job.requests["per_minute"] / 60,
        max_bucket_size=job.requests["burst"],
        check_every_n_seconds=0.02,
    )
model = ChatOpenAI(
    model=job.model,
    base_url=job.base_url,
    api_key="sk-bench",
    max_retries=job.attempts - 1,
    max_tokens=job.max_tokens,
    timeout=60,
    rate_limiter=limiter,
)


async def ask(number: int) -> None:
    """Ask one question."""
    await model.ainvoke([("system", job.system), ("user", job.asked(number))])


at_most_in_flight(job, ask)
