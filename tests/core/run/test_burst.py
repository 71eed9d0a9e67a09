"""When changes that come together are over."""

from hypothesis import given
from hypothesis import strategies as st

from capscan.core.run.burst import LASTING_S_MAX, QUIET_S, grown


def test_a_burst_is_over_when_no_further_change_came_for_a_while() -> None:
    assert grown(None, 100.0).over_s == 100.0 + QUIET_S


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_a_burst_of_changes_is_bounded(gaps_s: list[float]) -> None:
    burst, now_s = None, 0.0
    for gap_s in gaps_s:
        now_s += gap_s
        burst = grown(burst, now_s)

    assert burst is not None
    assert burst.over_s == min(now_s + QUIET_S, gaps_s[0] + LASTING_S_MAX)
