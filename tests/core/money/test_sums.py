"""A sum of any size, from a server or from a status that was written over, is counted and shown."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from capscan.core.money.amount import Amount
from capscan.core.money.budget import exhausted, fits, overrun
from capscan.core.money.pricing import price, shown
from capscan.core.money.spending import UNSPENT
from capscan.core.run.progress import Tally, reported
from capscan.core.status.state import ScanState
from capscan.model import Budget, Phase, Pricing, Progress, RunUsage, ScanSpec, ScanStatus, Usage
from tests.core.status import rendered

PRICING = Pricing(input_per_million_tokens="999999999.999999", output_per_million_tokens="3")
HUGE = (10**12, 10**18, 10**19, 10**30, 10**309, 10**4000)
INT64_MAX = 2**63 - 1


@pytest.mark.parametrize("tokens", HUGE, ids=lambda tokens: f"{len(str(tokens))} digits")
def test_a_status_can_be_written_whatever_was_counted(tokens: int) -> None:
    usage = Usage(1, tokens, tokens, tokens)
    spent = Usage(1, tokens, tokens, tokens, price(usage, PRICING))

    status = rendered.shown(Phase.SCANNING, Tally(usage=spent))

    found = status.usage
    assert found
    assert max(found.input_tokens, found.output_tokens, found.total_tokens) <= INT64_MAX
    assert len(found.cost or "") <= 32


@pytest.mark.parametrize("tokens", HUGE, ids=lambda tokens: f"{len(str(tokens))} digits")
@pytest.mark.parametrize("budget", [Budget(max_tokens=5), Budget(max_cost="0.000001")])
def test_a_budget_stands_whatever_was_counted(budget: Budget, tokens: int) -> None:
    usage = Usage(1, tokens, 0, tokens)
    spent = Usage(1, tokens, 0, tokens, price(usage, PRICING))
    learnt = UNSPENT.begun(Amount(1)).ended(Amount(1), Usage(1, 5, cost=Decimal("0.01")), spent)

    assert not fits(budget, spent, learnt.expected(spent))
    assert exhausted(budget, spent, Amount.of(spent))
    assert overrun(budget, spent)


@pytest.mark.parametrize(
    "text", ["NaN", "sNaN", "Infinity", "1e999999999", "1e-999999999", "-1", "٣", "1_0", " 1"]
)
def test_an_amount_that_is_none_is_not_read(text: str) -> None:
    """The rules of the CRDs say so too; an object may be older than they are."""
    with pytest.raises(ValidationError, match="not a decimal number"):
        Budget(max_cost=text)
    with pytest.raises(ValidationError, match="not a decimal number"):
        Pricing(input_per_million_tokens=text)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("1e999999999", "0"), ("NaN", "0"), ("-5", "0"), ("1e-999999999", "0"), ("", "0"),
        ("9" * 32, "1000000000000000"), ("12.50", "12.50"),
    ],
)  # fmt: skip
def test_a_cost_that_somebody_wrote_into_a_status_is_read_as_a_sum_or_not_at_all(
    text: str, cost: str
) -> None:
    tally = reported(Progress(), None, RunUsage(requests=1, cost=text))

    assert tally
    assert tally.usage.cost == Decimal(cost)


def test_a_forged_status_can_be_gone_on_from() -> None:
    forged = ScanStatus(
        progress=Progress(), usage=RunUsage(requests=INT64_MAX, input_tokens=INT64_MAX, cost="1e9")
    )
    state = ScanState.from_status(forged, ScanSpec(budget=Budget(max_cost="1")))

    assert state.used_up(Budget(max_tokens=5)) is not None
    assert shown(Decimal(10) ** 40) == "1000000000000000.00"
