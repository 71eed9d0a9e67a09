"""LiteLLM's router over one deployment, whose limits it is told."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

from harness import at_most_in_flight, read_job
from litellm import Router

job = read_job()
deployment = {
    "model": f"openai/{job.model}",
    "api_base": job.base_url,
    "api_key": "sk-bench",
    "timeout": 60,
}
if job.requests:
    deployment["rpm"] = int(job.requests["per_minute"])
if job.tokens:
    deployment["tpm"] = int(job.tokens["per_minute"])
router = Router(
    model_list=[{"model_name": "bench", "litellm_params": deployment}],
    num_retries=job.attempts - 1,
)


async def ask(number: int) -> None:
    """Ask one question."""
    await router.acompletion(
        model="bench", messages=job.messages(number), max_tokens=job.max_tokens
    )


at_most_in_flight(job, ask)
