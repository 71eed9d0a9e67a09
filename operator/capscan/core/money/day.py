"""Counts what an InferenceProvider spends in a day, and decides whether its limits still allow a
request.

A day is a day in UTC. A request is let through only where the most that it may take fits beside
what was used and what the requests under way may take, and where the written status accounts for it
already: so a process that dies has spent nothing that its successor does not know of. Who waits is
in `inference/accounts/allowance.py`.
"""

import datetime as calendar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.pricing import bounded, shown, shown_sum
from capscan.model import ProviderSpec, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.money import sum_in
from capscan.model.scan_status import COUNT_MAX
from capscan.model.spent import SetAside, Today

AHEAD_SHARE = 50
"""One in so many parts of a day's limit is set aside beyond what is under way, and as much again as
that: the status is not written for each request. It is lost where a process dies."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DayLimits:
    """What a provider may spend in a day; None where nothing bounds it."""

    tokens: int | None = None
    cost: Decimal | None = None

    @classmethod
    def of(cls, spec: ProviderSpec) -> "DayLimits":
        """Return the limits that an administrator has set."""
        cost = spec.limits.max_cost_per_day
        return cls(spec.limits.max_tokens_per_day, Decimal(cost) if cost else None)

    @property
    def are_set(self) -> bool:
        """Whether there is any."""
        return self.tokens is not None or self.cost is not None

    def allow(self, amount: Amount) -> bool:
        """Whether so much may be spent in a day."""
        tokens = self.tokens is None or amount.tokens <= self.tokens
        return tokens and (self.cost is None or amount.cost <= self.cost)

    def clamped(self, amount: Amount) -> Amount:
        """Return the amount, or the limits where it is larger: a single request that may take more
        than a whole day allows would wait for ever.
        """
        tokens = amount.tokens if self.tokens is None else min(amount.tokens, self.tokens)
        return Amount(tokens, amount.cost if self.cost is None else min(amount.cost, self.cost))


@dataclass(frozen=True, slots=True)
class Day:
    """What one day's requests took so far, and may take."""

    date: calendar.date
    used: Usage = NO_USAGE
    """What the requests that have ended took."""
    reserved: Amount = NOTHING
    """The most that the requests under way may take."""
    under_way: int = 0
    covered: Amount = NOTHING
    """What a process that starts again would find spent, by the status as it was written."""

    @classmethod
    def left(cls, shown: Today | None, on: calendar.date) -> "Day":
        """Return the day as an earlier process left it. What was set aside counts as used."""
        if shown is None:
            return cls(on)
        aside = shown.set_aside or SetAside()
        used = Usage(
            shown.requests,
            min(shown.input_tokens + aside.tokens, COUNT_MAX),
            shown.cached_input_tokens,
            shown.output_tokens,
            bounded(sum_in(shown.cost) + sum_in(aside.cost)),
        )
        return cls(shown.date, used).at(on)

    def at(self, on: calendar.date) -> "Day":
        """Return the count for that day. A clock that was set back by less than a day does not
        bring a day back; a date that nobody can have written yet counts as this day.
        """
        if self.date < on:
            return Day(on, reserved=self.reserved, under_way=self.under_way)
        return replace(self, date=on) if self.date - on > _DAY else self

    @property
    def ends(self) -> datetime:
        """When the next day begins."""
        return datetime.combine(self.date + _DAY, time(tzinfo=UTC))

    def fits(self, limits: DayLimits, wanted: Amount) -> bool:
        """Whether a request may begin that takes `wanted` at most."""
        return limits.allow(self._with(limits.clamped(wanted)))

    def is_covered(self, limits: DayLimits, wanted: Amount) -> bool:
        """Whether the status accounts for a request that takes `wanted` at most."""
        after = self._with(limits.clamped(wanted))
        tokens = limits.tokens is None or after.tokens <= self.covered.tokens
        return tokens and (limits.cost is None or after.cost <= self.covered.cost)

    def _with(self, wanted: Amount) -> Amount:
        return Amount.of(self.used) + self.reserved + wanted

    def begun(self, wanted: Amount) -> "Day":
        """Return the day with one more request under way."""
        return replace(self, reserved=self.reserved + wanted, under_way=self.under_way + 1)

    def ended(self, wanted: Amount, taken: Usage) -> "Day":
        """Return the day after a request came back."""
        used = self.used + taken
        left = self.under_way - 1
        return replace(
            self,
            used=replace(used, cost=bounded(used.cost)),
            reserved=self.reserved - wanted if left else NOTHING,
            under_way=left,
        )

    def accounted_for(self, covered: Amount) -> "Day":
        """Return the day after the status was written, with so much used and set aside."""
        return replace(self, covered=covered)

    def set_aside(self, limits: DayLimits, waiting: Amount) -> Amount:
        """Return what to account for beyond what is used, where requests that may take `waiting`
        wait for that: enough for a while, and no more than the limits leave.
        """
        needed = self.reserved + limits.clamped(waiting)
        if not limits.are_set or needed == NOTHING:
            return NOTHING
        tokens, cost = needed.tokens, needed.cost
        if limits.tokens is not None:
            ahead = tokens + max(tokens, limits.tokens // AHEAD_SHARE)
            left = limits.tokens - Amount.of(self.used).tokens
            tokens = max(min(ahead, left), self.reserved.tokens)
        if limits.cost is not None:
            ahead_cost = cost + max(cost, limits.cost / AHEAD_SHARE)
            left_cost = limits.cost - self.used.cost
            cost = max(min(ahead_cost, left_cost), self.reserved.cost)
        return Amount(tokens, cost)

    def shown(self, aside: Amount = NOTHING) -> Today | None:
        """Return the day as the status shows it; None while nothing was sent."""
        used = self.used
        if not used.requests and aside == NOTHING:
            return None
        set_aside = SetAside(tokens=min(aside.tokens, COUNT_MAX), cost=shown_sum(aside.cost))
        return Today(
            date=self.date,
            requests=min(used.requests, COUNT_MAX),
            input_tokens=min(used.input_tokens, COUNT_MAX),
            cached_input_tokens=min(used.cached_input_tokens, COUNT_MAX),
            output_tokens=min(used.output_tokens, COUNT_MAX),
            total_tokens=min(used.input_tokens + used.output_tokens, COUNT_MAX),
            cost=shown_sum(used.cost) if used.cost else None,
            set_aside=None if aside == NOTHING else set_aside,
        )

    def reached(self, name: str, limits: DayLimits, wanted: Amount) -> str:
        """Return in a sentence which limit leaves no room for `wanted`, and until when."""
        used, next_one = Amount.of(self.used), limits.clamped(wanted)
        states = []
        if limits.tokens is not None and used.tokens + next_one.tokens > limits.tokens:
            states.append(
                f"{used.tokens} of {limits.tokens} tokens (spec.limits.maxTokensPerDay), and one "
                f"more question may take {next_one.tokens}"
            )
        if limits.cost is not None and used.cost + next_one.cost > limits.cost:
            states.append(
                f"{shown(used.cost)} of {shown(limits.cost)} (spec.limits.maxCostPerDay), and one "
                f"more question may cost {shown(next_one.cost)}"
            )
        return (
            f"The InferenceProvider {name} has used {'; and '.join(states)}. It goes on at "
            f"{moment(self.ends)}, when the next day begins in UTC, or once an administrator "
            "raises the limit."
        )


def moment(at: datetime) -> str:
    """Return a time as it stands in a message."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
