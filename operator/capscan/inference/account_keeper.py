"""Looks after one InferenceProvider: finds out whether it can be asked, and says so in its status.

What fails for everybody (a wrong key, an unknown model) makes it unusable until somebody mends it.
That is noticed without a restart, and those who wait are told.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import anyio

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
from capscan.core.provider_status import (
    CHECKING,
    AccountState,
    Verdict,
    project,
    shown_verdict,
    verdict_on,
)
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
    ProviderStatus,
    Usage,
)

logger = logging.getLogger(__name__)

RECHECK_S = (5.0, 10.0, 30.0, 60.0)
"""Pauses before a provider that cannot be asked is looked at again; the last one repeats."""

REPORT_S = 2.0
"""How often the status of a provider that is being asked is brought up to date."""

USABLE = Verdict("True", "Usable", "Nothing speaks against it.")


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
        self._told = CHECKING
        self._look_around = look_around
        self._aside = ""
        self._now = now
        self._obeyed = seen
        self._verdict = CHECKING
        self._fault: ProviderUnusable | None = None
        self._check_at_s = float("-inf")
        self._checks_in_vain = 0
        self._on_trial = False
        self._mending = anyio.Lock()
        self._judged: int | None = None
        """The generation that the verdict is on."""
        self._news = anyio.Event()
        """Set, and replaced, with each verdict and with the end."""
        self._ended = False
        self._changed = anyio.Event()
        self._asking = 0
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

    @property
    def looks_around(self) -> bool:
        """Whether another provider may be what it is stuck on."""
        return bool(self._aside) or self._verdict.reason == "FallbackLoop"

    def look_again(self) -> None:
        """Somebody may have mended it."""
        self._check_at_s, self._checks_in_vain = float("-inf"), 0
        self._on_trial = False
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled, or until the object is gone."""
        try:
            while True:
                self._changed = anyio.Event()
                if self._check_at_s <= anyio.current_time():
                    await self._check()
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
        while self._judged != self._seen.metadata.generation and not self._ended:
            await self._news.wait()
        if self._ended:
            raise ProviderUnusable(
                "ProviderNotFound", f"The InferenceProvider {self.name} was deleted."
            )
        self._raise_fault()

    async def complete(self, question: Question, *, wait_while_open: bool = True) -> Completion:
        """Raises InferenceError, ProviderUnusable; CircuitOpen only where told not to wait."""
        await self.ready()
        with self._in_use():
            before = self._account.connection
            try:
                completion = await self._account.complete(question, wait_while_open=wait_while_open)
            except ProviderUnusable as fault:
                if not await self._mended(fault, before):
                    self._raise_fault()
                completion = await self._account.complete(question, wait_while_open=wait_while_open)
        self._checks_in_vain = 0
        if self._verdict.status == "False":
            self._judge(None)  # an answer is the best proof
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
        return self._account.pace(flow, weight)

    def statistics(self) -> GateStatistics | None:
        """Of the gate; None before there is one."""
        return self._account.statistics()

    def _raise_fault(self) -> None:
        if self._fault:
            raise ProviderUnusable(self._fault.reason, self._verdict.message)

    def _announce(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def _mended(self, fault: ProviderUnusable, before: Connection | None) -> bool:
        """Whether a key that was rotated puts it right at once; else it is unusable from now on."""
        async with self._mending:
            if self._fault:  # another question was quicker
                return False
            if self._account.connection is before:
                with suppress(InferenceError, ProviderUnusable):
                    await self._account.verify()
            mended = self._account.connection not in (before, None)
            if not mended:
                self._judge(fault)
                self._on_trial = True
                self._changed.set()
            return mended

    async def _check(self) -> None:
        seen = self._seen
        if self._obeyed.spec != seen.spec:
            await self._account.configure(seen.spec)
        self._obeyed = seen
        try:
            self._aside = self._look_around()
            await self._account.verify()
        except ProviderUnusable as fault:
            self._judge(fault)
        except KubeError as error:
            self._judge(ProviderUnusable("ApiServerError", f"Its key cannot be read: {error}"))
        except InferenceError as error:
            self._away(error)
        else:
            self._pass()
        self._judged = seen.metadata.generation
        self._announce()

    def _pass(self) -> None:
        """Nothing speaks against it. Where a question found a fault that only questions can find,
        the fault is shown until one is answered.
        """
        if self._on_trial:
            self._fault, self._on_trial = None, False
            self._check_at_s = float("inf")
            self._on_change(self.name)
        else:
            self._judge(None)

    def _judge(self, fault: ProviderUnusable | None) -> None:
        self._fault = fault
        if fault is None:
            message = f"{USABLE.message} {self._aside}".strip()
            self._verdict, self._check_at_s = replace(USABLE, message=message), float("inf")
            self._on_trial = False
        else:
            self._verdict = verdict_on(fault)
            self._check_later()
        self._on_change(self.name)

    def _away(self, error: InferenceError) -> None:
        """It does not answer now: nothing is wrong with the account, as far as is known."""
        self._fault = None
        self._check_later()
        self._verdict = Verdict("False", error.reason, f"It does not answer now: {error.message}")
        self._on_change(self.name)

    def _check_later(self) -> None:
        self._check_at_s = anyio.current_time() + stepped_s(RECHECK_S, self._checks_in_vain)
        self._checks_in_vain += 1

    async def _report(self) -> None:
        try:
            await self._sink.update(self._render)
            self._notify()
        except (MissingPermission, StatusRejected) as error:
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
        return AccountState(
            generation=self._obeyed.metadata.generation,
            verdict=self._verdict,
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
        check_in_s = max(0.0, self._check_at_s - anyio.current_time())
        return min(check_in_s, REPORT_S) if self._asking else check_in_s

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
