"""What an InferenceProvider's status says."""

from datetime import timedelta

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.core.provider.status import (
    CHECKING,
    REMEDIES,
    AccountState,
    Verdict,
    last_shown,
    render,
    verdict_on,
)
from capscan.model import Circuit, Condition, LastRateLimit, ProviderStatus
from tests.virtual import EPOCH

USABLE = Verdict("True", "Usable", "fine")


def state(verdict: Verdict = USABLE, circuit: Circuit = Circuit.CLOSED) -> AccountState:
    return AccountState(3, verdict, circuit, in_flight_limit=16, obstacle="It keeps failing.")


def ready(status: ProviderStatus) -> Condition:
    assert status.conditions is not None
    return status.conditions[0]


def holding(status: ProviderStatus) -> list[str]:
    """Return the types of the conditions that are True."""
    return [one.type for one in status.conditions or () if one.status == "True"]


def test_a_usable_provider_is_ready() -> None:
    status = render(state(), ProviderStatus(), EPOCH)

    assert status.observed_generation == 3
    assert status.in_flight_limit == 16
    assert (ready(status).status, ready(status).reason) == ("True", "Usable")


def test_the_last_verdict_is_read_back_from_the_status() -> None:
    fault = verdict_on(ProviderUnusable("InvalidCredentials", "no"))

    assert last_shown(ProviderStatus()) == CHECKING
    assert last_shown(render(state(), ProviderStatus(), EPOCH)) == Verdict("True", "Usable", "")
    assert last_shown(render(state(fault), ProviderStatus(), EPOCH)) == Verdict(
        "False", "InvalidCredentials", ""
    )


def test_before_the_first_look_nothing_is_claimed() -> None:
    assert ready(render(state(CHECKING), ProviderStatus(), EPOCH)).status == "Unknown"


@pytest.mark.parametrize("circuit", [Circuit.OPEN, Circuit.HALF_OPEN])
def test_an_open_circuit_is_told_with_its_cause(circuit: Circuit) -> None:
    found = ready(render(state(circuit=circuit), ProviderStatus(), EPOCH))

    assert (found.status, found.reason, found.message) == (
        "False",
        "CircuitOpen",
        "It keeps failing.",
    )


def test_a_lasting_fault_is_shown_before_an_open_circuit() -> None:
    wrong = Verdict("False", "ModelNotFound", "no")
    found = ready(render(state(wrong, Circuit.OPEN), ProviderStatus(), EPOCH))

    assert found.reason == "ModelNotFound"


@pytest.mark.parametrize(
    ("verdict", "circuit", "held"),
    [
        (CHECKING, Circuit.CLOSED, ["Reconciling"]),
        (USABLE, Circuit.CLOSED, ["Ready"]),
        (USABLE, Circuit.OPEN, ["Reconciling"]),
        (Verdict("False", "ProviderUnavailable", "away"), Circuit.CLOSED, ["Reconciling"]),
        (verdict_on(ProviderUnusable("InvalidCredentials", "no")), Circuit.CLOSED, ["Stalled"]),
        (verdict_on(ProviderUnusable("InvalidCredentials", "no")), Circuit.OPEN, ["Stalled"]),
    ],
    ids=["checking", "usable", "circuit open", "away", "wrong key", "wrong key, circuit open"],
)
def test_it_is_ready_or_heals_by_itself_or_waits_for_somebody(
    verdict: Verdict, circuit: Circuit, held: list[str]
) -> None:
    """One of the three always holds; the last one lets GitOps tools give up waiting."""
    assert holding(render(state(verdict, circuit), ProviderStatus(), EPOCH)) == held


def test_a_transition_time_moves_with_the_status_alone() -> None:
    first = render(state(), ProviderStatus(), EPOCH)
    later = EPOCH + timedelta(minutes=1)
    same = render(state(Verdict("True", "Usable", "still")), first, later)
    other = render(state(circuit=Circuit.OPEN), first, later)

    assert ready(same).last_transition_time == EPOCH
    assert ready(other).last_transition_time == later


def test_the_newest_429_is_remembered_over_a_restart() -> None:
    told = LastRateLimit(time=EPOCH, message="slow down")
    status = render(state(), ProviderStatus(last_rate_limit=told), EPOCH)

    assert status.last_rate_limit == told


@pytest.mark.parametrize("reason", REMEDIES)
def test_the_message_of_a_fault_says_what_mends_it(reason: str) -> None:
    verdict = verdict_on(ProviderUnusable(reason, "the provider said no."))

    assert verdict.message == f"The provider said no. {REMEDIES[reason]}"


def test_a_message_that_says_what_to_do_is_left_alone() -> None:
    assert verdict_on(ProviderUnusable("SecretNotFound", "Create it.")).message == "Create it."


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("the provider refuses the API key (401): it is not valid", "Put a valid key into"),
        ("the API key in the Secret is empty", "Put a valid key into"),
        ("the provider turns this account away (400): your country is not served", "may be right"),
        ("the provider refuses access (403): the network is closed to you", "may be right"),
    ],
)
def test_a_new_key_is_asked_for_only_where_the_key_was_refused(message: str, advice: str) -> None:
    verdict = verdict_on(ProviderUnusable("InvalidCredentials", message))

    assert advice in verdict.message
