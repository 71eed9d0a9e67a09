"""One row in one column: a client's process against a server's, and what came of it.

Makespan, memory and processor time are the client's; everything else is read from the server's
ledger.
"""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.modelserver.behaviour import Outage, Rate
from tests.modelserver.process import ROOT, running

from benchmarks.gate.columns import MOMENT_S, Column
from benchmarks.gate.job import Bucket, Done, Job
from benchmarks.gate.rows import Row

SETTLED_S = 5.0
"""By then a client should know the limits."""
TIMEOUT_S = 900
DONE = '{"makespan_s"'
START_S_MAX = 0.5
"""Between "go" and the first request."""


@dataclass(frozen=True)
class Cell:
    """What one client did under one setting."""

    ratio: float
    """Makespan / bound."""
    done: Done
    calls: int
    statuses: dict[int, int]
    limited: int
    """429s."""
    limited_late: int
    """Those later than SETTLED_S."""
    crowded: int
    """Refused because there were too many in flight."""
    wasted: int
    """Sent during an outage."""
    cpu_ms: float
    """An item."""


def measure(row: Row, column: Column) -> Cell:
    """Measure one cell; both processes are there before the clock starts."""
    with running() as server:
        command = [*row.command, _job(column, server.url).to_json()]
        pipe = subprocess.PIPE
        client = subprocess.Popen(
            command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT
        )
        with client:
            assert client.stdin
            assert client.stdout
            # Libraries print what they like, before and after.
            while (line := client.stdout.readline()) and line.strip() != "ready":
                pass
            server.change(**column.behaviour.model_dump())
            out, _ = client.communicate("go\n", timeout=TIMEOUT_S)
        if client.returncode:
            raise RuntimeError(f"{row.name} ended with {client.returncode}: {out[-500:]}")
        told = next(json.loads(line) for line in out.splitlines() if line.startswith(DONE))
        return _cell(column, Done(**told), [call for call in server.calls() if call["name"]])


def _job(column: Column, url: str) -> Job:
    return Job(
        url=url,
        items=column.items,
        in_flight=column.in_flight,
        requests=_bucket(column.requests),
        tokens=_bucket(column.tokens),
        beside=column.beside,
    )


def _bucket(rate: Rate | None) -> Bucket | None:
    return None if rate is None else Bucket(rate.per_minute, rate.capacity)


def _cell(column: Column, done: Done, calls: list[dict[str, Any]]) -> Cell:
    began_s = calls[0]["at_s"]
    limited_s = [call["at_s"] - began_s for call in calls if call["status"] == 429]
    in_flight_max = column.behaviour.in_flight_max or len(calls)
    refused = [call for call in calls if call["status"] in (503, 529)]
    outages = column.behaviour.outages
    return Cell(
        ratio=done.makespan_s / max(column.bound_s, MOMENT_S),
        done=done,
        calls=len(calls),
        statuses=dict(Counter(call["status"] for call in calls)),
        limited=len(limited_s),
        limited_late=sum(at_s > SETTLED_S for at_s in limited_s),
        crowded=sum(call["in_flight"] > in_flight_max for call in refused),
        wasted=sum(
            _wasted(outage, call["at_s"] - began_s) for outage in outages for call in refused
        ),
        cpu_ms=done.cpu_s / column.items * 1000,
    )


def _wasted(outage: Outage, at_s: float) -> bool:
    """Return the calls that the outage wasted. The outage counts from when the server was told, a
    call from the first one, which is a moment later: rather one refusal by chance too many than
    one of these too few.
    """
    return outage.at_s - START_S_MAX <= at_s < outage.at_s + outage.for_s
