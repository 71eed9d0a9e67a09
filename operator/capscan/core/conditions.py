"""Conditions by phase, to kstatus' rules.

Reconciling and Stalled are never both True. While a run is at work, a Ready that was True stays,
with its old observedGeneration: the last answer still holds until the new one is there. Not so
while a run is suspended: with neither of the two True, kstatus goes by Ready, whatever its age.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from capscan.model import Condition, Phase

WORKING = frozenset({Phase.PENDING, Phase.DISCOVERING, Phase.SCANNING})
DONE = frozenset({Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES})


@dataclass(frozen=True, slots=True)
class Stall:
    """Why a run cannot go on, and what would mend it."""

    reason: str
    message: str


def conditions(
    phase: Phase,
    message: str,
    *,
    generation: int,
    stall: Stall | None,
    waiting: bool = False,
    previous: Iterable[Condition],
    now: datetime,
) -> list[Condition]:
    """All six conditions; a transition time moves only with its status. `waiting`: at work, but the
    provider lets nothing through for a while.
    """
    before = {condition.type: condition for condition in previous}
    facts = _facts(phase, message, stall, waiting=waiting)
    if phase in WORKING:
        ready = before.get("Ready")
        keep_ready = ready if ready and ready.status == "True" else None
    else:
        keep_ready = None
    return [
        keep_ready
        if type_ == "Ready" and keep_ready
        else condition(
            type_,
            "True" if holds else "False",
            reason,
            text,
            generation=generation,
            before=before.get(type_),
            now=now,
        )
        for type_, (holds, reason, text) in facts.items()
    ]


def _facts(
    phase: Phase, message: str, stall: Stall | None, *, waiting: bool
) -> dict[str, tuple[bool, str, str]]:
    """(holds, reason, message) of each condition."""
    reason = "WaitingForProvider" if waiting else _REASONS.get(phase, phase.value)
    if stall:
        reason = stall.reason
    working = phase in WORKING and stall is None
    return {
        "Accepted": (True, "ValidSpec", "The spec is understood."),
        "Reconciling": (working, reason, message if working else ""),
        "Stalled": (
            stall is not None or phase is Phase.FAILED,
            reason,
            message if stall or phase is Phase.FAILED else "",
        ),
        "Ready": (phase in DONE, reason, message),
        "Complete": (phase in DONE, reason, message),
        "Failed": (phase is Phase.FAILED, reason, message if phase is Phase.FAILED else ""),
    }


_REASONS = {
    Phase.COMPLETED: "AllSettled",
    Phase.COMPLETED_WITH_FAILURES: "SomeItemsFailed",
    Phase.FAILED: "TooManyItemsFailed",
}


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
    """One condition; `before` is the same one as it was."""
    same = before is not None and before.status == status
    return Condition(
        type=type_,
        status=status,
        observed_generation=generation,
        last_transition_time=before.last_transition_time if before and same else now,
        reason=reason,
        message=message,
    )
