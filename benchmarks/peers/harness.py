"""A peer's side of `gate/job.py`: read the job, say `ready`, ask everything, tell what came of it.

It imports nothing but the standard library, and nothing of ours: it runs in the peers' environment.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Job:
    """What is asked, and what is told of the limits: each {"per_minute", "burst"} or None."""

    url: str
    items: int
    in_flight: int
    requests: dict | None
    tokens: dict | None
    model: str
    attempts: int
    max_tokens: int
    system: str
    question: str
    beside: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def charge(self) -> int:
        """Return the tokens of one request, as OpenAI charges them."""
        return -(-len((self.system + self.asked(0)).encode()) // 4) + self.max_tokens

    def asked(self, number: int) -> str:
        """Return the question about one CRD."""
        return self.question.replace("{number}", f"{number:05}")

    def messages(self, number: int) -> list[dict]:
        """Return the question as chat completions want it."""
        return [
            {"role": "system", "content": self.system},
            {"role": "user", "content": self.asked(number)},
        ]


def read_job() -> Job:
    """Read the job from the command line."""
    return Job(**json.loads(sys.argv[1]))


def clocked(run: Callable[[], Counter]) -> None:
    """Time `run`, which asks everything; its errors are the items that are lost."""
    print("ready", flush=True)
    sys.stdin.readline()
    began_s, cpu_s = time.monotonic(), time.process_time()
    errors = run()
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    status = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in status if line.startswith("VmHWM:"))
    told = {
        "makespan_s": took_s,
        "lost": errors.total(),
        "cpu_s": cpu_s,
        "rss_mib": int(peak.split()[1]) / 1024,
        "errors": dict(errors.most_common(5)),
    }
    print("\n" + json.dumps(told), flush=True)


def at_most_in_flight(job: Job, ask: Callable[[int], Awaitable[object]]) -> None:
    """Ask about all items at once, behind a semaphore; `ask` raises where it gives up."""

    async def run() -> Counter:
        errors, semaphore = Counter(), asyncio.Semaphore(job.in_flight)

        async def one(number: int) -> None:
            async with semaphore:
                try:
                    await ask(number)
                except Exception as error:
                    errors[f"{type(error).__name__}: {error}"[:100]] += 1

        await asyncio.gather(*(one(number) for number in range(job.items)))
        return errors

    clocked(lambda: asyncio.run(run()))
