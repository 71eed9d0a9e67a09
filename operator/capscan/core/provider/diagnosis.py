"""What looks at a provider, and questions to it, have shown: a value, and the steps that lead from
one to the next. How it reads is `core/provider/status.py`'s; who looks is
`inference/accounts/keeper.py`.
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
"""So many questions turned down, and none answered that was sent since: then it is not they."""

AT_ONCE = -math.inf
NEVER = math.inf

USABLE = Verdict("True", "Usable", "Nothing speaks against it.")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Everything that one look leaves to the next."""

    verdict: Verdict = CHECKING
    """What is shown."""
    fault: ProviderUnusable | None = None
    """What questions are turned down with; None where they may be asked."""
    judged: int | None = None
    """The generation that the verdict is on."""
    around: str | ProviderUnusable = ""
    """What there is to know of the other providers, or what is wrong with them for this one."""
    due_s: float = AT_ONCE
    """When to look again."""
    in_vain: int = 0
    """Looks since the last good news."""
    on_trial: bool = False
    """A question found what no look can find. It is shown until one is answered, so a look that
    finds nothing only lets them be asked again."""
    refused_s: Mapping[str, float] = field(default_factory=dict)
    """Questions that were turned down in words that are for all, and when that was for the first
    time."""
    healthy_s: float = -math.inf
    """When the newest of those questions was sent that were answered."""

    def wanted_again(self) -> "Diagnosis":
        """Somebody may have mended it."""
        return replace(self, due_s=AT_ONCE, in_vain=0, on_trial=False)

    def looking(self, around: str | ProviderUnusable) -> "Diagnosis":
        """A look begins; whoever wants another one meanwhile gets it afterwards."""
        return replace(self, due_s=NEVER, around=around)

    def looked(
        self, generation: int, found: ProviderUnusable | InferenceError | None, now_s: float
    ) -> "Diagnosis":
        """It ended, with what speaks against the provider."""
        at = replace(self, judged=generation)
        if generation != self.judged:
            at = replace(at, refused_s={}, healthy_s=-math.inf)
        if found is None and self.on_trial:
            return replace(at, fault=None, due_s=self._unless_wanted(NEVER), on_trial=False)
        if found is None:
            return at._usable()
        if isinstance(found, ProviderUnusable):
            # What a look finds, a look finds mended.
            return replace(at, on_trial=False)._faulty(found, now_s)
        if self.on_trial:
            return at._later(now_s)  # nothing new of what the question found
        # Nothing is wrong with the account, as far as is known.
        away = Verdict("False", found.reason, f"It does not answer now: {found.message}")
        return replace(at, verdict=away, fault=None)._later(now_s)

    def doubted(self, fault: ProviderUnusable, now_s: float) -> "Diagnosis":
        """A question found a fault."""
        return replace(self._faulty(fault, now_s), on_trial=True)

    def left_open(self, now_s: float) -> "Diagnosis":
        """Its circuit is open, and nobody asks any more: a look has to find out when it is back."""
        return self._later(now_s) if self.due_s == NEVER else self

    def refused(self, name: str, now_s: float) -> "Diagnosis":
        """A question was turned down, and a look finds nothing: `blames` says whose fault it is."""
        return replace(self, refused_s={name: now_s, **self.refused_s})

    def blames(self, name: str) -> bool:
        """Whether it may be the question's own fault."""
        if self.refused_s[name] < self.healthy_s:
            return True
        in_a_row = sum(first_s >= self.healthy_s for first_s in self.refused_s.values())
        return self.healthy_s > -math.inf and in_a_row < REFUSALS_MAX

    def answered(self, sent_s: float) -> "Diagnosis":
        """An answer is the best proof, of all but what others do."""
        at = replace(self, healthy_s=max(self.healthy_s, sent_s))
        if at.verdict.status == "False" and isinstance(at.around, str):
            return at._usable()
        return replace(at, in_vain=0)

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
