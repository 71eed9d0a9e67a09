"""Renders the status of an InferenceProvider from what is known of its account.

What is known is found out in `diagnosis.py` and at the account's gate; who writes the status is
`inference/accounts/report.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from capscan.core.conditions import condition
from capscan.core.errors import ProviderUnusable
from capscan.core.text import shorten
from capscan.model import Circuit, Condition, LastRateLimit, ProviderStatus
from capscan.model.spent import PaidRun, Today

MESSAGE_CHARS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an account can be asked, as the condition Ready shows it."""

    status: str
    """True, False, or Unknown before it was found out."""
    reason: str
    message: str
    stalled: bool = False
    """Whether it stays so until somebody mends it: scans that name the provider stall then."""


CHECKING = Verdict("Unknown", "Checking", "The key and the model are being checked.")


@dataclass(frozen=True, slots=True)
class AccountState:
    """Everything known of an account that its status shows."""

    generation: int
    verdict: Verdict
    circuit: Circuit
    in_flight_limit: int | None = None
    last_rate_limit: LastRateLimit | None = None
    obstacle: str = ""
    """Why nothing is let through now; empty where something is."""
    warning: str = ""
    """What users are told although it can be asked; empty where there is nothing."""
    held: Verdict | None = None
    """What an administrator's limits hold back; None where they hold nothing back."""
    today: Today | None = None
    recent_runs: Sequence[PaidRun] = ()


REMEDIES = {
    "InvalidCredentials": "Put a valid key into the Secret that spec.apiKeySecretRef of the "
    "InferenceProvider names, or set that; the key is picked up by itself.",
    "ModelNotFound": "Mend spec.model of the InferenceProvider.",
    "InsufficientQuota": "Top the account up at the provider, or name another InferenceProvider.",
    "QuestionsRefused": "Mend what these words ask for, at the provider or in the "
    "InferenceProvider. One question tries from time to time, and at once after an edit.",
}
"""What to do, by reason, where the provider's own words do not say it."""


SHUT_OUT = "The key may be right: the account, its place or its network is turned away."
"""What to do where a provider turns an account away, and does not speak of its key."""


def verdict_on(fault: ProviderUnusable) -> Verdict:
    """Return the verdict on a fault: what happened, and what mends it."""
    message = str(fault)
    if remedy := SHUT_OUT if _is_shut_out(fault) else REMEDIES.get(fault.reason):
        message = f"{message.rstrip('.')}. {remedy}"
    return Verdict("False", fault.reason, sentence(message), stalled=True)


def _is_shut_out(fault: ProviderUnusable) -> bool:
    """Return whether the provider turns an account away without a word about its key."""
    said = str(fault)
    return "turns this account away" in said or "refuses access" in said


def sentence(text: str) -> str:
    """Return `text` with a capital letter, unless it begins with an address or a path."""
    first = text.partition(" ")[0]
    return text if set(first) & set(":./") else text[:1].upper() + text[1:]


def shown_verdict(state: AccountState) -> Verdict:
    """Return the verdict as users see it: an open circuit hides that nothing else is wrong."""
    if state.verdict.status == "True" and state.circuit is not Circuit.CLOSED:
        return Verdict("False", "CircuitOpen", state.obstacle)
    if state.verdict.status == "True" and state.held:
        return state.held
    if state.verdict.status == "True" and state.warning:
        return replace(state.verdict, message=f"{state.verdict.message} {state.warning}")
    return state.verdict


def last_shown(status: ProviderStatus) -> Verdict:
    """Return the verdict that an earlier process left in the status, without its message.

    Without it a fault that stays differs from what was announced, and is announced once more.
    """
    for one in status.conditions or ():
        if one.type == "Ready":
            return Verdict(one.status, one.reason, "")
    return CHECKING


def render(state: AccountState, previous: ProviderStatus, now: datetime) -> ProviderStatus:
    """Render the status. `previous` lends transition times, and the newest 429 over a restart."""
    return ProviderStatus(
        observed_generation=state.generation,
        circuit=state.circuit,
        in_flight_limit=state.in_flight_limit,
        last_rate_limit=state.last_rate_limit or previous.last_rate_limit,
        today=state.today,
        recent_runs=list(state.recent_runs) or None,
        conditions=_conditions(shown_verdict(state), state.generation, previous, now),
    )


def _conditions(
    verdict: Verdict, generation: int, previous: ProviderStatus, now: datetime
) -> list[Condition]:
    """Return Ready, and by the rules of kstatus what keeps it from being True: Stalled waits for
    somebody, Reconciling heals by itself. Tools would wait for ever for Ready=False alone.
    """
    healing = verdict.status != "True" and not verdict.stalled
    message = shorten(verdict.message, MESSAGE_CHARS_MAX)
    before = {one.type: one for one in previous.conditions or ()}
    return [
        condition(
            type_,
            status,
            verdict.reason,
            said,
            generation=generation,
            before=before.get(type_),
            now=now,
        )
        for type_, status, said in (
            ("Ready", verdict.status, message),
            ("Reconciling", str(healing), message if healing else ""),
            ("Stalled", str(verdict.stalled), message if verdict.stalled else ""),
        )
    ]
