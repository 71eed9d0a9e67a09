"""What a run would take, by a dry run: the sum of its questions, and the sentence about it."""

from dataclasses import dataclass, replace
from datetime import timedelta

from capscan.core.money.pricing import shown
from capscan.core.pace import Pace
from capscan.core.text import counted
from capscan.model import Estimate, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.duration import format_duration
from capscan.model.scan_status import COUNT_MAX

REQUEST_S = 3.0
"""How long one request is assumed to take where nothing was measured: an analysis is some hundred
tokens, and models write fifty to two hundred a second."""


@dataclass(frozen=True, slots=True)
class Bill:
    """The number and the cost of the questions that would be asked, so far as the CRDs were
    read.
    """

    items: int = 0
    usage: Usage = NO_USAGE

    def plus(self, usage: Usage) -> "Bill":
        """Return the bill with one more question."""
        return replace(self, items=self.items + 1, usage=self.usage + usage)


def estimate(bill: Bill, crds: int, pace: Pace, parallelism: int) -> Estimate:
    """Return the estimate as the status shows it. Its duration is what the requests, the account's
    limits and the wait at its gate need.
    """
    usage = bill.usage
    permits = min(parallelism, pace.permits or parallelism)
    by_requests_s = usage.requests * REQUEST_S / max(1, permits)
    by_limits_s = bill.items / pace.items_per_s if usage.requests and pace.items_per_s else 0.0
    wait_s = pace.wait_s if usage.requests else 0.0
    return Estimate(
        crds=crds,
        items=bill.items,
        requests=usage.requests,
        input_tokens=min(usage.input_tokens, COUNT_MAX),
        output_tokens=min(usage.output_tokens, COUNT_MAX),
        cost=shown(usage.cost) if usage.cost else None,
        duration=timedelta(seconds=round(wait_s + max(by_requests_s, by_limits_s))),
    )


def message(found: Estimate) -> str:
    """Return the estimate as a sentence."""
    crds = counted(found.crds, "CRD")
    if not found.items:
        return f"Dry run: none of {crds} would be asked about; {_BEGIN}"
    about = f"Dry run: {found.items} of {crds} would be asked about"
    if not found.requests:
        return f"{about}: without requests, at no cost; {_BEGIN}"
    cost = f", at a cost of {found.cost}" if found.cost else ""
    prompt, answer = _rounded(found.input_tokens), _rounded(found.output_tokens)
    return (
        f"{about}: {counted(found.requests, 'request')}, about {prompt} prompt and {answer} answer "
        f"tokens{cost}, in {format_duration(found.duration)}; {_BEGIN}"
    )


_BEGIN = "set spec.dryRun to false to begin."


def _rounded(count: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}" if count < 1000 * size else f"{count // size}{unit}"
    return str(count)
