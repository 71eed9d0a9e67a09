"""AnswerRoom: as much room as answers need, and no more than the provider takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.answer.room import (
    ANSWER_TOKENS_MAX,
    ANSWER_TOKENS_MIN,
    CUT_OFF_MAX,
    SHORT_MIN,
    THINKING_TOKENS_MAX,
    AnswerRoom,
)


def grown() -> AnswerRoom:
    room = AnswerRoom()
    for _ in range(CUT_OFF_MAX):
        room.learn(cut_off=True)
    return room


def test_the_room_grows_for_a_model_that_thinks() -> None:
    assert grown().tokens_max == THINKING_TOKENS_MAX


def test_the_room_goes_back_after_answers_that_did_not_need_it() -> None:
    """An answer that needed it starts the count anew, and each time it takes longer."""
    room = grown()
    room.learn(cut_off=False, output_tokens=ANSWER_TOKENS_MAX + 1)
    for _ in range(SHORT_MIN):
        assert room.tokens_max == THINKING_TOKENS_MAX
        room.learn(cut_off=False, output_tokens=300)
    assert room.tokens_max == ANSWER_TOKENS_MAX

    for _ in range(CUT_OFF_MAX):
        room.learn(cut_off=True)
    for _ in range(2 * SHORT_MIN):
        assert room.tokens_max == THINKING_TOKENS_MAX
        room.learn(cut_off=False, output_tokens=300)
    assert room.tokens_max == ANSWER_TOKENS_MAX


@pytest.mark.parametrize(
    ("asked", "told", "left"),
    [
        (8192, 4096, 4096),
        (8192, None, 4096),
        (2048, None, 1024),
        (1024, None, 512),
        (512, None, ANSWER_TOKENS_MIN),
        (ANSWER_TOKENS_MIN, None, None),
        (2048, 100, None),
        (2048, 9000, 1024),
        (2048, 0, 1024),
    ],
)
def test_a_refusal_leaves_what_is_told_or_half(
    asked: int, told: int | None, left: int | None
) -> None:
    assert AnswerRoom().refused(asked, told) == left


def test_what_was_refused_is_not_asked_for_again() -> None:
    """Also after the room had grown."""
    room = grown()
    room.refused(room.tokens_max, 4096)
    assert (room.tokens_max, room.larger(ANSWER_TOKENS_MAX), room.larger(4096)) == (
        4096,
        4096,
        None,
    )

    for _ in range(CUT_OFF_MAX):
        room.learn(cut_off=True)
    assert room.tokens_max == 4096


def test_a_ceiling_that_one_long_question_had_is_tried_again() -> None:
    """And falls where more is taken."""
    room = AnswerRoom()
    room.refused(ANSWER_TOKENS_MAX, 700)
    assert (room.tokens_max, room.larger(700)) == (700, THINKING_TOKENS_MAX)

    room.taken(THINKING_TOKENS_MAX)
    assert room.tokens_max == ANSWER_TOKENS_MAX


@given(st.lists(st.none() | st.integers(-5, 20_000), max_size=30))
def test_refusals_always_come_to_an_end(told: list[int | None]) -> None:
    """Each leaves less than the one before, and never less than an answer needs."""
    room, tokens_max = AnswerRoom(), THINKING_TOKENS_MAX
    for each in told:
        left = room.refused(tokens_max, each)
        if left is None:
            break
        assert ANSWER_TOKENS_MIN <= left < tokens_max
        tokens_max = left
