"""Announces the state of one InferenceProvider: in its status, in the log, and as Events.

How a status reads is decided in `core/provider/status.py`; what the state is, and when it is
announced, in `keeper.py`.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import anyio

from capscan.core.errors import MissingPermission, StatusRejected
from capscan.core.notice import Notice
from capscan.core.provider.diagnosis import RECHECK_S, Diagnosis
from capscan.core.provider.status import AccountState, Verdict, last_shown, render, shown_verdict
from capscan.core.retry import stepped_s
from capscan.core.text import shorten
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.statistics import GateStatistics, RateLimitSeen
from capscan.model import Circuit, InferenceProvider, LastRateLimit, ObjectMeta, ProviderStatus

logger = logging.getLogger(__name__)


class ProviderStatusSink(Protocol):
    """Where the status of one provider is written."""

    def observe(self, seen: InferenceProvider, /) -> bool:
        """Take note of a version that was seen; return False if a newer one is known already."""
        ...

    async def update(self, render: Callable[[ProviderStatus], ProviderStatus], /) -> bool:
        """Make the status what `render` returns for the one before it; return whether it changed.

        Raises ScanError.
        """
        ...


class AccountAnnouncer:
    """Writes the status of one InferenceProvider, and announces each turn of it.

    `left` is the status that an earlier process left: what it says was announced then.
    """

    def __init__(
        self,
        sink: ProviderStatusSink,
        left: ProviderStatus,
        tell: Callable[[ObjectMeta, Notice], None],
        now: Callable[[], datetime],
    ) -> None:
        self._sink = sink
        self._announced = last_shown(left)
        self._tell = tell
        self._now = now
        self._refusals = 0
        """How often in a row the status was refused."""
        self._rate_limit: tuple[RateLimitSeen, LastRateLimit] | None = None
        """The newest 429 and how the status shows it; None before the first."""

    def observe(self, seen: InferenceProvider) -> bool:
        """Take note of a version that was seen; return False if a newer one is known already."""
        return self._sink.observe(seen)

    @property
    def retry_s(self) -> float | None:
        """Seconds until a status that was refused is worth another try; None if it was written."""
        return stepped_s(RECHECK_S, self._refusals - 1) if self._refusals else None

    async def announce(
        self,
        about: ObjectMeta,
        diagnosis: Diagnosis,
        statistics: GateStatistics | None,
        allowance: Allowance,
        warning: str = "",
    ) -> None:
        """Bring the status up to date, and announce a turn in the log and as an Event.

        `statistics` are those of the gate; None before there is one. `warning` is shown as long as
        it can be asked. Raises ObjectGone.
        """
        records = allowance.records(anyio.current_time())
        state = replace(
            self._state(about, diagnosis, statistics),
            warning=warning,
            held=allowance.verdict,
            today=records.today,
            recent_runs=records.runs.runs,
        )
        try:
            await self._sink.update(lambda previous: render(state, previous, self._now()))
        except (MissingPermission, StatusRejected) as error:
            self._refusals += 1
            allowance.refused(str(error))
            logger.error("%s: %s", about.name, error, extra={"provider": about.name})
        else:
            self._refusals = 0
            allowance.written(records)
            self._notify(about, shown_verdict(state))

    def _notify(self, about: ObjectMeta, verdict: Verdict) -> None:
        """Say in the log and as an Event that it can no longer be asked, or can be again."""
        was, self._announced = self._announced, verdict
        # An open circuit has a new message with every error.
        same = verdict == was or verdict.reason == was.reason == "CircuitOpen"
        if same or "False" not in (verdict.status, was.status):
            return
        fails = verdict.status == "False"
        logger.log(
            logging.WARNING if fails else logging.INFO,
            "%s: %s: %s", about.name, verdict.reason, verdict.message,
            extra={"provider": about.name, "reason": verdict.reason},
        )  # fmt: skip
        self._tell(about, Notice(verdict.reason, verdict.message, warning=fails))

    def _state(
        self, about: ObjectMeta, diagnosis: Diagnosis, statistics: GateStatistics | None
    ) -> AccountState:
        judged = diagnosis.judged
        return AccountState(
            generation=about.generation if judged is None else judged,
            verdict=diagnosis.verdict,
            circuit=statistics.circuit if statistics else Circuit.CLOSED,
            in_flight_limit=statistics.permits if statistics else None,
            last_rate_limit=self._last_rate_limit(statistics),
            obstacle=statistics.obstacle if statistics else "",
        )

    def _last_rate_limit(self, statistics: GateStatistics | None) -> LastRateLimit | None:
        """Return the newest 429; its time is worked out once, or it would drift with the clock."""
        seen = statistics.last_rate_limit if statistics else None
        if seen is None:
            return None
        if self._rate_limit is None or self._rate_limit[0] != seen:
            ago = timedelta(seconds=anyio.current_time() - seen.at_s)
            self._rate_limit = seen, _shown(seen, self._now() - ago)
        return self._rate_limit[1]


def _shown(seen: RateLimitSeen, at: datetime) -> LastRateLimit:
    retry_after = None if seen.retry_after_s is None else timedelta(seconds=seen.retry_after_s)
    return LastRateLimit(time=at, message=shorten(seen.message, 512), retry_after=retry_after)
