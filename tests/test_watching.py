"""Keeping a watch alive."""

from capscan.watching import WATCH_RESTART_S, restart_pause_s


def test_a_watch_that_was_healthy_is_started_again_at_once() -> None:
    assert restart_pause_s(0) == min(WATCH_RESTART_S)


def test_one_that_fails_again_and_again_is_given_more_and_more_time() -> None:
    pauses = [restart_pause_s(failures) for failures in range(9)]

    assert pauses == sorted(pauses)
    assert pauses[-1] == max(WATCH_RESTART_S)
