"""Looks after one InferenceProvider: finds out whether it can be asked, and says so in its status.

What fails for everybody (a wrong key, an unknown model) makes it unusable until somebody mends it.
That is noticed without a restart, and those who wait are told.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Protocol

import anyio

from capscan.core.diagnosis import RECHECK_S, Diagnosis
from capscan.core.digest import Digest
from capscan.core.errors import (
    InferenceError,
    KubeError,
    MissingPermission,
    ObjectGone,
    ProviderUnusable,
    StatusRejected,
)
from capscan.core.notice import Notice
from capscan.core.provider_status import AccountState, project, shown_verdict, told_by
from capscan.core.question import Pace, Question
from capscan.core.retry import stepped_s
from capscan.core.text import shorten
from capscan.inference.account import Account
from capscan.inference.connection import Connection
from capscan.inference.gate import GateStatistics, RateLimitSeen
from capscan.model import (
    Circuit,
    Completion,
    InferenceProvider,
    LastRateLimit,
    ObjectMeta,
    ProviderSpec,
    ProviderStatus,
    Usage,
)

logger = logging.getLogger(__name__)

REPORT_S = 2.0
"""How often the status of a provider that is being asked is brought up to date."""


class StatusSink(Protocol):
    """Where the status of one provider is written."""

    def observe(self, seen: InferenceProvider, /) -> bool:
        """Take note of a version that was seen; False if a newer one is known already."""
        ...

    async def update(self, render: Callable[[ProviderStatus], ProviderStatus], /) -> bool:
        """Make the status what `render` says. Raises ScanError."""
        ...


class AccountKeeper:
    """Owns one InferenceProvider for as long as it exists.

    `look_around` says what to know about the other providers, or raises ProviderUnusable where it
    does not go with them.
    """

    def __init__(
        self,
        seen: InferenceProvider,
        account: Account,
        sink: StatusSink,
        *,
        on_change: Callable[[str], None],
        tell: Callable[[ObjectMeta, Notice], None],
        look_around: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._seen = seen
        self._account = account
        self._sink = sink
        self._on_change = on_change
        self._tell = tell
        self._told = told_by(seen.status)
        self._look_around = look_around
        self._now = now
        self._at = Diagnosis()
        self._mending = anyio.Lock()
        self._news = anyio.Event()
        """Set, and replaced, with each verdict and with the end."""
        self._ended = False
        self._changed = anyio.Event()
        self._asking = 0
        self._unwritten = 0
        """How often in a row its status was refused."""
        self._rate_limit: tuple[RateLimitSeen, LastRateLimit] | None = None

    @property
    def name(self) -> str:
        """Name of the InferenceProvider."""
        return self._seen.metadata.name

    @property
    def model(self) -> str:
        """As the provider calls it."""
        return self._account.model

    @property
    def identity(self) -> str:
        """Part of every plan key."""
        return self._account.identity

    @property
    def fallback(self) -> str:
        """Name of the InferenceProvider that stands in; empty where none does."""
        ref = self._seen.spec.fallback_ref
        return ref.name if ref else ""

    def observe(self, seen: InferenceProvider) -> None:
        """Take the newest version; an edited spec is obeyed at once."""
        if not self._sink.observe(seen):
            return
        before, self._seen = self._seen, seen
        if before.metadata.generation != seen.metadata.generation:
            self.look_again()

    def look_around(self) -> None:
        """Others came or went: what was found out of them may no longer hold."""
        if str(self._around()) != str(self._at.around):
            self.look_again()

    def look_again(self) -> None:
        """Somebody may have mended it."""
        self._at = self._at.wanted_again()
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled, or until the object is gone."""
        try:
            if self._seen.status.observed_generation < 0:
                await self._report()  # a new one: it may take long to answer
            while True:
                self._changed = anyio.Event()
                if self._account.is_left_open:
                    self._at = self._at.left_open(anyio.current_time())
                if self._at.due_s <= anyio.current_time():
                    await self._look()
                await self._report()
                with anyio.move_on_after(self._pause_s()):
                    await self._changed.wait()
        except ObjectGone:
            logger.info("%s: deleted", self.name, extra={"provider": self.name})
        finally:
            self._ended = True
            self._announce()
            with anyio.CancelScope(shield=True):
                await self._account.aclose()

    async def ready(self) -> None:
        """Wait for a verdict on the newest spec. Raises ProviderUnusable."""
        while self._at.judged != self._seen.metadata.generation and not self._ended:
            await self._news.wait()
        if self._ended:
            raise ProviderUnusable(
                "ProviderNotFound", f"The InferenceProvider {self.name} was deleted."
            )
        self._raise_fault()

    async def complete(self, question: Question, *, wait_while_open: bool = True) -> Completion:
        """Raises InferenceError, ProviderUnusable; CircuitOpen only where told not to wait."""
        await self.ready()
        judged, asked = self._at.judged, self._account.connection
        with self._in_use():
            completion = await self._answer(question, wait_while_open=wait_while_open)
        if (judged, asked) != (self._at.judged, self._account.connection):
            return completion  # of a spec or with a key that is no longer asked
        before, self._at = self._at, self._at.answered()
        if self._at.verdict != before.verdict:
            self._on_change(self.name)
        return completion

    @property
    def is_priced(self) -> bool:
        """Whether the cost in a Usage says what a request cost."""
        return self._account.is_priced

    def estimate(self, digest: Digest) -> Usage:
        """What an answer is expected to cost."""
        return self._account.estimate(digest)

    def pace(self, flow: str, weight: int) -> Pace:
        """How fast questions of this flow may go now."""
        if self._at.fault:
            return Pace(returns=False, obstacle=self._at.verdict.message)
        return self._account.pace(flow, weight)

    def statistics(self) -> GateStatistics | None:
        """Of the gate; None before there is one."""
        return self._account.statistics()

    async def _answer(self, question: Question, *, wait_while_open: bool) -> Completion:
        while True:
            before = self._account.connection
            try:
                return await self._account.complete(question, wait_while_open=wait_while_open)
            except ProviderUnusable as fault:
                await self._mend(fault, before)

    async def _mend(self, fault: ProviderUnusable, before: Connection | None) -> None:
        """A key that was rotated puts it right at once; else it is unusable from now on. Raises
        ProviderUnusable.
        """
        async with self._mending:
            self._raise_fault()  # another question was quicker
            if self._account.connection is before:
                with suppress(InferenceError, ProviderUnusable):
                    await self._account.verify()
            if self._account.connection in (before, None):
                self._at = self._at.doubted(fault, anyio.current_time())
                self._on_change(self.name)
                self._changed.set()
                self._raise_fault()

    def _raise_fault(self) -> None:
        if self._at.fault:
            raise ProviderUnusable(self._at.fault.reason, self._at.verdict.message)

    def _announce(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def _look(self) -> None:
        seen = self._seen
        self._at = self._at.looking(self._around())
        found = await self._found(seen.spec)
        self._at = self._at.looked(seen.metadata.generation, found, anyio.current_time())
        self._on_change(self.name)
        self._announce()

    async def _found(self, spec: ProviderSpec) -> ProviderUnusable | InferenceError | None:
        """What speaks against it, as far as that is free of charge."""
        await self._account.configure(spec)
        if isinstance(self._at.around, ProviderUnusable):
            return self._at.around
        try:
            await self._account.verify()
        except (ProviderUnusable, InferenceError) as error:
            return error
        except KubeError as error:
            return ProviderUnusable("ApiServerError", f"Its key cannot be read: {error}")
        return None

    def _around(self) -> str | ProviderUnusable:
        try:
            return self._look_around()
        except ProviderUnusable as fault:
            return fault

    async def _report(self) -> None:
        try:
            await self._sink.update(self._render)
            self._unwritten = 0
            self._notify()
        except (MissingPermission, StatusRejected) as error:
            self._unwritten += 1
            logger.error("%s: %s", self.name, error, extra={"provider": self.name})

    def _notify(self) -> None:
        """A line in the log and an Event where it can no longer be asked, or can be again."""
        verdict = shown_verdict(self._state())
        was, self._told = self._told, verdict
        # An open circuit has a new message with every error.
        same = verdict == was or verdict.reason == was.reason == "CircuitOpen"
        if same or "False" not in (verdict.status, was.status):
            return
        fails = verdict.status == "False"
        logger.log(
            logging.WARNING if fails else logging.INFO,
            "%s: %s: %s", self.name, verdict.reason, verdict.message,
            extra={"provider": self.name, "reason": verdict.reason},
        )  # fmt: skip
        notice = Notice(verdict.reason, verdict.message, warning=fails)
        self._tell(self._seen.metadata, notice)

    def _render(self, previous: ProviderStatus) -> ProviderStatus:
        return project(self._state(), previous, self._now())

    def _state(self) -> AccountState:
        statistics = self._account.statistics()
        judged, seen = self._at.judged, self._seen.metadata.generation
        return AccountState(
            generation=seen if judged is None else judged,
            verdict=self._at.verdict,
            circuit=statistics.circuit if statistics else Circuit.CLOSED,
            in_flight_limit=statistics.permits if statistics else None,
            last_rate_limit=self._last_rate_limit(statistics),
            obstacle=statistics.obstacle if statistics else "",
        )

    def _last_rate_limit(self, statistics: GateStatistics | None) -> LastRateLimit | None:
        seen = statistics.last_rate_limit if statistics else None
        if seen is None:
            return None
        if self._rate_limit is None or self._rate_limit[0] != seen:
            ago = timedelta(seconds=anyio.current_time() - seen.at_s)
            self._rate_limit = seen, _shown(seen, self._now() - ago)
        return self._rate_limit[1]

    def _pause_s(self) -> float:
        """Until there is something to look at, or to tell."""
        pauses_s = [max(0.0, self._at.due_s - anyio.current_time())]
        if self._asking:
            pauses_s.append(REPORT_S)
        if self._unwritten:
            pauses_s.append(stepped_s(RECHECK_S, self._unwritten - 1))
        return min(pauses_s)

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        self._asking += 1
        if self._asking == 1:
            self._changed.set()
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self._changed.set()


def _shown(seen: RateLimitSeen, at: datetime) -> LastRateLimit:
    retry_after = None if seen.retry_after_s is None else timedelta(seconds=seen.retry_after_s)
    return LastRateLimit(time=at, message=shorten(seen.message, 512), retry_after=retry_after)
