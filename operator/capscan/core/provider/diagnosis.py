"""What free checks of a provider ("looks"), and questions to it, have shown: one frozen value.

Each method returns the next value after something happened. How a verdict reads in the status is
decided in `status.py`; who looks, and when, is in `inference/accounts/keeper.py`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from capscan.core.errors import InferenceError, ProviderUnusable, RequestRejected
from capscan.core.provider import refusals
from capscan.core.provider.refusals import REFUSALS_MAX, Blame, Refusal, same_words
from capscan.core.provider.status import CHECKING, Verdict, verdict_on
from capscan.core.retry import stepped_s

RECHECK_S = (5.0, 10.0, 30.0, 60.0)
"""Pauses before a provider that cannot be asked is looked at again; the last one repeats."""

TRIAL_S = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Pauses before one question tries a provider that turned all of them down; the last repeats."""
FIRST_MAX = 3
"""So many questions at once go to a provider that has answered nobody yet, ..."""
FIRST_S = 2.0
"""... for so long: refusals come at once, where answers take their time."""
LOOKS_MAX = 5
"""After so many looks that were refused as the question before them was, a question tries again:
some accounts are refused every look."""

AT_ONCE = -math.inf
NEVER = math.inf

USABLE = Verdict("True", "Usable", "Nothing speaks against it.")

