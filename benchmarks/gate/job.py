"""What a client's process is told on its command line, and what it prints at its end.

A client prints `ready`, waits for a line on its standard input, asks, and prints a `Done`. The
peers' side of it is `peers/harness.py`, which imports nothing of ours.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.gate.question import MODEL, QUESTION, SYSTEM
from capscan.core.answer.room import ANSWER_TOKENS_MAX

ATTEMPTS = 4
"""The default of a scan; everybody gets as many."""


@dataclass(frozen=True)
class Bucket:
    """A limit as a client is told it."""

    per_minute: float
    burst: float


@dataclass(frozen=True)
class Job:
    """One row's work in one column."""

    url: str
    items: int
    in_flight: int
    requests: Bucket | None
    tokens: Bucket | None
    beside: int = 0
    model: str = MODEL
    attempts: int = ATTEMPTS
    max_tokens: int = ANSWER_TOKENS_MAX
    system: str = SYSTEM
    question: str = QUESTION

    def to_json(self) -> str:
        """Return the job as text for the command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """Return the job that `to_json` wrote."""
        told: dict[str, Any] = json.loads(text)
        for name in ("requests", "tokens"):
            told[name] = told[name] and Bucket(**told[name])
        return cls(**told)


@dataclass(frozen=True)
class Done:
    """What a client says of itself. Processor time is that of the run, memory its peak."""

    makespan_s: float
    lost: int
    cpu_s: float
    rss_mib: float
    errors: dict[str, int]
