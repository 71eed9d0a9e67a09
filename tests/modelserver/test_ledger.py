"""The ledger's questions and its file."""

import io
import json

from tests.modelserver.ledger import Call, Ledger


def call(name: str = "", **other: float | str | bool) -> Call:
    """Return a call as it ends."""
    ended = Call(0.0, "/x", name=name)
    for field, value in other.items():
        setattr(ended, field, value)
    return ended


def test_asked_is_not_answered() -> None:
    """A refusal, and an answer that was cut short, are questions all the same."""
    calls = [
        call("a", status=200, whole=True),
        call("a", status=429, whole=True),
        call("a", status=200),
        call("b", status=200, whole=True),
    ]
    ledger = Ledger(calls=calls)

    assert (ledger.asked("a"), ledger.answered("a"), ledger.asked("c")) == (3, 1, 0)


def test_only_questions_about_crds_have_statuses() -> None:
    """A listing of models is no question."""
    calls = [call(status=200), call("a", status=200), call("b", status=529)]

    assert Ledger(calls=calls).statuses() == {200: 1, 529: 1}


def test_the_most_in_flight_is_over_all_calls() -> None:
    """Nothing was in flight where nothing was asked."""
    assert Ledger().max_in_flight == 0
    assert Ledger(calls=[call("a", in_flight=2), call("b", in_flight=1)]).max_in_flight == 2


def test_a_call_that_ends_is_a_line_at_once() -> None:
    """The line has all fields, as GET /_ledger tells them."""
    file = io.StringIO()
    ended = call("a", status=200)
    ledger = Ledger(file, [ended])
    ledger.close(ended)

    assert [json.loads(line) for line in file.getvalue().splitlines()] == ledger.to_json()
