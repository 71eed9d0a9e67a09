"""From bytes to a digest, whatever strangers put into a CRD."""

import contextlib
import copy
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capscan.core.crd.digest import DIGEST_BYTES_MAX
from capscan.core.crd.digested import VERSIONS_MAX, digest_bytes
from capscan.core.errors import DigestFailed
from capscan.inference.offline.heuristic import analyze
from tests.builders import crd, nested, wide

IN_TIME_S = 2.0
"""Processor time; a worker has five times as much."""


def raw(body: object) -> bytes:
    return json.dumps(body).encode()


def described(description: str, fields: int) -> bytes:
    """Return a CRD with so many fields that say this."""
    leaf = {"type": "string", "description": description}
    return raw(crd(schema={"type": "object", "properties": {f"f{i}": leaf for i in range(fields)}}))


def test_identity_and_digest_are_those_of_the_crd() -> None:
    found = digest_bytes(raw(crd("widgets", versions=["v1", "v2"]) | {"kind": "Any"}))

    assert (found.crd.name, found.crd.versions) == ("widgets.example.com", ("v1", "v2"))
    assert "How large it is." in found.digest.text


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"<html>", "cannot be read"),
        (b"[]", "no JSON object"),
        (b'{"spec": "\xff"}', "cannot be read"),
        (b'{"spec": 1' + b"0" * 5000 + b"}", "cannot be read"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested too deeply"),
    ],
    ids=["a page", "a list", "no UTF-8", "a number of 5,000 digits", "5,000 levels"],
)
def test_what_cannot_be_read_fails_with_a_reason(sent: bytes, words: str) -> None:
    with pytest.raises(DigestFailed, match=words):
        digest_bytes(sent)


def test_names_are_bounded_however_many_and_long() -> None:
    body = crd("widgets", versions=[f"v{i}" for i in range(5000)])
    body["spec"]["names"]["kind"] = "K\u2028\x1b[2J" * 1000

    found = digest_bytes(raw(body)).crd

    assert len(found.versions) == VERSIONS_MAX
    assert len(found.kind) <= 253
    assert found.kind.isprintable()


@pytest.mark.parametrize(
    "unit", [",", "(", "\n ", "_", ". ", "A. ", "[](", "see https://a ", "1. "]
)
def test_long_runs_in_descriptions_take_no_longer_than_prose(unit: str) -> None:
    """Each of 400 fields has as much as is read of one."""
    began_s = time.process_time()
    found = digest_bytes(described(unit * (4000 // len(unit)), 400))
    analyze(found.digest)

    assert time.process_time() - began_s < IN_TIME_S


def test_descriptions_without_text_are_read_up_to_a_bound() -> None:
    """They take no room in the digest, which would therefore never be full."""
    began_s = time.process_time()
    found = digest_bytes(described("\u200b" * 4000, 5000))

    assert time.process_time() - began_s < IN_TIME_S
    assert found.digest.stats.field_count == 5000


def test_long_names_inside_of_each_other_are_not_joined_without_end() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"n" * 7000: schema}}

    found = digest_bytes(raw(crd(schema=schema)))

    assert len(found.digest.text.encode()) <= DIGEST_BYTES_MAX
    assert all(len(field.path) <= 512 for field in found.digest.fields)


def test_templates_inside_of_templates_are_followed_one_step() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(400):
        schema = {"type": "object", "properties": {"spec": schema}}

    assert digest_bytes(raw(crd(schema=schema))).digest.stats.field_count == 400


HOSTILE = [
    "(" * 70_000, ", " * 30_000, "\n " * 30_000, "1. " * 20_000, "_" * 50_000 + "a",
    "a" + "\u0301" * 50_000, "\U000e0041" * 20_000, "\x1b[31m" * 9_000, "see docs at " * 5_000,
    "https://" * 9_000, "<" * 60_000, "[](" * 20_000, "(a+)+$", "x" * 100_000, "\ud800" * 5_000,
    ["x"] * 50_000, [{"a": [1]}] * 20_000, 10**300, -1, 1e308, None, True, {}, [],
    nested(60), wide(60_000), {"items": {"items": {"items": {}}}},
]  # fmt: skip


def _places(node: object) -> list[tuple[Any, Any]]:
    """Return every place in a body where a value can be put, as holder and key."""
    found: list[tuple[Any, Any]] = []
    pairs = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node if isinstance(node, list) else [])
    )
    for key, value in pairs:
        found += [(node, key), *_places(value)]
    return found


PLAIN = crd(versions=["v1"], short_names=["w"], labels={"a": "b"})
CHOICES = st.tuples(
    st.integers(0, len(_places(PLAIN)) - 1), st.integers(0, len(HOSTILE) - 1), st.booleans()
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CHOICES, min_size=1, max_size=4))
def test_no_mutated_crd_takes_too_long(choices: list[tuple[int, int, bool]]) -> None:
    """Something hostile stands in a few places of an ordinary CRD, also as the name of a field."""
    body = copy.deepcopy(PLAIN)
    places = _places(body)
    for place, what, named in choices:
        (holder, key), value = places[place], HOSTILE[what]
        holder[key] = value
        if named and isinstance(holder, dict) and isinstance(value, str):
            holder[value[:4000]] = {"type": "object", "properties": {value[:99]: {"enum": [value]}}}
    sent = raw(body)
    began_s = time.process_time()
    with contextlib.suppress(DigestFailed):
        analyze(digest_bytes(sent).digest)

    assert time.process_time() - began_s < IN_TIME_S
