"""Providers that tests compose the application with, through the product's own port.

`LedgerProvider` writes one line per request to a file before it answers, so that a test can ask
"was anything asked twice?" across kills and restarts of the process.
"""

import fnmatch
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random

import anyio

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import InferenceError, ProviderUnavailable, RequestRejected
from capscan.core.pace import Pace
from capscan.model import Analysis, Completion, Complexity, ObjectMeta, Usage
from capscan.scan.flight import Flight
from capscan.scan.ports import Provider

ESTIMATED = Usage(requests=1, input_tokens=3000, output_tokens=400, cost=Decimal("0.015"))
"""What each question is said to take."""


def analysis(name: str = "widgets.example.com") -> Analysis:
    """Return a plain answer."""
    return Analysis(
        capabilities=[f"Use {name}"],
        providers=[],
        abstractions=["Widget"],
        complexity=Complexity.LOW,
        description=f"Describes {name}.",
        use_case=f"When {name} is needed.",
        confidence=0.5,
    )


@dataclass(frozen=True)
class OneProvider:
    """Providers of which each name leads to this one."""

    provider: Provider

    async def find(self, name: str, scan: ObjectMeta) -> Provider:  # noqa: ARG002
        return self.provider


@dataclass
class ScriptedProvider:
    """Answers from a script: an error is raised, None is an answer; then answers for ever."""

    script: Iterator[InferenceError | None] = field(default_factory=lambda: iter(()))
    delay_s: float = 0.0
    name: str = "scripted"
    model: str = "script/1"
    identity: str = "scripted/1"
    is_priced: bool = True
    asked: list[str] = field(default_factory=list)

    async def complete(self, question: Question, flight: Flight) -> Completion:
        name = question.digest.name
        self.asked.append(name)
        async with flight.request():
            await anyio.sleep(self.delay_s)
            if error := next(self.script, None):
                raise error
        return Completion(analysis(name), self.name, self.model, self.identity)

    def estimate(self, digest: Digest) -> Usage:  # noqa: ARG002
        return ESTIMATED

    def pace(self, flow: str, weight: int) -> Pace:  # noqa: ARG002
        return Pace()


@dataclass
class LedgerProvider:
    """Waits, then answers; fails for good, or is unavailable, where the name matches a glob.

    `latency_s` is the mean; with `sigma` above 0 latencies are lognormal with that shape. `flaky`
    is the share of requests that end as unavailable. Both are drawn from a fixed seed. `ends` gets
    the time of each answer, by `time.time`.
    """

    ledger: Path
    ends: Path | None = None
    latency_s: float = 0.0
    sigma: float = 0.0
    flaky: float = 0.0
    fail: str = ""
    unavailable: str = ""
    name: str = "ledger"
    model: str = "ledger/1"
    identity: str = "ledger/1"
    is_priced: bool = True
    random: Random = field(default_factory=lambda: Random(0))

    async def complete(self, question: Question, flight: Flight) -> Completion:
        name = question.digest.name
        async with flight.request():
            with self.ledger.open("a") as ledger:
                ledger.write(f"{name}\n")
            await anyio.sleep(self._latency_s())
            if self.fail and fnmatch.fnmatch(name, self.fail):
                raise RequestRejected(f"{name} is not to my taste")
            if self.unavailable and fnmatch.fnmatch(name, self.unavailable):
                raise ProviderUnavailable("come back later")
            if self.random.random() < self.flaky:
                raise ProviderUnavailable("out of luck")
        if self.ends:
            with self.ends.open("a") as ends:
                ends.write(f"{time.time()}\n")
        return Completion(analysis(name), self.name, self.model, self.identity)

    def estimate(self, digest: Digest) -> Usage:  # noqa: ARG002
        return ESTIMATED

    def pace(self, flow: str, weight: int) -> Pace:  # noqa: ARG002
        return Pace()

    def _latency_s(self) -> float:
        if not self.sigma:
            return self.latency_s
        # The mean of a lognormal is exp(mu + sigma^2 / 2).
        return self.latency_s * self.random.lognormvariate(-(self.sigma**2) / 2, self.sigma)
