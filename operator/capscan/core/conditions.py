"""Conditions by phase, to kstatus' rules.

Reconciling and Stalled are never both True. While a run is at work, a Ready that was True stays,
with its old observedGeneration: the last answer still holds until the new one is there. Not so
while a run is suspended: with neither of the two True, kstatus goes by Ready, whatever its age.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from capscan.core.errors import KubeError, ScanError
from capscan.model import Condition, Phase

WORKING = frozenset({Phase.PENDING, Phase.DISCOVERING, Phase.SCANNING})
DONE = frozenset({Phase.COMPLETED, Phase.COMPLETED_WITH_FAILURES})

OURS = frozenset({"Accepted", "Reconciling", "Stalled", "Ready", "Complete", "Failed"})
FOREIGN_MAX = 16
"""Conditions of others that are kept: a status that they fill must leave room for what is ours."""


@dataclass(frozen=True, slots=True)
class Stall:
    """Why a run cannot go on, and what would mend it."""

    reason: str
    message: str

    @classmethod
    def by(cls, error: Exception) -> "Stall":
        """What an error that ended a session comes to; one that is not ours is a bug."""
        match error:
            case ScanError():
                return cls(error.reason, str(error))
            case KubeError():
                return cls("ApiServerError", str(error))
            case _:
                cause = f"{type(error).__name__}: {error}"
                return cls("InternalError", f"{cause}; see the operator's log.")


def conditions(  # noqa: PLR0913
    phase: Phase,
    message: str,
    *,
    generation: int,
    stall: Stall | None,
    waiting: bool = False,
    previous: Iterable[Condition],
    now: datetime,
    flaw: Stall | None = None,
    hindrance: Stall | None = None,
    dry_run: bool = False,
) -> list[Condition]:
    """All six conditions; a transition time moves only with its status.

    A `flaw` is of the spec, in a part that no run needs, and a `hindrance` is what keeps the
    operator from seeing that another run is due: either is Stalled once a run is done.
    `waiting`: at work, but the provider lets nothing through for a while.
    A dry run says nothing of the Capabilities: Ready stays True where it was, and is absent where
    not. kstatus then goes by neither Reconciling nor Stalled being True: what is asked for is done.
    """
    before = {condition.type: condition for condition in previous}
    facts = _facts(phase, message, stall, waiting=waiting, dry_run=dry_run)
    if flaw:
        facts["Accepted"] = (False, flaw.reason, flaw.message)
    if phase in DONE and (trouble := flaw or hindrance):
        facts["Stalled"] = (True, trouble.reason, trouble.message)
    standing = phase in WORKING or (dry_run and phase in DONE)
    keep_ready = standing and "Ready" in before and before["Ready"].status == "True"
    if dry_run and phase in DONE and not keep_ready:
        del facts["Ready"]
    return [
        before[type_]
        if type_ == "Ready" and keep_ready
        else _from_fact(type_, fact, generation, before.get(type_), now)
        for type_, fact in facts.items()
    ]


def beside(ours: Iterable[Condition], found: Iterable[Condition]) -> list[Condition]:
    """Ours, and with them what other controllers have said of the same object, as it was found."""
    foreign = [one for one in found if one.type not in OURS]
    return [one for one in ours if one.type in OURS] + foreign[:FOREIGN_MAX]


Fact = tuple[bool, str, str]
"""Whether a condition holds, its reason and its message."""


def _facts(
    phase: Phase, message: str, stall: Stall | None, *, waiting: bool, dry_run: bool
) -> dict[str, Fact]:
    reason = "WaitingForProvider" if waiting else _REASONS.get(phase, phase.value)
    if dry_run and phase in DONE:
        reason = "DryRun"
    if stall:
        reason = stall.reason
    working = phase in WORKING and stall is None
    stuck = stall is not None or phase is Phase.FAILED
    return {
        "Accepted": (True, "ValidSpec", "The spec is understood."),
        "Reconciling": (working, reason, message if working else ""),
        "Stalled": (stuck, reason, message if stuck else ""),
        "Ready": (phase in DONE, reason, message),
        "Complete": (phase in DONE, reason, message if phase in DONE else ""),
        "Failed": (phase is Phase.FAILED, reason, message if phase is Phase.FAILED else ""),
    }


_REASONS = {
    Phase.COMPLETED: "AllSettled",
    Phase.COMPLETED_WITH_FAILURES: "SomeItemsFailed",
    Phase.FAILED: "TooManyItemsFailed",
}


def _from_fact(
    type_: str, fact: Fact, generation: int, before: Condition | None, now: datetime
) -> Condition:
    holds, reason, message = fact
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
