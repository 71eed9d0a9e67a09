"""Looks after one InferenceProvider: finds out whether it can be asked, and has that announced.

What fails for everybody (a wrong key, an unknown model) makes it unusable until somebody mends it.
That is noticed without a restart. What looks and questions show adds up to a verdict in
`core/provider/diagnosis.py`; how a verdict is announced is in `report.py`.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import partial

import anyio

from capscan.core.answer.question import Question
from capscan.core.crd.digest import Digest
from capscan.core.errors import (
    InferenceError,
    ObjectGone,
    ProviderUnusable,
    RequestRejected,
    RequestSingledOut,
)
from capscan.core.kube_errors import KubeError
from capscan.core.notice import Notice
from capscan.core.pace import Pace
from capscan.core.provider.diagnosis import Diagnosis
from capscan.core.provider.refusals import Blame
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.connection import Connection
from capscan.inference.accounts.look import found_by_look
from capscan.inference.accounts.report import AccountAnnouncer, ProviderStatusSink
from capscan.inference.accounts.statistics import GateStatistics
from capscan.inference.accounts.wakeups import Alarm, Turns, Verdicts
from capscan.inference.api.address import warning_about
from capscan.inference.flight import Flight
from capscan.model import AllowedScans, Completion, InferenceProvider, ObjectMeta, Usage

logger = logging.getLogger(__name__)

REPORT_S = 2.0
"""How often the status of a provider that is being asked is brought up to date."""

LAST_WRITE_TIMEOUT_S = 2.0


class AccountKeeper:
    """Owns one InferenceProvider for as long as it exists.

    `look_around` returns what a verdict says of the other providers, or raises ProviderUnusable
    where this one cannot work beside them. `on_change` is called with the name where the provider
    may be asked now and could not before, or the other way round.
    """

    def __init__(
        self,
        seen: InferenceProvider,
        account: Account,
        sink: ProviderStatusSink,
        *,
        on_change: Callable[[str], None],
        tell: Callable[[ObjectMeta, Notice], None],
        look_around: Callable[[], str],
        now: Callable[[], datetime],
    ) -> None:
        self._seen = seen
        self._account = account
        self._on_change = on_change
        self._announcer = AccountAnnouncer(sink, seen.status, tell, now)
        self._look_around = look_around
        self._diagnosis = Diagnosis()
        self._verdicts = Verdicts()
        self._mending = anyio.Lock()
        self._alarm = Alarm()
        self._turns = Turns()
        account.allowance.on_change = self._alarm.ring

    @property
    def name(self) -> str:
        """Name of the InferenceProvider."""
        return self._seen.metadata.name

    @property
    def model(self) -> str:
        """The model, as the provider calls it."""
        return self._account.model

    @property
    def identity(self) -> str:
        """What stands for this provider in every plan key."""
        return self._account.identity

    @property
    def fallback(self) -> str:
        """Name of the InferenceProvider that stands in; empty where none does."""
        ref = self._seen.spec.fallback_ref
        return ref.name if ref else ""

    @property
    def allowed_scans(self) -> AllowedScans | None:
        """The scans that may ask it; None where all may."""
        return self._seen.spec.allowed_scans

    def observe(self, seen: InferenceProvider) -> None:
        """Take the newest version; an edited spec is obeyed at once."""
        if not self._announcer.observe(seen):
            return
        before, self._seen = self._seen, seen
        self._account.allowance.configure(seen.spec)
        if before.metadata.generation != seen.metadata.generation:
            self.look_again()

    def look_around(self) -> None:
        """Look again if other providers came or went, and what was found of them has changed."""
        if str(self._around()) != str(self._diagnosis.around):
            self.look_again()

    def look_again(self) -> None:
        """Look again at once: somebody may have mended it."""
        self._diagnosis = self._diagnosis.wanted_again()
        self._alarm.ring()

    async def run(self) -> None:
        """Look, and announce, until cancelled or until the object is gone."""
        try:
            if self._seen.status.observed_generation < 0:
                await self._announce()  # it is new, and the first look may take long
            while True:
                self._alarm.reset()
                if self._account.is_left_open:
                    self._diagnosis = self._diagnosis.left_open(anyio.current_time())
                if self._diagnosis.due_s <= anyio.current_time():
                    await self._look()
                await self._announce()
                with anyio.move_on_after(self._pause_s()):
                    await self._alarm.wait()
        except ObjectGone:
            logger.info("%s: deleted", self.name, extra={"provider": self.name})
        finally:
            self._verdicts.end()
            with anyio.CancelScope(shield=True):
                await self._settle_up()
                await self._account.aclose()

    async def ready(self) -> None:
        """Wait for a verdict on the newest spec. Raises ProviderUnusable."""
        while self._diagnosis.judged != self._seen.metadata.generation and not self._verdicts.ended:
            await self._verdicts.wait()
        if self._verdicts.ended:
            raise ProviderUnusable(
                "ProviderNotFound", f"The InferenceProvider {self.name} was deleted."
            )
        self._raise_fault()

    async def complete(
        self, question: Question, flight: Flight, *, wait_while_open: bool = True
    ) -> Completion:
        """Answer a question, once there is a verdict, and learn from how that went.

        Raises InferenceError, ProviderUnusable; CircuitOpen only where told not to wait.
        """
        await self.ready()
        await anyio.sleep(self._diagnosis.politeness_s(question.digest.name))
        async with self._turns.turn(lambda: self._diagnosis):
            await self.ready()
            judged, asked = self._diagnosis.judged, self._account.connection
            sent_s = anyio.current_time()
            self._diagnosis = self._diagnosis.asked(sent_s)
            with self._alarm.in_use():
                completion = await self._answer(question, flight, wait_while_open=wait_while_open)
        if (judged, asked) != (self._diagnosis.judged, self._account.connection):
            return completion  # it says nothing of the spec and the key that are in use now
        before = self._diagnosis
        self._diagnosis = before.answered(sent_s, question.digest.name)
        self._turns.tell()
        if self._diagnosis.verdict != before.verdict:
            self._on_change(self.name)
        return completion

    async def until_allowed(self, question: Question, most: Usage) -> None:
        """Wait until a request of that question may be sent, by an administrator's limits."""
        allowance = self._account.allowance
        await allowance.room(question.flow, question.run, most, wait=True)

    @property
    def is_priced(self) -> bool:
        """Whether the cost in a Usage says what a request cost."""
        return self._account.is_priced

    def estimate(self, digest: Digest) -> Usage:
        """Return what an answer is expected to cost."""
        return self._account.estimate(digest)

    def pace(self, flow: str, weight: int) -> Pace:
        """Return how fast questions of this flow may go now."""
        if self._diagnosis.fault:
            return Pace(returns=False, obstacle=self._diagnosis.verdict.message)
        return self._account.pace(flow, weight)

    def statistics(self) -> GateStatistics | None:
        """Return the statistics of the gate; None before there is one."""
        return self._account.statistics()

    async def _answer(
        self, question: Question, flight: Flight, *, wait_while_open: bool
    ) -> Completion:
        while True:
            before = self._account.connection
            try:
                return await self._account.complete(
                    question, flight, wait_while_open=wait_while_open
                )
            except ProviderUnusable as fault:
                await self._mend(fault, before, question.digest.name)
            except RequestSingledOut:
                raise
            except RequestRejected as refusal:
                await self._weigh(refusal, question.digest.name)
                raise

    async def _weigh(self, refusal: RequestRejected, name: str) -> None:
        """Hold a question that was turned down until it is clear whose fault that is: return where
        it is the question's. Raises ProviderUnusable where all are turned down.
        """
        self._diagnosis = self._diagnosis.refused(name, anyio.current_time(), refusal.message)
        if await self._turns.decided(partial(self._blame, name)) is Blame.PROVIDER:
            self._diagnosis = self._diagnosis.turns_down(refusal, anyio.current_time())
            self._on_change(self.name)
            self._alarm.ring()
            self._turns.tell()
        self._raise_fault()

    def _blame(self, name: str, *, alone: bool) -> Blame:
        self._raise_fault()
        return self._diagnosis.blame(name, anyio.current_time(), alone=alone)

    async def _mend(self, fault: ProviderUnusable, before: Connection | None, name: str) -> None:
        """Find out what a fault that a question met comes from; return where it can be asked again.

        A key that was rotated is picked up at once. Otherwise the provider is unusable from now on,
        unless it turns down this one question alone. `before` is the connection that was asked,
        `name` the CRD. Raises ProviderUnusable, RequestSingledOut.
        """
        async with self._mending:
            self._raise_fault()  # another question found it out before this one
            stands = False
            if self._account.connection is before:
                with suppress(InferenceError, ProviderUnusable):
                    await self._account.verify()
                    stands = True
            if self._account.connection in (before, None):
                if stands and fault.otherwise:
                    self._diagnosis = self._diagnosis.refused(name, anyio.current_time())
                    if self._diagnosis.blames(name):
                        raise fault.otherwise
                    fault = ProviderUnusable(fault.reason, f"{fault} (asked about {name})")
                self._diagnosis = self._diagnosis.doubted(fault, anyio.current_time())
                self._on_change(self.name)
                self._alarm.ring()
                self._raise_fault()

    def _raise_fault(self) -> None:
        if self._diagnosis.fault:
            raise ProviderUnusable(self._diagnosis.fault.reason, self._diagnosis.verdict.message)

    async def _look(self) -> None:
        if self._diagnosis.by_question:
            self._diagnosis = self._diagnosis.on_trial_again()
            self._on_change(self.name)
            return
        seen = self._seen
        self._diagnosis = self._diagnosis.looking(self._around())
        found = await found_by_look(self._account, seen.spec, self._diagnosis.around)
        self._diagnosis = self._diagnosis.looked(
            seen.metadata.generation, found, anyio.current_time()
        )
        self._on_change(self.name)
        self._verdicts.announce()

    def _around(self) -> str | ProviderUnusable:
        try:
            return self._look_around()
        except ProviderUnusable as fault:
            return fault

    async def _announce(self) -> None:
        await self._announcer.announce(
            self._seen.metadata,
            self._diagnosis,
            self.statistics(),
            self._account.allowance,
            warning_about(self._seen.spec),
        )

    async def _settle_up(self) -> None:
        """Write that nothing is under way: what is set aside would count as spent."""
        if self._account.allowance.is_set_aside:
            with anyio.move_on_after(LAST_WRITE_TIMEOUT_S), suppress(ObjectGone, KubeError):
                await self._announce()

    def _pause_s(self) -> float:
        """Return the seconds until there is something to look at, or to announce."""
        due_in_s = max(0.0, self._diagnosis.due_s - anyio.current_time())
        pauses_s = [due_in_s, self._account.allowance.stale_in_s]
        if self._alarm.is_in_use:
            pauses_s.append(REPORT_S)
        if (retry_s := self._announcer.retry_s) is not None:
            pauses_s.append(retry_s)
        return min(pauses_s)
