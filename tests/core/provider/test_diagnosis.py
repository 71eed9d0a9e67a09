"""What looks and questions make of a provider."""

import math

import pytest

from capscan.core.errors import ProviderUnavailable, ProviderUnusable, RequestRejected
from capscan.core.provider.diagnosis import (
    AT_ONCE,
    FIRST_MAX,
    FIRST_S,
    NEVER,
    RECHECK_S,
    TRIAL_S,
    Diagnosis,
)
from capscan.core.provider.refusals import Blame

WRONG_ADDRESS = ProviderUnusable("InvalidProvider", "no")
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
    state = looked(Diagnosis(), WRONG_ADDRESS)

    assert shown(state) == ("False", "InvalidProvider")
    assert state.fault is WRONG_ADDRESS


def test_one_that_is_away_may_be_asked() -> None:
    state = looked(Diagnosis(), AWAY)

    assert shown(state) == ("False", "ProviderUnavailable")
    assert state.fault is None


@pytest.mark.parametrize("found", [WRONG_ADDRESS, AWAY], ids=["fault", "away"])
def test_it_is_looked_at_again_and_ever_less_often(found: ProviderUnusable) -> None:
    state, pauses_s = Diagnosis(), []
    for _ in range(5):
        state = looked(state, found)
        pauses_s.append(state.due_s - 100.0)

    assert pauses_s == [*RECHECK_S, RECHECK_S[-1]]


@pytest.mark.parametrize("found", [None, WRONG_ADDRESS, AWAY], ids=["well", "fault", "away"])
def test_another_look_that_is_wanted_during_one_follows_at_once(found: Found) -> None:
    """It is most often wanted for an edit: the look was at the spec before it."""
    state = Diagnosis().looking("").wanted_again().looked(1, found, 100.0)

    assert state.due_s == AT_ONCE


def test_an_answer_proves_that_it_works() -> None:
    state = looked(Diagnosis(), WRONG_ADDRESS).answered(50.0)

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
    state = looked(Diagnosis()).doubted(WRONG_ADDRESS, 100.0)
    state = looked(looked(state, WRONG_ADDRESS))

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


class TestALookThatIsRefused:
    def test_leaves_it_to_a_question_to_decide(self) -> None:
        state = looked(Diagnosis(), WRONG_KEY)

        assert shown(state) == ("False", "InvalidCredentials")
        assert state.fault is None
        assert state.questions_max(100.0) == 1
        assert shown(state.answered(101.0)) == ("True", "Usable")

    def test_confirms_what_a_question_found(self) -> None:
        state = looked(looked(Diagnosis(), WRONG_KEY).doubted(WRONG_KEY, 100.0), WRONG_KEY)

        assert state.fault is WRONG_KEY

    def test_proves_nothing_where_a_question_was_answered(self) -> None:
        state = looked(looked(Diagnosis(), WRONG_KEY).answered(101.0), WRONG_KEY)

        assert shown(state) == ("True", "Usable")

    def test_proves_nothing_after_an_edit_either(self) -> None:
        state = looked(Diagnosis(), WRONG_KEY).answered(101.0)
        edited = state.wanted_again().looking("").looked(2, WRONG_KEY, 102.0)

        assert shown(edited) == ("True", "Usable")

    def test_as_a_request_says_nothing_at_all(self) -> None:
        state = Diagnosis().looking("").looked(1, RequestRejected("400: no such path"), 100.0)

        assert shown(state) == ("True", "Usable")

    def test_lets_a_question_try_now_and_then_where_every_look_is_refused(self) -> None:
        state, tries = looked(Diagnosis(), WRONG_KEY).doubted(WRONG_KEY, 100.0), 0
        for _ in range(20):
            state = looked(state, WRONG_KEY)
            if state.is_tried:
                tries, state = tries + 1, state.doubted(WRONG_KEY, 100.0)

        assert 3 <= tries <= 5


