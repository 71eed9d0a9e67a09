"""Conditions by phase, to kstatus' rules.

Reconciling and Stalled are never both True. While a run is at work, a Ready that was True stays,
with its old observedGeneration: the last answer still holds until the new one is there. While a run
is suspended, Ready is False: with neither of the two True, kstatus goes by Ready, whatever its age.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from capscan.core.errors import ScanError
from capscan.core.kube_errors import KubeError
from capscan.model import Condition, Phase

WORKING = frozenset({Phase.PENDING, Phase.DISCOVERING, Phase.SCANNING})
DONE = frozenset({Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES})

OURS = frozenset({"Accepted", "Reconciling", "Stalled", "Ready", "Complete", "Failed"})
FOREIGN_MAX = 16
"""So many conditions of other controllers are kept: a status must leave room for ours."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Why a run cannot go on, and what would mend it."""

    reason: str
    message: str

    @classmethod
    def by(cls, error: Exception) -> "Stall":
        """Return the stall that an error leads to where it ended a session. An error that is
        not of capscan's own kinds is a bug.
        """
        match error:
            case ScanError():
                return cls(error.reason, str(error))
            case KubeError():
                return cls("ApiServerError", str(error))
            case _:
                cause = f"{type(error).__name__}: {error}"
                return cls("InternalError", f"{cause}; see the operator's log.")


@dataclass(frozen=True, slots=True)
class ScanFacts:
    """What the conditions of a scan are judged by."""

    phase: Phase
    message: str
    """Where the scan stands, in a sentence."""
    stall: Stall | None = None
    waiting: str = ""
    """Why a run at work gets nothing through for a while, in one word; empty where it does."""
    flaw: Stall | None = None
    """What is wrong with the spec, in a part that no run needs."""
    hindrance: Stall | None = None
    """What keeps the operator from seeing that another run is due."""
    dry_run: bool = False

    @property
    def trouble(self) -> Stall | None:
        """Why a scan that is done is Stalled all the same: its next run will not start in time."""
        return (self.flaw or self.hindrance) if self.phase in DONE else None


def conditions(
    facts: ScanFacts, *, generation: int, previous: Iterable[Condition], now: datetime
) -> list[Condition]:
    """Return all six conditions; a transition time moves only with its status.

    A dry run says nothing of the Capabilities: Ready stays True where it was, and is absent where
    it was not. kstatus then goes by Reconciling and Stalled, of which neither is True: what is
    asked for is done.
    """
    before = {condition.type: condition for condition in previous}
    judgements = _judge(facts)
    rehearsed = facts.dry_run and facts.phase in DONE
    standing = facts.phase in WORKING or rehearsed
    keep_ready = standing and "Ready" in before and before["Ready"].status == "True"
    if rehearsed and not keep_ready:
        del judgements["Ready"]
    return [
        before[type_]
        if type_ == "Ready" and keep_ready
        else _from_judgement(type_, judgement, generation, before.get(type_), now)
        for type_, judgement in judgements.items()
    ]


def beside(ours: Iterable[Condition], found: Iterable[Condition]) -> list[Condition]:
    """Return our conditions and, after them, those of other controllers on the same object as they
    were found.
    """
    foreign = [one for one in found if one.type not in OURS]
    return [one for one in ours if one.type in OURS] + foreign[:FOREIGN_MAX]


Judgement = tuple[bool, str, str]
"""Whether a condition holds, its reason and its message."""


def _judge(facts: ScanFacts) -> dict[str, Judgement]:
    phase, message, reason = facts.phase, facts.message, _reason(facts)
    working = phase in WORKING and facts.stall is None
    stuck = facts.stall is not None or phase is Phase.FAILED
    judgements = {
        "Accepted": (True, "ValidSpec", "The spec is understood."),
        "Reconciling": (working, reason, message if working else ""),
        "Stalled": (stuck, reason, message if stuck else ""),
        "Ready": (phase in DONE, reason, message),
        "Complete": (phase in DONE, reason, message if phase in DONE else ""),
        "Failed": (phase is Phase.FAILED, reason, message if phase is Phase.FAILED else ""),
    }
    if facts.flaw:
        judgements["Accepted"] = (False, facts.flaw.reason, facts.flaw.message)
    if facts.trouble:
        judgements["Stalled"] = (True, facts.trouble.reason, facts.trouble.message)
    return judgements


def _reason(facts: ScanFacts) -> str:
    if facts.stall:
        return facts.stall.reason
    if facts.dry_run and facts.phase in DONE:
        return "DryRun"
    if facts.waiting:
        return facts.waiting
    return _REASONS.get(facts.phase, facts.phase.value)


_REASONS = {
    Phase.COMPLETED: "AllSettled",
    Phase.COMPLETED_WITH_FAILURES: "SomeItemsFailed",
    Phase.FAILED: "TooManyItemsFailed",
}


def _from_judgement(
    type_: str, judgement: Judgement, generation: int, before: Condition | None, now: datetime
) -> Condition:
    holds, reason, message = judgement
    status = "True" if holds else "False"
    return condition(type_, status, reason, message, generation=generation, before=before, now=now)


def condition(
    type_: str,
    status: str,
    reason: str,
    message: str,
    *,
    generation: int,
    before: Condition | None,
    now: datetime,
) -> Condition:
    """Return one condition; `before` is the condition of that type as it was."""
    same = before is not None and before.status == status
    return Condition(
        type=type_,
        status=status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and same else now,
        reason=reason,
        message=message,
    )
