"""What a refusal is called: by its status, its words and its waits together."""

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capscan.core.errors import (
    CapscanError,
    InferenceError,
    ProviderUnusable,
    RateLimited,
    RoomRefused,
)
from capscan.inference.api.http import HttpReply
from capscan.inference.api.refusal import TOKENS_MAX, Refusals, tokens
from capscan.model import Usage
from tests.inference.api.refusals import ACCESS, ROWS, Row

REFUSALS = Refusals("https://models.example.com/v1", "m", "sk-very-secret-key")
DATE = "Thu, 01 Jan 2026 12:00:00 GMT"


def reply(status: int, body: Any, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Return a reply at DATE; a text is a page where it looks like one, and else plain."""
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "application/json"
    if isinstance(body, str):
        kind = "text/html" if "<" in body else "text/plain"
    return HttpReply(status, {"date": DATE, "content-type": kind, **(headers or {})}, text.encode())


def verdict(error: CapscanError | None) -> tuple[str, float | None, bool, int | None]:
    """Return the kind, the wait, whether it is about requests at once, and the room left."""
    kind = error.reason if isinstance(error, ProviderUnusable) else type(error).__name__
    wait_s = error.retry_after_s if isinstance(error, InferenceError) else None
    at_once = isinstance(error, RateLimited) and error.of_concurrency
    return kind, wait_s, at_once, error.tokens_max if isinstance(error, RoomRefused) else None


def expected(row: Row) -> tuple[str, float | None, bool, int | None]:
    return row.kind, row.wait_s, row.at_once, row.room


every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.status} {row.name}")


@every_row
def test_a_refusal_is_called_what_it_is(row: Row) -> None:
    """The quote is short, and has no tags and no key."""
    error = REFUSALS.of(reply(row.status, row.body, row.headers))

    assert verdict(error) == expected(row)
    assert len(str(error)) < 400
    assert "<h" not in str(error).lower()
    assert "<t" not in str(error).lower()


WRAPPED = [row for row in ROWS if isinstance(row.body, dict) and isinstance(
    row.body.get("error"), dict) and row.status != 200]  # fmt: skip


@pytest.mark.parametrize("row", WRAPPED, ids=lambda row: f"{row.status} {row.name}")
def test_the_verdict_does_not_depend_on_how_a_gateway_hands_it_on(row: Row) -> None:
    """Letter case, a list, a prefix, and JSON in a text change nothing."""
    error = row.body["error"]
    forms: list[Any] = [
        [row.body],
        {"error": error | {"message": error["message"].upper()}},
        {"error": error | {"message": f"litellm.XError: YException - {error['message']}"}},
        {"error": {"message": json.dumps(row.body)}},
        {"error": {"message": f"litellm.XError: YException - {json.dumps(row.body)}"}},
        {"error": {"message": "It failed", "metadata": {"raw": json.dumps(row.body)}}},
        {"errors": [error]},
        {"error": [error]},
    ]  # fmt: skip

    for form in forms:
        found = REFUSALS.of(reply(row.status, form, row.headers))
        assert verdict(found) == expected(row), form


NAMELESS = [row for row in WRAPPED if not row.headers and "code" not in row.body["error"]]


@pytest.mark.parametrize("row", NAMELESS, ids=lambda row: f"{row.status} {row.name}")
def test_an_error_inside_a_choice_is_called_as_the_refusal_it_would_have_been(row: Row) -> None:
    """It names its status as a number or as a text."""
    for status in ({"code": row.status}, {"code": str(row.status)}, {"http_status": row.status}):
        found = REFUSALS.in_place_of_an_answer(row.body["error"] | status, Usage(3, 100))

        assert verdict(found) == expected(row)
        assert not isinstance(found, InferenceError) or found.usage == Usage(3, 100)


@pytest.mark.parametrize("error", [None, "", {}, [], 7, "boom", {"code": "server_overload"}])
def test_an_error_that_says_little_is_an_error_all_the_same(error: object) -> None:
    assert isinstance(REFUSALS.in_place_of_an_answer(error), InferenceError)


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}], "error": None},
        {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}], "error": {}},
        {"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}],
         "error": {"message": "a warning"}},
        {"choices": [{"message": {"content": "{}"}}], "base_resp": {"status_code": 0}},
        {"content": [{"type": "text", "text": "{}"}], "type": "message"},
        {"id": "model-1", "object": "model"},
        {},
        [],
    ],
)  # fmt: skip
def test_what_may_be_an_answer_is_no_error(body: object) -> None:
    """An empty error is none, and one beside a whole answer is a warning."""
    assert REFUSALS.of(reply(200, body)) is None


def test_the_key_is_blamed_only_where_the_refusal_speaks_of_it() -> None:
    """Whoever is told to mend a key that is right looks in the wrong place."""
    told = {row.name: str(REFUSALS.of(reply(row.status, row.body))) for row in ACCESS}
    blamed = {name for name, text in told.items() if "refuses the API key" in text}

    assert blamed == {"leaked", "expired", "expired, 400", "page", "list", "in a 200", "token"}
    assert "turns this account away (400): This organization" in told["organisation, 400"]
    assert "refuses access (403): RBAC" in told["mesh"]


def test_what_concerns_everybody_is_never_one_questions_fault() -> None:
    """A 403 without such words may be a gateway's that dislikes one question."""
    disabled = REFUSALS.of(reply(403, {"error": {"message": "This organization is disabled."}}))
    disliked = REFUSALS.of(reply(403, "Request blocked"))

    assert isinstance(disabled, ProviderUnusable)
    assert disabled.otherwise is None
    assert isinstance(disliked, ProviderUnusable)
    assert disliked.otherwise is not None


def test_a_question_that_is_quoted_is_not_taken_for_the_account() -> None:
    """A CRD may be about budgets that are exceeded: others are answered, and it fails alone."""
    about = {"error": {"message": "Cannot read: A Budget is exceeded when a team spends more."}}
    long = {"error": {"message": "Cannot read: " + "The project is disabled if so. " * 100}}
    found = [REFUSALS.of(reply(400, body)) for body in (about, long)]

    assert isinstance(found[0], ProviderUnusable)
    assert found[0].otherwise is not None
    assert verdict(found[1])[0] == "RequestRejected"


def test_a_wrong_address_is_told_with_the_servers_own_words() -> None:
    page = REFUSALS.of(reply(200, "<html><title>Sign in &amp; go\n on</title><p>x</html>"))
    path = REFUSALS.of(reply(404, {"error": {"message": "Resource not found"}}))

    assert "answers with a web page (200: Sign in & go on); is spec.baseURL right?" in str(page)
    assert "knows no such path (404: Resource not found)" in str(path)


def test_a_parameter_that_is_called_none_is_not_told() -> None:
    for param in ("None", None, "", "null"):
        body = {"error": {"message": "Bad.", "param": param}}
        assert str(REFUSALS.of(reply(400, body))) == "the provider answered 400: Bad."


def test_words_far_behind_are_found_and_those_of_the_question_are_not() -> None:
    """A server that quotes the question does not say itself what stands there."""
    filler = "x " * 50_000
    far = {"error": {"message": f"{filler} Your credit balance is too low."}}
    quoting = {
        "error": {
            "message": "[{'type': 'missing', 'msg': 'Field required', 'input': "
            "{'messages': 'a Budget that is exceeded, an account with insufficient balance'}}]"
        }
    }
    assert verdict(REFUSALS.of(reply(400, far)))[0] == "InsufficientQuota"
    assert verdict(REFUSALS.of(reply(400, quoting)))[0] == "RequestRejected"  # fmt: skip


HOSTILE = [
    "model ", "max_tokens ", "context length ", "retry in ", "[{", '{"a":', "<!--", "<title", "1:",
    "9", "credits exceeded ", "a" * 64 + ",", "(", "1 s and ", "P1DT", "</", " ", "2026-01-01T",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("status", [200, 400, 429, 500])
def test_hostile_text_takes_a_time_that_is_bounded(unit: str, status: int) -> None:
    """A megabyte takes some 50 ms, wherever in a reply it stands. A pattern whose time grows with
    the square of the text took minutes.
    """
    text = (unit * (1024 * 1024))[: 1024 * 1024 - 200]
    started_s = time.process_time()
    for body in (text, {"error": {"message": text}}, {"error": {"metadata": {"raw": text}}}):
        REFUSALS.of(reply(status, body))

    assert time.process_time() - started_s < 4


@settings(max_examples=300, deadline=None)
@given(st.integers(200, 700), st.text(max_size=300), st.dictionaries(
    st.sampled_from(["retry-after", "x-ratelimit-reset", "ratelimit", "date", "location"]),
    st.text(max_size=40)))  # fmt: skip
def test_any_text_has_a_verdict_and_a_wait_of_a_day_at_most(
    status: int, text: str, headers: dict[str, str]
) -> None:
    for body in (text, {"error": text}, {"error": {"message": text, "code": text}}):
        error = REFUSALS.of(HttpReply(status, headers, json.dumps(body).encode()))
        wait_s = error.retry_after_s if isinstance(error, InferenceError) else None
        assert wait_s is None or 0 <= wait_s <= 86400
        assert len(str(error)) < 400


@pytest.mark.parametrize(
    ("count", "taken"),
    [(7, 7), (0, 0), (-1, 0), (True, 0), (1.5, 0), (float("nan"), 0), ("7", 0), (None, 0),
     (10**19, TOKENS_MAX), (10**309, TOKENS_MAX), (10**12, 10**12)],
)  # fmt: skip
def test_counts_of_tokens_are_bounded(count: object, taken: int) -> None:
    """What no request can take would break sums, prices and the status."""
    assert tokens({"usage": {"tokens": count}}, "usage", "tokens") == taken
