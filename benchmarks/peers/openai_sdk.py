"""OpenAI's own client behind a semaphore; it retries by itself and heeds Retry-After."""

from harness import at_most_in_flight, read_job
from openai import AsyncOpenAI

job = read_job()
client = AsyncOpenAI(
    api_key="sk-bench", base_url=job.base_url, max_retries=job.attempts - 1, timeout=60
)


async def ask(number: int) -> None:
    """Ask one question."""
    await client.chat.completions.create(
        model=job.model, messages=job.messages(number), max_tokens=job.max_tokens
    )


at_most_in_flight(job, ask)
