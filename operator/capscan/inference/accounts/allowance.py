"""What an administrator allows one InferenceProvider: so much a day, and so many runs of a scan.

Each request asks here before it waits at the gate, and is counted here once it has ended. What it
may take is in the written status before it is sent. The arithmetic is in `core/money/day.py` and
`core/money/paid_runs.py`; the status is written by `report.py`, when the keeper is rung.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import anyio

from capscan.core.errors import LimitReached
from capscan.core.money.amount import NOTHING, Amount
from capscan.core.money.day import Day, DayLimits
from capscan.core.money.paid_runs import PaidRuns
from capscan.core.pace import Pace
from capscan.core.provider.status import Verdict
from capscan.model import ProviderSpec, ProviderStatus, Usage
from capscan.model.completion import NO_USAGE
from capscan.model.spent import Today

CLOCK_CHECK_S = 60.0
"""How often a request that waits for a time looks at the wall clock, which may be set."""
RETRY_S = 10.0
"""When a request is told to come back that may go elsewhere."""
SHOWN_S = 10.0
"""How often the status shows what was spent, where nothing depends on that."""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Why requests wait, and until when."""

    reason: str
    message: str
    until: datetime
    is_for_all: bool
    """Whether all scans wait for the same."""


@dataclass(eq=False, slots=True)
class Bill:
    """What one request takes."""

    most: Usage
    taken: Usage = NO_USAGE
    """Nothing until it is sent; from then on the most that it may take, until more is known."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the status keeps of all this."""

    today: Today | None
    runs: PaidRuns
    covered: Amount
    date: date


@dataclass(eq=False, slots=True)
class _Waiter:
    """One request that asks whether it may go to the gate."""

    scan: str
    run: str
    most: Amount
    hold: HeldBack | None = None


class NoRoom(Exception):
    """Others were quicker: the request has to ask again whether it may go."""


