"""The product's row: its engine, its attempts, its account with gate and HTTP client.

In the place of a cluster there are CRDs made on the spot, and nothing is stored.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from json import dumps

import anyio

from benchmarks.gate.job import Job
from benchmarks.gate.question import digest
from benchmarks.memory import peak_mib
from capscan.core.errors import ItemError
from capscan.core.run.events import CrdFailed, CrdScanned, ScanEvent, Settled
from capscan.core.run.plan import PlannedItem
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connections
from capscan.model import (
    ApiProtocol,
    CrdRef,
    FailedItem,
    Limits,
    ProviderSpec,
    ProviderStatus,
    ScanSpec,
    SecretKeyRef,
)
from capscan.model.api_key import ApiKey
from capscan.scan.attempts import Attempts
from capscan.scan.engine import Engine, Slot

HEAD_START_S = 5.0
"""How long the large scan runs before the small one beside it begins."""


class Scan:
    """Sends the items of one scan through an account."""

    def __init__(self, name: str, account: Account, spec: ScanSpec) -> None:
        self.errors: Counter[str] = Counter()
        self.took_s = 0.0
        self._name = name
        self._account = account
        self._spec = spec

    async def run(self, items: int) -> None:
        """Run until every item is settled."""
        began_s = anyio.current_time()
        await Engine(self._settle, self._on_event, self._spec.parallelism).run(_planned(items))
        self.took_s = anyio.current_time() - began_s

    async def _settle(self, item: PlannedItem, slot: Slot) -> Settled:
        attempts = Attempts(self._account, lambda: self._spec, random.random)
        async with slot.permit():
            try:
                await attempts.ask(self._name, digest(item.ref.generation), slot)
            except ItemError as error:
                return _failed(item, error, attempts.made)
        return CrdScanned(item.ref.name)

    def _on_event(self, event: ScanEvent) -> None:
        if isinstance(event, CrdFailed):
            self.errors[f"{event.item.reason}: {event.item.message}"] += 1


def _planned(items: int) -> Iterator[PlannedItem]:
    """Return a planned CRD; its generation is its number."""
    for number in range(items):
        yield PlannedItem(CrdRef(f"kind{number:05}.example.com", f"uid-{number}", number), "")


def _failed(item: PlannedItem, error: ItemError, attempts: int) -> CrdFailed:
    return CrdFailed(
        FailedItem(
            name=item.ref.name,
            reason=error.reason,
            message=error.message,
            attempts=attempts,
            retryable=error.retryable,
            time=datetime.now(UTC),
        )
    )


def _account(job: Job) -> Account:
    spec = ProviderSpec(
        protocol=ApiProtocol.OPENAI,
        model=job.model,
        base_url=f"{job.url}/v1",
        limits=Limits(
            requests_per_minute=job.requests and int(job.requests.per_minute),
            input_tokens_per_minute=job.tokens and int(job.tokens.per_minute),
        ),
    )
    allowance = Allowance("bench", spec, ProviderStatus(), lambda: datetime.now(UTC))
    return Account("bench", spec, Connections(), _no_key, allowance)


async def _no_key(ref: SecretKeyRef) -> ApiKey:
    raise AssertionError(f"nobody needs {ref}")


async def ask_all(job: Job) -> Scan:
    """Ask about the items of the job; a large scan beside them goes on after them."""
    account = _account(job)
    spec = ScanSpec(parallelism=job.in_flight, max_attempts=job.attempts)
    scan = Scan("small", account, spec)
    async with anyio.create_task_group() as group:
        if job.beside:
            large = Scan("large", account, ScanSpec(parallelism=64))
            group.start_soon(large.run, job.beside)
            await anyio.sleep(HEAD_START_S)
        await scan.run(job.items)
        group.cancel_scope.cancel()
    await account.aclose()
    return scan


def main() -> None:
    """Do the work of a client, as `job.py` describes it."""
    job = Job.from_json(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    before_s = time.process_time()
    scan = anyio.run(ask_all, job)
    told = {
        "makespan_s": scan.took_s,
        "lost": sum(scan.errors.values()),
        "cpu_s": time.process_time() - before_s,
        "rss_mib": peak_mib(),
        "errors": dict(scan.errors.most_common(5)),
    }
    print(dumps(told))


if __name__ == "__main__":
    main()
