"""What looks and questions make of a provider."""

import math

import pytest

from capscan.core.errors import ProviderUnavailable, ProviderUnusable
from capscan.core.provider.diagnosis import AT_ONCE, NEVER, RECHECK_S, Diagnosis

WRONG_KEY = ProviderUnusable("InvalidCredentials", "no")
NO_MONEY = ProviderUnusable("InsufficientQuota", "no")
LOOP = ProviderUnusable("FallbackLoop", "a -> b -> a")
AWAY = ProviderUnavailable("refused")

Found = ProviderUnusable | ProviderUnavailable | None


def looked(state: Diagnosis, found: Found = None, around: str | ProviderUnusable = "") -> Diagnosis:
    """Return the state after a look from beginning to end, at 100 s."""
    return state.looking(around).looked(1, found, 100.0)


def shown(state: Diagnosis) -> tuple[str, str]:
    return state.verdict.status, state.verdict.reason


def test_it_is_looked_at_once_and_left_alone_when_all_is_well() -> None:
    assert Diagnosis().due_s == AT_ONCE
    state = looked(Diagnosis())

    assert shown(state) == ("True", "Usable")
    assert (state.fault, state.judged, state.due_s) == (None, 1, NEVER)


def test_what_somebody_has_to_mend_turns_questions_down() -> None:
    state = looked(Diagnosis(), WRONG_KEY)

    assert shown(state) == ("False", "InvalidCredentials")
    assert state.fault is WRONG_KEY


def test_one_that_is_away_may_be_asked() -> None:
    state = looked(Diagnosis(), AWAY)

    assert shown(state) == ("False", "ProviderUnavailable")
    assert state.fault is None


@pytest.mark.parametrize("found", [WRONG_KEY, AWAY], ids=["fault", "away"])
def test_it_is_looked_at_again_and_ever_less_often(found: ProviderUnusable) -> None:
    state, pauses_s = Diagnosis(), []
    for _ in range(5):
        state = looked(state, found)
        pauses_s.append(state.due_s - 100.0)

    assert pauses_s == [*RECHECK_S, RECHECK_S[-1]]


@pytest.mark.parametrize("found", [None, WRONG_KEY, AWAY], ids=["well", "fault", "away"])
def test_another_look_that_is_wanted_during_one_follows_at_once(found: Found) -> None:
    """It is most often wanted for an edit: the look was at the spec before it."""
    state = Diagnosis().looking("").wanted_again().looked(1, found, 100.0)

    assert state.due_s == AT_ONCE


def test_an_answer_proves_that_it_works() -> None:
    state = looked(Diagnosis(), WRONG_KEY).answered(50.0)

    assert shown(state) == ("True", "Usable")
    assert (state.fault, state.due_s, state.in_vain) == (None, NEVER, 0)


def test_an_answer_does_not_disprove_what_others_do() -> None:
    state = looked(Diagnosis(), LOOP, around=LOOP).answered(50.0)

    assert shown(state) == ("False", "FallbackLoop")
    assert state.fault is LOOP


def test_a_fault_that_only_a_question_finds_is_shown_until_one_is_answered() -> None:
    """A look that finds nothing only lets questions be asked again."""
    doubted = looked(Diagnosis()).doubted(NO_MONEY, 100.0)
    assert doubted.fault is NO_MONEY
    assert math.isfinite(doubted.due_s)

    tried = looked(doubted)
    assert shown(tried) == ("False", "InsufficientQuota")
    assert tried.fault is None
    assert shown(tried.answered(50.0)) == ("True", "Usable")


def test_a_fault_that_a_question_finds_during_a_look_is_shown_after_it_too() -> None:
    state = looked(Diagnosis()).looking("").doubted(NO_MONEY, 99.0).looked(1, None, 100.0)

    assert shown(state) == ("False", "InsufficientQuota")
    assert state.due_s == NEVER


def test_questions_in_vain_make_the_looks_between_them_rarer() -> None:
    state = looked(Diagnosis()).doubted(NO_MONEY, 100.0)
    again = looked(state).doubted(NO_MONEY, 100.0)

    assert (state.due_s, again.due_s) == (105.0, 110.0)


def test_after_an_edit_a_look_that_finds_nothing_makes_it_usable() -> None:
    doubted = looked(Diagnosis()).doubted(NO_MONEY, 100.0)
    state = looked(doubted.wanted_again())

    assert shown(state) == ("True", "Usable")


def test_the_verdict_says_what_is_known_of_other_providers() -> None:
    state = looked(Diagnosis(), around="Its fallback spare does not exist.")

    assert state.verdict.message == "Nothing speaks against it. Its fallback spare does not exist."


def test_a_fault_that_a_look_finds_is_gone_when_a_look_finds_nothing() -> None:
    """This holds too if a question had found it first: nobody may be left who would ask."""
    state = looked(Diagnosis()).doubted(WRONG_KEY, 100.0)
    state = looked(looked(state, WRONG_KEY))

    assert shown(state) == ("True", "Usable")
    assert state.fault is None


def test_a_provider_that_was_away_keeps_the_fault_that_a_question_found() -> None:
    state = looked(Diagnosis()).doubted(NO_MONEY, 100.0)
    away = looked(state, AWAY)
    back = looked(away)

    assert shown(away) == shown(back) == ("False", "InsufficientQuota")
    assert away.fault is NO_MONEY
    assert back.fault is None
    assert shown(back.answered(50.0)) == ("True", "Usable")


def test_one_question_that_is_turned_down_among_others_is_to_blame() -> None:
    state = looked(Diagnosis()).answered(50.0).refused("a", 60.0)

    assert state.blames("a")


def test_a_provider_that_has_answered_nobody_yet_turns_all_questions_down() -> None:
    state = looked(Diagnosis()).refused("a", 60.0)

    assert not state.blames("a")


def test_several_questions_turned_down_in_a_row_are_not_to_blame() -> None:
    """The same question counts once, however often it is turned down."""
    state = looked(Diagnosis()).answered(50.0)
    for name in ("a", "b", "a", "b"):
        state = state.refused(name, 60.0)
        assert state.blames(name)
    state = state.refused("c", 61.0)

    assert not state.blames("c")
    assert not state.blames("a")


def test_an_answer_to_a_later_question_proves_who_is_to_blame() -> None:
    state = looked(Diagnosis()).answered(50.0)
    for name in ("a", "b", "c"):
        state = state.refused(name, 60.0)

    before = state.answered(59.0)
    assert not before.blames("a")
    since = state.answered(61.0)
    assert all(since.blames(name) for name in ("a", "b", "c"))
    assert since.refused("a", 70.0).blames("a")


def test_after_an_edit_nothing_is_known_of_who_is_to_blame() -> None:
    state = looked(Diagnosis()).answered(50.0).refused("a", 60.0).looked(2, None, 100.0)

    assert not state.refused("a", 110.0).blames("a")
