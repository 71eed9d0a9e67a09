"""Bespoke Curator's online processing; it reads limits from headers where it is told none."""

import os
import tempfile
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

# It would fetch the tokenizer's table; LiteLLM carries one.
litellm = Path(find_spec("litellm").origin).parent

os.environ |= {
    "CURATOR_DISABLE_CACHE": "true",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "OPENAI_API_KEY": "sk-bench",
    "TELEMETRY_ENABLED": "false",
    "TIKTOKEN_CACHE_DIR": str(litellm / "litellm_core_utils" / "tokenizers"),
}

from bespokelabs import curator
from harness import clocked, read_job

job = read_job()
told = {"base_url": job.base_url, "max_retries": job.attempts - 1, "request_timeout": 60}
told |= {"require_all_responses": False, "max_concurrent_requests": job.in_flight}
# Where it is told nothing and finds nothing in headers, it assumes limits of its own.
told["max_requests_per_minute"] = int(job.requests["per_minute"]) if job.requests else 10**6
told["max_tokens_per_minute"] = int(job.tokens["per_minute"]) if job.tokens else 10**9


model = curator.LLM(
    model_name=job.model,
    backend="openai",
    backend_params=told,
    generation_params={"max_tokens": job.max_tokens},
)


def run() -> Counter:
    """Put a data set of questions in and take one of answers out."""
    questions = [job.messages(number) for number in range(job.items)]
    with tempfile.TemporaryDirectory() as folder:
        answers = model(questions, working_dir=folder).dataset
        return Counter(missing=job.items - len(answers))


if __name__ == "__main__":
    clocked(run)
