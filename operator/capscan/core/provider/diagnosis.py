"""What free checks of a provider ("looks"), and questions to it, have shown: one frozen value.

Each method returns the next value after something happened. How a verdict reads in the status is
decided in `status.py`; who looks, and when, is in `inference/accounts/keeper.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from capscan.core.errors import InferenceError, ProviderUnusable
from capscan.core.provider.status import CHECKING, Verdict, verdict_on
from capscan.core.retry import stepped_s

RECHECK_S = (5.0, 10.0, 30.0, 60.0)
"""Pauses before a provider that cannot be asked is looked at again; the last one repeats."""

REFUSALS_MAX = 3
"""So many questions turned down in a row mean that the provider turns down all of them."""

AT_ONCE = -math.inf
NEVER = math.inf

USABLE = Verdict("True", "Usable", "Nothing speaks against it.")


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
    refused_s: Mapping[str, float] = field(default_factory=dict)
    """The questions that were turned down in words that are for all, each with the time of its
    first refusal."""
    healthy_s: float = -math.inf
    """When the newest of the questions was sent that were answered."""

    def wanted_again(self) -> "Diagnosis":
        """Look again at once: somebody may have mended it."""
        return replace(self, due_s=AT_ONCE, in_vain=0, on_trial=False)

    def looking(self, around: str | ProviderUnusable) -> "Diagnosis":
        """A look begins. If another one is wanted meanwhile, it follows at once."""
        return replace(self, due_s=NEVER, around=around)

    def looked(
        self, generation: int, found: ProviderUnusable | InferenceError | None, now_s: float
    ) -> "Diagnosis":
        """A look at the spec of this generation ended, with what it found against the provider."""
        after = replace(self, judged=generation)
        if generation != self.judged:
            after = replace(after, refused_s={}, healthy_s=-math.inf)
        if found is None and self.on_trial:
            return replace(after, fault=None, due_s=self._unless_wanted(NEVER), on_trial=False)
        if found is None:
            return after._usable()
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

    def left_open(self, now_s: float) -> "Diagnosis":
        """The circuit is open and nobody asks any more: a look has to find out when it is back."""
        return self._later(now_s) if self.due_s == NEVER else self

    def refused(self, name: str, now_s: float) -> "Diagnosis":
        """A question was turned down, and a look finds nothing: `blames` says whose fault that is.

        `name` is the CRD that it asked about.
        """
        return replace(self, refused_s={name: now_s, **self.refused_s})

    def blames(self, name: str) -> bool:
        """Return whether the refusal may be the fault of the question about `name`."""
        if self.refused_s[name] < self.healthy_s:
            return True
        in_a_row = sum(first_s >= self.healthy_s for first_s in self.refused_s.values())
        return self.healthy_s > -math.inf and in_a_row < REFUSALS_MAX

    def answered(self, sent_s: float) -> "Diagnosis":
        """A question that was sent at `sent_s` was answered: nothing is wrong with the account.

        It does not prove that nothing is wrong with the other providers.
        """
        after = replace(self, healthy_s=max(self.healthy_s, sent_s))
        if after.verdict.status == "False" and isinstance(after.around, str):
            return after._usable()
        return replace(after, in_vain=0)

    def _usable(self) -> "Diagnosis":
        message = f"{USABLE.message} {self.around}".strip()
        return replace(
            self,
            verdict=replace(USABLE, message=message),
            fault=None,
            due_s=self._unless_wanted(NEVER),
            in_vain=0,
            on_trial=False,
        )

    def _faulty(self, fault: ProviderUnusable, now_s: float) -> "Diagnosis":
        return replace(self, verdict=verdict_on(fault), fault=fault)._later(now_s)

    def _later(self, now_s: float) -> "Diagnosis":
        due_s = self._unless_wanted(now_s + stepped_s(RECHECK_S, self.in_vain))
        return replace(self, due_s=due_s, in_vain=self.in_vain + 1)

    def _unless_wanted(self, due_s: float) -> float:
        return AT_ONCE if self.due_s == AT_ONCE else due_s
