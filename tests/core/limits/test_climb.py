"""How many requests at once a server close by is asked."""

from capscan.core.limits import climb as climbs
from capscan.core.limits.climb import RETRY_S, TOP, Climb


def climbed(answers: int, took_s: dict[int, float], climb: Climb | None = None) -> Climb:
    """Return the climb after so many answers, each of which takes as long as its level says."""
    climb, now_s = climb or Climb(), 0.0
    for _ in range(answers):
        now_s += took_s[climb.level] / climb.level
        climb = climbs.answered(climb, climb.level, took_s[climb.level], 200.0, now_s, full=True)
    return climb


def test_a_server_that_answers_fewer_of_two_at_once_is_asked_one_at_a_time() -> None:
    """Its prefix cache serves one slot."""
    climb = climbed(30, {1: 1.3, 2: 3.4})

    assert (climb.level, climb.settled) == (1, True)


def test_a_server_with_four_slots_is_asked_four_at_a_time() -> None:
    assert climbed(60, {1: 1.0, 2: 1.0, 4: 1.0, 8: 2.0}).level == 4


def test_a_server_that_takes_many_is_soon_asked_as_any_other() -> None:
    climb = climbed(2 * TOP, {1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0, 16: 1.0})

    assert climb.ended


def test_the_first_answer_says_nothing_since_the_model_may_have_been_loaded_for_it() -> None:
    climb = climbs.answered(Climb(), 1, 20.0, 200.0, 20.0, full=True)

    assert (climb.level, climb.rates, climb.answers) == (1, {}, 0)


def test_where_not_all_permits_are_used_nothing_is_learnt() -> None:
    climb = climbed(3, {1: 1.0, 2: 1.0})
    same = climbs.answered(climb, climb.level, 1.0, 200.0, 9.0, full=False)

    assert same == climb


def test_more_are_tried_again_later_and_ever_less_often() -> None:
    climb = climbed(9, {1: 1.0, 2: 4.0})
    assert climb.settled
    assert climbs.answered(climb, 1, 1.0, 200.0, RETRY_S / 2, full=True).settled

    again = climbs.answered(climb, 1, 1.0, 200.0, climb.retry_at_s, full=True)
    assert not again.settled
    assert climbed(8, {1: 1.0, 2: 4.0}, again).retry_s == 4 * RETRY_S