LOOKS_MAY_ERR = frozenset({"InvalidCredentials", "ModelNotFound"})
"""Faults that a look may find where a question finds none: gateways keep the list of models to
administrators, and answer for models that are in no list."""
REFUSES_ALL = "QuestionsRefused"
"""The reason where a provider turns down whatever it is asked."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that is known of a provider from one look to the next."""

    verdict: Verdict = CHECKING
    """What the status shows."""
    fault: ProviderUnusable | None = None
    """What questions are turned down with; None where they may be asked."""
    judged: int | None = None
    """The generation of the spec that the verdict is on; None before the first look."""
    around: str | ProviderUnusable = ""
    """What the verdict says of the other providers, or what makes this one unusable beside them."""
    due_s: float = AT_ONCE
    """When to look again."""
    in_vain: int = 0
    """The number of looks since one found nothing wrong, or a question was answered."""
    on_trial: bool = False
    """A question found a fault that no look can find. The fault is shown until a question is
    answered; a look that finds nothing only lets questions be asked again."""
    by_question: bool = False
    """No look can find out whether the fault is mended: one question tries instead."""
    looks_lie: bool = False
    """A look was refused where a question was answered."""
    looks_well: bool = False
    """A look at this generation found nothing wrong."""
    refused_by: Mapping[str, Refusal] = field(default_factory=dict)
    """The refusals of questions, by the CRD that they were about, until one is answered."""
    asked_s: float = math.inf
    """When the first question was sent to a provider that had answered nobody yet."""
    healthy_s: float = -math.inf
    """When the newest of the questions was sent that were answered."""

    @property
    def is_tried(self) -> bool:
        """Whether something speaks against the provider, and questions may find out whether it
        still does: one at a time.
        """
        return self.fault is None and self.verdict.stalled

    def questions_max(self, now_s: float) -> float:
        """Return how many questions may be under way at once."""
        if self.is_tried:
            return 1
        if self.healthy_s > -math.inf:
            return math.inf
        if self.refused_by:
            return 1
        return FIRST_MAX if now_s < self.asked_s + FIRST_S else math.inf

    def politeness_s(self, name: str) -> float:
        """Return how long the question about `name` lets others go first where one at a time tries:
        those that were not turned down yet, then those that were turned down less often.
        """
        refusal = self.refused_by.get(name)
        if refusal is None or not self.is_tried:
            return 0.0
        fewest = min(one.times for one in self.refused_by.values())
        return FIRST_S if refusal.times == fewest else 2 * FIRST_S

    def asked(self, now_s: float) -> "Diagnosis":
        """A question goes out."""
        return replace(self, asked_s=min(self.asked_s, now_s))

    def wanted_again(self) -> "Diagnosis":
        """Look again at once: somebody may have mended it."""
        return replace(self, due_s=AT_ONCE, in_vain=0, on_trial=False, by_question=False)

    def looking(self, around: str | ProviderUnusable) -> "Diagnosis":
        """A look begins. If another one is wanted meanwhile, it follows at once."""
        return replace(self, due_s=NEVER, around=around)

    def looked(
        self, generation: int, found: ProviderUnusable | InferenceError | None, now_s: float
    ) -> "Diagnosis":
        """A look at the spec of this generation ended, with what it found against the provider."""
        after = replace(self, judged=generation)
        if generation != self.judged:
            after = replace(
                after, refused_by={}, healthy_s=-math.inf, asked_s=math.inf, looks_well=False
            )
        if isinstance(found, RequestRejected):
            found = None  # what it thinks of a look says nothing of a question
        if found is None:
            after = replace(after, looks_well=True)
        if found is None and self.on_trial:
            return replace(after, fault=None, due_s=self._unless_wanted(NEVER), on_trial=False)
        if found is None:
            return after._usable()
        if isinstance(found, ProviderUnusable) and found.reason in LOOKS_MAY_ERR:
            return after._look_refused(found, now_s)
        if isinstance(found, ProviderUnusable):
            # A fault that a look finds is one that a later look finds mended.
            return replace(after, on_trial=False)._faulty(found, now_s)
        if self.on_trial:
            return after._later(now_s)  # it says nothing new of what the question found
        # It does not answer now, and nothing is known to be wrong with the account.
        away = Verdict("False", found.reason, f"It does not answer now: {found.message}")
        return replace(after, verdict=away, fault=None)._later(now_s)

    def doubted(self, fault: ProviderUnusable, now_s: float) -> "Diagnosis":
        """A question found a fault: no more questions are asked until a look ends."""
        return replace(self._faulty(fault, now_s), on_trial=True)

    def turns_down(self, error: RequestRejected, now_s: float) -> "Diagnosis":
        """The provider turns all questions down: nothing is asked until one of them may try."""
        fault = ProviderUnusable(
            REFUSES_ALL,
            "the provider turns down one question after another in the same words, so that it is "
            f"not the CRDs: {error.message}",
        )
        after = replace(self, verdict=verdict_on(fault), fault=fault, by_question=True)
        return after._later(now_s, TRIAL_S)

    def on_trial_again(self) -> "Diagnosis":
        """The pause is over: one question may find out whether all are still turned down."""
        return replace(self, fault=None, due_s=NEVER)

    def left_open(self, now_s: float) -> "Diagnosis":
        """The circuit is open and nobody asks any more: a look has to find out when it is back."""
        return self._later(now_s) if self.due_s == NEVER else self

    def refused(self, name: str, now_s: float, message: str = "") -> "Diagnosis":
        """A question was turned down: `blames` and `blame` say whose fault that is.

        `name` is the CRD that it asked about. There is no `message` where the words are for all
        questions in any case, and a look finds nothing.
        """
        words = same_words(message, name) if message else ""
        before = self.refused_by.get(name)
        if before is None or before.words != words:
            refusal = Refusal(now_s, words)
        else:
            refusal = replace(before, times=before.times + 1)
        return replace(self, refused_by={**self.refused_by, name: refusal})

    def blames(self, name: str) -> bool:
        """Return whether a refusal in words that are for all may still be the fault of the question
        about `name`.
        """
        refusal = self.refused_by[name]
        if refusal.first_s < self.healthy_s:
            return True
        return self.healthy_s > -math.inf and self._in_a_row(refusal) < REFUSALS_MAX

    def blame(self, name: str, now_s: float, *, alone: bool) -> Blame:
        """Return whose fault the refusal of the question about `name` is.

        `alone`: no other question is under way that could tell.
        """
        refusal = self.refused_by.get(name)
        if refusal is None or refusal.first_s < self.healthy_s:
            return Blame.QUESTION  # others that were sent since then were answered
        return refusals.blame(
            refusal,
            self._in_a_row(refusal),
            now_s,
            on_trial=self.is_tried,
            ever_answered=self.healthy_s > -math.inf,
            alone=alone,
        )

    def answered(self, sent_s: float, name: str = "") -> "Diagnosis":
        """A question that was sent at `sent_s` was answered: nothing is wrong with the account.

        It does not prove that nothing is wrong with the other providers, nor that a provider that
        turned down later questions still answers. `name` is the CRD that it asked about.
        """
        kept = {crd: one for crd, one in self.refused_by.items() if crd != name}
        after = replace(self, healthy_s=max(self.healthy_s, sent_s), refused_by=kept)
        if self.by_question and any(one.first_s > sent_s for one in kept.values()):
            return after
        if after.verdict.status == "False" and isinstance(after.around, str):
            lie = not self.looks_well and self.verdict.reason in LOOKS_MAY_ERR
            return replace(after, looks_lie=self.looks_lie or lie)._usable()
        return replace(after, in_vain=0)

    def _in_a_row(self, refusal: Refusal) -> int:
        return refusals.in_a_row(self.refused_by, refusal.words, self.healthy_s)

    def _look_refused(self, found: ProviderUnusable, now_s: float) -> "Diagnosis":
        """A look was refused, which proves nothing: a question decides."""
        if self.on_trial:
            tries = not self.looks_well and self.in_vain % LOOKS_MAX == LOOKS_MAX - 1
            after = self._faulty(found, now_s)
            return replace(after, fault=None) if tries else after
        if self.looks_lie or self.healthy_s > -math.inf:
            return self._usable()
        return replace(self._faulty(found, now_s), fault=None)

    def _usable(self) -> "Diagnosis":
        message = f"{USABLE.message} {self.around}".strip()
        return replace(
            self,
            verdict=replace(USABLE, message=message),
            fault=None,
            due_s=self._unless_wanted(NEVER),
            in_vain=0,
            on_trial=False,
            by_question=False,
        )

    def _faulty(self, fault: ProviderUnusable, now_s: float) -> "Diagnosis":
        return replace(self, verdict=verdict_on(fault), fault=fault)._later(now_s)

    def _later(self, now_s: float, pauses_s: Sequence[float] = RECHECK_S) -> "Diagnosis":
        due_s = self._unless_wanted(now_s + stepped_s(pauses_s, self.in_vain))
        return replace(self, due_s=due_s, in_vain=self.in_vain + 1)

    def _unless_wanted(self, due_s: float) -> float:
        return AT_ONCE if self.due_s == AT_ONCE else due_s