@dataclass
class Allowance:
    """Shares out what one InferenceProvider may spend. `left` is what its status said at first."""

    name: str
    spec: ProviderSpec
    left: ProviderStatus
    now: Callable[[], datetime]
    on_change: Callable[[], None] = lambda: None
    """Called where the status has to be written, or shows something else."""
    _waiters: dict[_Waiter, None] = field(default_factory=dict)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._day = Day.left(self.left.today, self._date())
        self._runs = self._written = PaidRuns(tuple(self.left.recent_runs or ()))
        self._refusal = ""
        """Why the status was not written the last time; empty where it was."""
        self._shown: tuple[float, Records] | None = None

    def configure(self, spec: ProviderSpec) -> None:
        """Obey other limits at once."""
        if spec != self.spec:
            self.spec = spec
            self._wake()

    async def room(self, scan: str, run: str, most: Usage, *, wait: bool) -> None:
        """Return once a request that takes `most` may be sent for that run of that scan.

        Raises LimitReached where it may not `wait` for another day, or for the run to be due.
        """
        waiter = _Waiter(scan, run, Amount.of(most))
        self._waiters[waiter] = None
        try:
            while not self._may_go(waiter):
                if waiter.hold and not wait:
                    raise LimitReached(waiter.hold.message, retry_in_s=RETRY_S, most=most)
                await self._another_look(waiter)
        finally:
            del self._waiters[waiter]
            if waiter.hold:
                self.on_change()

    @contextmanager
    def reserved(self, most: Usage) -> Iterator[Bill]:
        """Count a request for as long as it is under way. Raises NoRoom."""
        amount, bill = Amount.of(most), Bill(most)
        day = self._today()
        if not self._is_free(day, amount):
            raise NoRoom
        self._day = day.begun(amount)
        try:
            yield bill
        finally:
            self._day = self._today().ended(amount, bill.taken)
            self._wake()

    def hold(self, scan: str) -> HeldBack | None:
        """Return why that scan's requests wait; None where none does."""
        return next((h for one in self._waiters if (h := one.hold) and one.scan == scan), None)

    def slowed(self, pace: Pace, scan: str) -> Pace:
        """Return the pace of that scan's questions as the limits leave it."""
        hold = self.hold(scan)
        if hold is None and self._refusal and any(one.scan == scan for one in self._waiters):
            why = f"What it spends cannot be written down, so it is not asked. {self._refusal}"
            return replace(pace, obstacle=why)
        if hold is None:
            return pace
        wait_s = max(pace.wait_s, (hold.until - self.now()).total_seconds())
        return replace(pace, wait_s=wait_s, obstacle=hold.message, reason=hold.reason)

    @property
    def verdict(self) -> Verdict | None:
        """What the provider's own status says of a day that is used up; None while it is not."""
        hold = next((h for one in self._waiters if (h := one.hold) and h.is_for_all), None)
        return Verdict("False", hold.reason, hold.message) if hold else None

    @property
    def limits(self) -> DayLimits:
        """What may be spent in a day."""
        return DayLimits.of(self.spec)

    def records(self, now_s: float) -> Records:
        """Return what to write into the status; `now_s` is the time of the event loop."""
        day, limits = self._today(), self.limits
        waiting = sum((one.most for one in self._waiters if one.hold is None), NOTHING)
        aside = day.set_aside(limits, waiting)
        covered = Amount.of(day.used) + aside
        records = Records(day.shown(aside), self._runs, covered, day.date)
        fresh = self._shown is not None and now_s - self._shown[0] < SHOWN_S
        if self._shown and fresh and day.under_way and not limits.are_set:
            return replace(records, today=self._shown[1].today)
        self._shown = now_s, records
        return records

    @property
    def is_set_aside(self) -> bool:
        """Whether the status accounts for more than is under way."""
        day = self._today()
        return self.limits.are_set and day.covered != Amount.of(day.used) and not day.under_way

    @property
    def stale_in_s(self) -> float:
        """Seconds until the status shows a day that is over; infinite where it shows none."""
        day = self._today()
        if not (day.used.requests or (self._shown and self._shown[1].today)):
            return math.inf
        return max(0.0, (day.ends - self.now()).total_seconds())

    def refused(self, why: str) -> None:
        """Take note that the status could not be written."""
        self._refusal = why

    def written(self, records: Records) -> None:
        """Take note that the status has been written so."""
        self._refusal = ""
        day = self._today()
        # What was written of a day that has ended meanwhile says nothing of the new one.
        covered = records.covered if records.date == day.date else day.covered
        if (self._written, day.covered) != (records.runs, covered):
            self._written, self._day = records.runs, day.accounted_for(covered)
            self._wake()

    def _may_go(self, waiter: _Waiter) -> bool:
        """Whether the request may go; if not, `hold` says what it waits for beside the status."""
        now, day, before = self.now(), self._today(), waiter.hold
        waiter.hold = self._held_back(waiter, day, now)
        if waiter.hold != before:
            self.on_change()
        if waiter.hold or not day.fits(self.limits, waiter.most):
            return False
        if self.spec.minimum_run_interval and not self._runs.has(waiter.scan, waiter.run):
            self._runs = self._runs.begun(waiter.scan, waiter.run, now)
        if self._is_free(day, waiter.most) and self._is_recorded(waiter):
            return True
        self.on_change()
        return False

    def _held_back(self, waiter: _Waiter, day: Day, now: datetime) -> HeldBack | None:
        interval = self.spec.minimum_run_interval
        due = self._runs.due(waiter.scan, waiter.run, interval, now)
        if interval and due > now:
            message = self._runs.waits(self.name, waiter.scan, interval, due)
            return HeldBack("RunTooSoon", message, due, is_for_all=False)
        if day.under_way or day.fits(self.limits, waiter.most):
            return None  # what is under way may take less than it might
        message = day.reached(self.name, self.limits, waiter.most)
        return HeldBack("DailyLimitReached", message, day.ends, is_for_all=True)

    def _is_free(self, day: Day, amount: Amount) -> bool:
        limits = self.limits
        return day.fits(limits, amount) and day.is_covered(limits, amount)

    def _is_recorded(self, waiter: _Waiter) -> bool:
        run = waiter.scan, waiter.run
        return self.spec.minimum_run_interval is None or self._written.has(*run)

    async def _another_look(self, waiter: _Waiter) -> None:
        """Wait until something has changed, or the time has come that the request waits for."""
        until = waiter.hold.until if waiter.hold else None
        left_s = (until - self.now()).total_seconds() if until else CLOCK_CHECK_S
        with anyio.move_on_after(max(0.0, min(left_s, CLOCK_CHECK_S))):
            await self._changed.wait()

    def _today(self) -> Day:
        self._day = self._day.at(self._date())
        return self._day

    def _date(self) -> date:
        return self.now().astimezone(UTC).date()

    def _wake(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
