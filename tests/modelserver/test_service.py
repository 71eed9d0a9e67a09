"""What a request gets, in explicit time and without sockets."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from pydantic import ValidationError

from tests.modelserver.behaviour import Behaviour
from tests.modelserver.ledger import Call
from tests.modelserver.questions import ANTHROPIC, NAME, OPENAI, chat, incoming, message
from tests.modelserver.service import Plan, Service

WALL = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/v1/chat/completions"

Ask = Callable[..., Plan]


def asking(**behaviour: Any) -> tuple[Service, Ask]:
    """A service that has just started, and a way to ask it."""
    service = Service(Behaviour.model_validate(behaviour), 0)

    def ask(name: str = NAME, *, now: float = 0, key: str = "k", call: Call | None = None) -> Plan:
        headers = {"authorization": f"Bearer {key}"}
        asked = incoming(PATH, json.dumps(chat(name)).encode(), headers)
        return service.take(asked, call or Call(now, PATH), now, WALL)

    return service, ask


def test_overload_is_refused_until_somebody_is_done() -> None:
    """It is refused at once, and takes no place itself."""
    service, ask = asking(in_flight_max=2)
    first, second = ask(), ask()
    call = Call(0, PATH)
    third = ask(call=call)
    service.done(third, 0)
    assert (third.reply.status, call.in_flight) == (503, 3)
    assert ask().reply.status == 503

    service.done(first, 1)

    assert [ask().reply.status, ask().reply.status] == [200, 503]
    service.done(second, 1)


def test_the_ledger_learns_what_was_asked_and_charged() -> None:
    """Nothing is charged for what is refused."""
    _, ask = asking(limits={"requests": {"per_minute": 1}})
    taken, refused = Call(0, PATH), Call(0, PATH)
    usage = ask(key="sk-7", call=taken).reply.body["usage"]
    ask(key="sk-7", call=refused)

    assert (taken.protocol, taken.key, taken.name) == ("openai", "sk-7", NAME)
    assert (taken.input_tokens, taken.output_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    assert (refused.name, refused.input_tokens, refused.output_tokens) == (NAME, 0, 0)


def test_each_key_has_buckets_of_its_own() -> None:
    """Limits belong to the account."""
    _, ask = asking(limits={"requests": {"per_minute": 1}})

    statuses = [ask(key=key).reply.status for key in ("a", "a", "b")]

    assert statuses == [200, 429, 200]


def test_failures_come_at_their_rate_and_the_same_for_a_seed() -> None:
    """One draw decides both kinds, and nothing is charged for them."""

    def statuses(seed: int) -> list[int]:
        limits = {"requests": {"per_minute": 3_400}}
        _, ask = asking(failing=0.1, overloaded=0.1, seed=seed, limits=limits)
        return [ask().reply.status for _ in range(4_000)]

    drawn = statuses(seed=1)
    assert 350 < drawn.count(500) < 450
    assert 350 < drawn.count(503) < 450
    assert 429 not in drawn
    assert statuses(seed=1) == drawn
    assert statuses(seed=2) != drawn


def test_latencies_have_their_mean_and_their_part_per_token() -> None:
    """Lognormal, seeded, and untouched by how many others fail."""

    def waits(**other: Any) -> list[float]:
        _, ask = asking(latency={"mean_s": 0.5, "sigma": 0.5}, **other)
        plans = [ask() for _ in range(4_000)]
        return [plan.wait_s for plan in plans if plan.reply.status == 200]

    drawn = waits()
    assert sum(drawn) / len(drawn) == pytest.approx(0.5, rel=0.03)
    assert waits(failing=0.5) == drawn[: len(waits(failing=0.5))]
    _, ask = asking(latency={"mean_s": 0.5, "per_output_token_s": 0.25})
    plan = ask()
    assert plan.wait_s == 0.5 + 0.25 * plan.reply.body["usage"]["completion_tokens"]


def test_an_outage_is_met_while_it_lasts() -> None:
    """Everybody meets it, whatever the key; then all is as before."""
    _, ask = asking(outages=[{"at_s": 2, "for_s": 8}], keys=["k"])

    statuses = [ask(now=now).reply.status for now in (1.9, 2, 9.9, 10)]

    assert statuses == [200, 503, 503, 200]
    assert ask(now=5, key="wrong").reply.status == 503
    _, ask = asking(outages=[{"at_s": 0, "for_s": 1, "how": "cut"}])
    down = ask().fault
    assert down
    assert down.kind == "cut_before_headers"


def test_faults_happen_to_whom_they_are_meant_for() -> None:
    """A fault is meant by name, by position, or for each CRD by itself."""
    fault = {"kind": "status", "status": 418, "names": "*.cert-manager.io", "after": 1, "times": 1}
    _, ask = asking(faults=[fault])
    assert [ask().reply.status for _ in range(3)] == [200, 418, 200]
    assert ask("a.b.c").reply.status == 200

    _, ask = asking(faults=[{"kind": "status", "times": 1, "per_name": True}])
    assert [ask(name).reply.status for name in "aabb"] == [500, 200, 500, 200]


def test_faults_follow_one_another() -> None:
    """The next one meets a request only when the one before it has had its turns."""
    faults = [
        {"kind": "status", "status": 500, "times": 1},
        {"kind": "status", "status": 502, "times": 2},
    ]
    _, ask = asking(faults=faults)

    assert [ask().reply.status for _ in range(4)] == [500, 502, 502, 200]


def test_a_fault_is_not_used_up_by_a_request_that_the_limits_refuse() -> None:
    """The fault waits for the request that gets through."""
    _, ask = asking(
        limits={"requests": {"per_minute": 60, "burst": 1}},
        faults=[{"kind": "refusal", "after": 1, "times": 1}],
    )

    def refusal(now: float) -> Any:
        plan = ask(now=now)
        choices = plan.reply.body.get("choices", [{"message": {"refusal": "429"}}])
        return choices[0]["message"]["refusal"]

    told = [refusal(0), refusal(0.5), refusal(1), refusal(2)]
    assert told == [None, "429", "I cannot help with that.", None]


def test_retry_after_is_whatever_it_is_told_to_be() -> None:
    """It may be seconds, a fraction, a day, or a date."""

    def told(value: str) -> str:
        _, ask = asking(faults=[{"kind": "status", "status": 429, "retry_after": value}])
        return ask().reply.headers["retry-after"]

    assert [told("86400"), told("0.5"), told("soon")] == ["86400", "0.5", "soon"]
    assert parsedate_to_datetime(told("date+30")) == WALL.replace(second=30)


def test_a_redirect_names_its_place() -> None:
    """A proxy with a login page redirects like this."""
    _, ask = asking(faults=[{"kind": "redirect", "location": "https://login.example.com/"}])
    reply = ask().reply

    assert (reply.status, reply.headers["location"]) == (302, "https://login.example.com/")


@pytest.mark.parametrize(
    ("path", "headers", "protocol"),
    [
        ("/v1/messages", ANTHROPIC, "anthropic"),
        ("/v1/chat/completions", OPENAI, "openai"),
        ("/v1/chat/completions", {"api-key": "sk-1"}, "openai"),
    ],
)
def test_a_path_belongs_to_a_protocol(path: str, headers: dict[str, str], protocol: str) -> None:
    """The key stands where that protocol has it."""
    body = message() if protocol == "anthropic" else chat()
    call = Call(0, path)
    asked = incoming(path, json.dumps(body).encode(), headers)
    plan = Service(Behaviour(keys=("sk-1",)), 0).take(asked, call, 0, WALL)

    assert (plan.reply.status, call.protocol, call.key) == (200, protocol, "sk-1")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/elsewhere"),
        ("POST", "/messages"),
        ("POST", "/v1/v1/messages"),
        ("POST", "/v1/messages/"),
        ("POST", "/chat/completions"),
        ("POST", "/api/v1/chat/completions"),
        ("GET", "/v1/chat/completions"),
        ("GET", "/models"),
        ("GET", "/models/claude-haiku-4-5"),
        ("GET", "/v1/v1/models"),
        ("GET", "/v1/modelsx"),
    ],
)
def test_what_is_not_the_api_is_not_found(method: str, path: str) -> None:
    """As where a client has a wrong base URL; in the protocol's own words, as far as known."""
    asked = replace(incoming(path, json.dumps(chat()).encode(), OPENAI), method=method)
    plan = Service(Behaviour(), 0).take(asked, Call(0, path), 0, WALL)

    assert plan.reply.status == 404
    assert "error" in plan.reply.body


def test_a_behaviour_that_nobody_knows_is_refused() -> None:
    """A misspelt field or fault would otherwise test nothing."""
    for told in ({"latncy": 1}, {"faults": [{"kind": "wrong", "wrong": "badly"}]}):
        with pytest.raises(ValidationError):
            Behaviour.model_validate(told)
