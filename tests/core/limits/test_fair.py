"""Whose turn it is."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.limits.fair import FairQueue

WEIGHTS = {"low": 1, "normal": 2, "high": 4}


def test_shares_follow_the_weights() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for flow, weight in WEIGHTS.items():
        for number in range(400):
            queue.push((flow, number), flow, weight)

    served = Counter(queue.pop()[0] for _ in range(700))

    assert served == pytest.approx({"low": 100, "normal": 200, "high": 400}, abs=2)


def test_within_a_flow_first_come_is_first_served() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(10):
        queue.push(number, "a", 1)

    assert [queue.pop() for _ in range(10)] == list(range(10))


def test_a_newcomer_does_not_wait_behind_what_others_queued_before() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number in range(3000):
        queue.push(("large", number), "large", 1)
    for _ in range(100):
        queue.pop()
    for number in range(20):
        queue.push(("small", number), "small", 1)

    served = Counter(queue.pop()[0] for _ in range(40))

    assert served["small"] >= 19


def test_a_flow_that_was_silent_is_owed_nothing() -> None:
    """A flow that comes back does not get everything until it has caught up."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    queue.push(("idle", 0), "idle", 1)
    queue.pop()
    for number in range(500):
        queue.push(("busy", number), "busy", 1)
    for _ in range(300):
        queue.pop()
    for number in range(100):
        queue.push(("idle", number), "idle", 1)

    served = Counter(queue.pop()[0] for _ in range(100))

    assert served["idle"] <= 51


def test_asking_one_at_a_time_gains_nothing_over_waiting_in_line() -> None:
    """A flow that leaves the queue with each request pays for it all the same."""
    queue: FairQueue[tuple[str, int]] = FairQueue()
    served: Counter[str] = Counter()
    for number in range(200):
        queue.push(("queued", number), "queued", 1)
    queue.push(("single", 0), "single", 1)
    for number in range(1, 101):
        flow, _ = queue.pop()
        served[flow] += 1
        if flow == "single":
            queue.push(("single", number), "single", 1)

    assert served["single"] == pytest.approx(50, abs=1)


def test_what_is_sent_back_in_front_goes_first_in_its_old_order() -> None:
    queue: FairQueue[str] = FairQueue()
    for name in ("a", "b", "c"):
        queue.push(name, "flow", 1)
    back = [queue.pop(), queue.pop()]
    for name in back:
        queue.push_front(name)

    assert [queue.pop() for _ in range(3)] == ["a", "b", "c"]


def test_an_entry_that_leaves_unserved_costs_its_flow_nothing() -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for number in range(10):
        queue.push(("gone", number), "gone", 1)
        queue.discard(("gone", number), "gone")
    queue.push(("gone", 10), "gone", 1)
    queue.push(("other", 0), "other", 1)

    assert queue.pop() == ("gone", 10)


@given(
    st.lists(
        st.tuples(st.sampled_from(["push", "pop", "front", "discard"]), st.sampled_from("abc")),
        max_size=60,
    )
)
def test_nothing_is_lost_or_served_twice(events: list[tuple[str, str]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    waiting: set[tuple[str, int]] = set()
    for number, (event, flow) in enumerate(events):
        match event:
            case "push":
                waiting.add((flow, number))
                queue.push((flow, number), flow, 1)
            case "front":
                waiting.add((flow, number))
                queue.push_front((flow, number))
            case "pop" if waiting:
                head = queue.head()
                assert queue.pop() == head
                assert head is not None
                waiting.remove(head)
            case "discard" if waiting:
                entry = min(waiting)
                waiting.remove(entry)
                queue.discard(entry, entry[0])
        assert (queue.head() is None) == (not waiting)

    served = []
    while queue.head() is not None:
        served.append(queue.pop())
    assert sorted(served) == sorted(waiting)
