"""digest_crd: bounded, deterministic, and worth reading."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capscan.core.crd.digest import DIGEST_BYTES_MAX, NODES_MAX, Digest, digest_crd
from capscan.core.crd.parsing import parse_crd
from tests.builders import Schema, crd, nested, wide
from tests.core.crd.golden_crds import GOLDEN
from tests.work import calls

GOLDEN_DIR = Path(__file__).parent / "golden"


def digest(**options: Any) -> Digest:
    """Return the digest of a CRD of the builder."""
    return digest_crd(parse_crd(crd(**options)))


def paths(found: Digest) -> list[str]:
    return [field.path for field in found.fields]


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_text_is_as_recorded(name: str) -> None:
    """A changed text asks every CRD of every cluster again: raise DIGEST_VERSION with it.

    CAPSCAN_UPDATE_GOLDEN=1 records anew.
    """
    recorded = GOLDEN_DIR / f"{name}.txt"
    text = digest_crd(parse_crd(GOLDEN[name])).text
    if os.environ.get("CAPSCAN_UPDATE_GOLDEN"):
        recorded.write_text(text, encoding="utf-8")

    assert recorded.read_text(encoding="utf-8") == text


def test_fields_come_level_by_level_the_required_ones_first() -> None:
    """So the most important fields are kept when the bytes run out."""
    schema: Schema = {
        "type": "object",
        "required": ["z"],
        "properties": {
            "b": {"type": "object", "properties": {"deep": {"type": "string"}}},
            "a": {"type": "string"},
            "z": {"type": "string"},
        },
    }

    assert paths(digest(schema=schema)) == ["spec", "spec.z", "spec.a", "spec.b", "spec.b.deep"]


def test_containers_are_part_of_the_path() -> None:
    """Lists are [] and maps are {}, also one inside the other."""
    rule: Schema = {"type": "object", "properties": {"host": {"type": "string"}}}
    schema: Schema = {
        "type": "object",
        "properties": {
            "rules": {"type": "array", "items": rule},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "grid": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": {"type": "integer"}},
            },
        },
    }

    found = {field.path: field.type for field in digest(schema=schema).fields}

    assert found == {
        "spec": "object",
        "spec.grid{}[]": "integer",
        "spec.labels{}": "string",
        "spec.rules[]": "object",
        "spec.rules[].host": "string",
    }


def test_kubernetes_own_types_are_named_and_not_entered() -> None:
    """A selector looks the same in every CRD; one with a field of its own is an own type."""
    selector: Schema = {
        "type": "object",
        "properties": {"matchLabels": {"type": "object"}, "matchExpressions": {"type": "array"}},
    }
    own = {**selector, "properties": {**selector["properties"], "depth": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"theirs": selector, "own": own}}

    found = digest(schema=schema)

    assert "LabelSelector" in [f.type for f in found.fields]
    assert "spec.own.depth" in paths(found)
    assert "spec.theirs.matchLabels" not in paths(found)


def test_status_counts_only_where_it_is_all_there_is() -> None:
    """It counts to its first level."""
    status = {"type": "object", "properties": {"result": nested(2)}}
    alone: Schema = {"type": "object", "properties": {"status": status}}
    body = crd()
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = alone

    assert paths(digest_crd(parse_crd(body))) == ["status.result"]
    alone["properties"]["data"] = {"type": "string"}
    assert paths(digest_crd(parse_crd(body))) == ["data"]


def test_everything_that_answers_depend_on_is_in_the_text() -> None:
    """The fingerprint hashes the text, so nothing else may tell two digests apart."""
    found = digest(short_names=["w"], categories=["all"], versions=["v1", "v1alpha1"])

    for told in ("Widget", "example.com", "Namespaced", "w", "all", "v1alpha1", "3 fields"):
        assert told in found.text
    for field in found.fields:
        assert field.path.rpartition(".")[2] in found.text
        assert field.description in found.text
    assert found.text.endswith("truncated: false\n")


# --- bad input ------------------------------------------------------------------------------------


def test_a_crd_without_schema_is_digested() -> None:
    """The digest still has the names of the CRD."""
    body = crd()
    del body["spec"]["versions"][0]["schema"]

    found = digest_crd(parse_crd(body))

    assert (found.fields, found.stats.field_count) == ((), 0)
    assert "kind: Widget" in found.text


def test_a_crd_without_served_version_is_digested() -> None:
    """The text says so."""
    found = digest(versions=[{"name": "v1", "served": False}])

    assert (found.version, "version: v1 (not served)" in found.text) == ("v1", True)


def test_a_root_that_preserves_unknown_fields_is_digested() -> None:
    """There is nothing to walk, and nothing fails."""
    body = crd()
    body["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = {
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": True,
    }

    assert digest_crd(parse_crd(body)).fields == ()


def test_a_crd_of_2_9_megabytes_is_digested() -> None:
    """Bounded in bytes and in work, and it says that something is missing."""
    body = crd(schema=wide(2_900_000))
    assert len(json.dumps(body)) > 2_900_000
    parsed = parse_crd(body)

    found = digest_crd(parsed)
    twice = parse_crd(crd(schema=wide(5_800_000)))

    assert len(found.text.encode()) <= DIGEST_BYTES_MAX
    assert found.text.endswith("\ntruncated: true\n")
    assert calls(lambda: digest_crd(twice)) < 1.5 * calls(lambda: digest_crd(parsed))


def test_a_schema_with_more_nodes_than_are_walked_is_marked_as_cut() -> None:
    """The count stops at the bound and says so."""
    row: Schema = {"type": "object", "properties": {f"f{i}": {"type": "string"} for i in range(80)}}
    schema = {"type": "object", "properties": {f"r{i}": row for i in range(80)}}

    found = digest(schema=schema)

    assert found.stats.field_count == NODES_MAX
    assert found.text.endswith("\ntruncated: true\n")


def test_a_schema_of_38_levels_is_digested() -> None:
    """Depth is no reason to stop."""
    found = digest(schema=nested(38))

    assert ", 39 levels\n" in found.text
    assert found.text.endswith("\ntruncated: false\n")
    assert found.fields[-1].path.endswith("level38")


def test_text_that_is_not_ascii_is_never_cut_inside_a_character() -> None:
    """Each character has four bytes, and the bound is no multiple of four."""
    leaf: Schema = {"type": "string", "description": "𝕏" * 300}
    found = digest(
        description="Größe – 大きさ",
        schema={"type": "object", "properties": {f"größe{i}": leaf for i in range(60)}},
    )

    assert len(found.text.encode("utf-8")) <= DIGEST_BYTES_MAX
    assert "Größe – 大きさ" in found.text
    assert "spec.größe0" in paths(found)


def test_odd_enum_values_read_as_json_writes_them() -> None:
    """Among them are a bare `=`, booleans, null and numbers."""
    schema: Schema = {
        "type": "object",
        "properties": {"op": {"enum": ["=", True, None, 3, "true"]}},
    }

    assert digest(schema=schema).fields[1].enum == ("=", "true", "null", "3", "true")


def test_a_schema_without_descriptions_is_digested() -> None:
    """Names and types are still there."""
    schema: Schema = {"type": "object", "properties": {"size": {"type": "integer"}}}

    found = digest(description="", schema=schema)

    assert "\n  size integer\n" in found.text
    assert found.description == ""


def test_a_schema_of_junk_is_walked_without_harm() -> None:
    """preserve-unknown-fields lets nearly anything stand there."""
    schema: Any = {
        "type": ["object"],
        "required": "size",
        "properties": {"a": None, "b": 3, "c": {"items": []}, "d": {"enum": {}, "description": 7}},
    }

    assert paths(digest(schema=schema)) == ["spec", "spec.a", "spec.b", "spec.c", "spec.d"]


# --- properties -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["size", "rules", "größe", "spec", "a.b", "items", "x" * 300])
LEAVES = st.fixed_dictionaries(
    {"type": st.sampled_from(["string", "integer", "boolean"])},
    optional={
        "description": st.text(max_size=400),
        "enum": st.lists(st.text(max_size=60) | st.booleans() | st.none(), max_size=12),
    },
)


def _holders(inner: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    objects = st.fixed_dictionaries(
        {
            "type": st.just("object"),
            "properties": st.dictionaries(NAMES, inner, max_size=5),
            "required": st.lists(NAMES, max_size=3),
        }
    )
    arrays = st.fixed_dictionaries({"type": st.just("array"), "items": inner})
    maps = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    return objects | arrays | maps


SCHEMAS = st.recursive(LEAVES, _holders, max_leaves=30)


def _shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, _shuffled(inner, rng)) for key, inner in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [_shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(SCHEMAS, st.text(max_size=3000), st.randoms(use_true_random=False))
def test_a_digest_is_bounded_and_independent_of_key_order(
    schema: Schema, description: str, rng: random.Random
) -> None:
    """The API server promises no order."""
    body = crd(schema=schema, description=description)

    found = digest_crd(parse_crd(body))

    assert found == digest_crd(parse_crd(_shuffled(body, rng)))
    assert len(found.text.encode()) <= DIGEST_BYTES_MAX


@given(st.text(), st.lists(st.text(), max_size=20))
def test_names_of_any_kind_are_bounded(name: str, names: list[str]) -> None:
    """The header alone may not use up the bytes."""
    body = crd()
    body["metadata"]["name"] = name * 40
    body["spec"]["names"] |= {"kind": name * 40, "shortNames": names, "categories": names}

    assert len(digest_crd(parse_crd(body)).text.encode()) <= DIGEST_BYTES_MAX
