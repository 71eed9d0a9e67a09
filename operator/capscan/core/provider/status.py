"""The status of an InferenceProvider as a function of what its account knows."""

from dataclasses import dataclass
from datetime import datetime

from capscan.core.conditions import condition
from capscan.core.errors import ProviderUnusable
from capscan.core.text import shorten
from capscan.model import Circuit, Condition, LastRateLimit, ProviderStatus

MESSAGE_CHARS_MAX = 1024


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an account can be asked: True, False, or Unknown before that was found out."""

    status: str
    reason: str
    message: str
    stalled: bool = False
    """It stays so until somebody mends it: what scans that name it are stalled by."""


CHECKING = Verdict("Unknown", "Checking", "The key and the model are being checked.")


@dataclass(frozen=True, slots=True)
class AccountState:
    """Everything an account knows that its status tells."""

    generation: int
    verdict: Verdict
    circuit: Circuit
    in_flight_limit: int | None = None
    last_rate_limit: LastRateLimit | None = None
    obstacle: str = ""
    """Why nothing is let through now; empty where it is."""


REMEDIES = {
    "InvalidCredentials": "Put a valid key into the Secret that spec.apiKeySecretRef of the "
    "InferenceProvider names, or set that; the key is picked up by itself.",
    "ModelNotFound": "Mend spec.model of the InferenceProvider.",
    "InsufficientQuota": "Top the account up at the provider, or name another InferenceProvider.",
}
"""What to do, by reason, where what the provider said cannot tell."""


def verdict_on(fault: ProviderUnusable) -> Verdict:
    """What happened, and what mends it."""
    message = str(fault)
    if remedy := REMEDIES.get(fault.reason):
        message = f"{message.rstrip('.')}. {remedy}"
    return Verdict("False", fault.reason, sentence(message), stalled=True)


def sentence(text: str) -> str:
    """With a capital letter, unless it begins with what is to be written as it is."""
    first = text.partition(" ")[0]
    return text if set(first) & set(":./") else text[:1].upper() + text[1:]


def shown_verdict(state: AccountState) -> Verdict:
    """The verdict as users see it: an open circuit speaks before a good account."""
    if state.verdict.status == "True" and state.circuit is not Circuit.CLOSED:
        return Verdict("False", "CircuitOpen", state.obstacle)
    return state.verdict


def told_by(status: ProviderStatus) -> Verdict:
    """What an earlier process said last, without its words: a fault that stays is told anew."""
    for one in status.conditions or ():
        if one.type == "Ready":
            return Verdict(one.status, one.reason, "")
    return CHECKING


def render(state: AccountState, previous: ProviderStatus, now: datetime) -> ProviderStatus:
    """Render the status; `previous` only lends the transition times."""
    return ProviderStatus(
        observed_generation=state.generation,
        circuit=state.circuit,
        in_flight_limit=state.in_flight_limit,
        last_rate_limit=state.last_rate_limit or previous.last_rate_limit,
        conditions=_conditions(shown_verdict(state), state.generation, previous, now),
    )


def _conditions(
    verdict: Verdict, generation: int, previous: ProviderStatus, now: datetime
) -> list[Condition]:
    """Ready, and to kstatus' rules which of two it is that keeps it from being so: Stalled waits
    for somebody, Reconciling heals by itself. Ready=False alone would be waited for, for ever.
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