class TestAProviderThatTurnsEverythingDown:
    REFUSED = RequestRejected("the provider refuses this request (400): a policy is missing")

    def refused(self, state: Diagnosis, *names: str) -> Diagnosis:
        for name in names:
            message = f"(400): no policy for {name}, request 0af3{len(name)}c9"
            state = state.refused(name, 100.0, message)
        return state

    def test_is_to_blame_after_three_refusals_in_the_same_words(self) -> None:
        state = looked(Diagnosis())
        blames = []
        for name in ("a.example.com", "b.example.com", "c.example.com"):
            state = self.refused(state, name)
            blames.append(state.blame(name, 100.0, alone=False))

        assert blames == [Blame.UNDECIDED, Blame.UNDECIDED, Blame.PROVIDER]

    def test_is_to_blame_after_two_where_nobody_else_asks(self) -> None:
        state = self.refused(looked(Diagnosis()).answered(50.0), "a", "b")

        assert state.blame("b", 100.0, alone=True) is Blame.PROVIDER

    def test_is_not_to_blame_for_refusals_that_differ(self) -> None:
        state = looked(Diagnosis())
        for name, message in (("a", "no policy"), ("b", "no tools"), ("c", "bad field")):
            state = state.refused(name, 100.0, message)

        assert state.blame("c", 100.0, alone=False) is Blame.UNDECIDED
        assert state.blame("c", 100.0, alone=True) is Blame.QUESTION

    def test_is_not_to_blame_where_others_are_answered(self) -> None:
        state = self.refused(looked(Diagnosis()), "a", "b").answered(101.0)

        assert state.blame("a", 100.0, alone=False) is Blame.QUESTION

    def test_is_tried_by_one_question_after_pauses_that_grow(self) -> None:
        state, pauses_s = looked(Diagnosis()), []
        for _ in range(7):
            state = state.turns_down(self.REFUSED, 100.0)
            assert state.fault is not None
            assert "a policy is missing" in state.verdict.message
            pauses_s.append(state.due_s - 100.0)
            state = state.on_trial_again()
            assert state.questions_max(200.0) == 1

        assert pauses_s == [*TRIAL_S, TRIAL_S[-1]]
        assert shown(state) == ("False", "QuestionsRefused")
        assert shown(state.answered(201.0)) == ("True", "Usable")

    def test_lets_a_question_fail_that_tried_often_where_others_were_answered(self) -> None:
        """Or the last questions of a run, each at fault, would hold it up for ever."""
        healthy, never = looked(Diagnosis()).answered(50.0), looked(Diagnosis())

        assert self.tried_twice(healthy).blame("a", 700.0, alone=True) is Blame.QUESTION
        assert self.tried_twice(healthy).blame("a", 600.0, alone=True) is Blame.PROVIDER
        assert self.tried_twice(never).blame("a", 700.0, alone=True) is Blame.PROVIDER

    def tried_twice(self, state: Diagnosis) -> Diagnosis:
        state = self.refused(state, "a", "b")
        for _ in range(2):
            state = state.turns_down(self.REFUSED, 100.0).on_trial_again()
            state = self.refused(state, "a")
        return state

    def test_is_looked_at_again_at_once_after_an_edit(self) -> None:
        state = looked(Diagnosis()).turns_down(self.REFUSED, 100.0).wanted_again()

        assert (state.due_s, state.by_question) == (AT_ONCE, False)
        assert shown(state.looking("").looked(2, None, 101.0)) == ("True", "Usable")


def test_few_questions_go_at_once_until_one_is_answered_or_refusals_would_have_come() -> None:
    state = looked(Diagnosis()).asked(100.0)

    assert state.questions_max(100.0) == FIRST_MAX
    assert state.questions_max(100.0 + FIRST_S) == math.inf
    assert state.answered(100.5).questions_max(100.5) == math.inf
    assert state.refused("a", 100.5, "no").questions_max(200.0) == 1
