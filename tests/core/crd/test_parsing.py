"""parse_crd: whatever the API server returns becomes a Crd."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.crd.parsing import parse_crd
from capscan.model import Crd
from tests.builders import crd

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def test_names_versions_and_schema_are_read() -> None:
    """This is the ordinary case with every field."""
    body = crd("gateways", group="net.example.com", short_names=["gw"], categories=["all"])
    body["metadata"] |= {"uid": "u-1", "generation": 3}

    parsed = parse_crd(body)

    assert (
        Crd(
            name="gateways.net.example.com",
            uid="u-1",
            generation=3,
            group="net.example.com",
            kind="Gateway",
            plural="gateways",
            singular="gateway",
            scope="Namespaced",
            short_names=("gw",),
            categories=("all",),
            version="v1",
            versions=("v1",),
            served=True,
            deprecated=False,
            schema=body["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        )
        == parsed
    )


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([("v1", True, True), ("v2", True, False)], ("v1", True)),
        ([("v1", False, True), ("v2", True, False)], ("v2", True)),
        ([("v1", False, True), ("v2", False, False)], ("v1", False)),
        ([], ("", False)),
    ],
    ids=["stored-and-served", "stored-not-served", "none-served", "none"],
)
def test_version_is_the_one_a_user_would_write(
    versions: list[tuple[str, bool, bool]], expected: tuple[str, bool]
) -> None:
    """The stored version if it is served, else the first served one, else the first."""
    body = crd(versions=[{"name": n, "served": sv, "storage": st} for n, sv, st in versions])

    parsed = parse_crd(body)

    assert expected == (parsed.version, parsed.served)


def test_a_crd_without_schema_has_an_empty_one() -> None:
    """The versions of old CRDs have no schema."""
    body = crd()
    del body["spec"]["versions"][0]["schema"]

    assert parse_crd(body).schema == {}


def test_missing_names_are_made_of_what_is_there() -> None:
    """The singular comes from the kind, the group and the plural from the name."""
    body = crd("widgets", kind="Widget")
    del body["spec"]["group"]
    body["spec"]["names"] = {"kind": "Widget"}

    parsed = parse_crd(body)

    assert (parsed.singular, parsed.plural, parsed.group) == ("widget", "widgets", "example.com")


def test_a_deprecated_version_is_known_as_such() -> None:
    """The flag of the version that is used counts."""
    assert parse_crd(crd(versions=[{"name": "v1beta1", "deprecated": True}])).deprecated


@given(JSON, JSON, JSON, JSON)
def test_parsing_junk_never_raises(metadata: Any, names: Any, versions: Any, spec: Any) -> None:
    """Any JSON may stand in any place, also in the place of the whole body."""
    for body in (
        {"metadata": metadata, "spec": spec},
        {"metadata": metadata, "spec": {"names": names, "versions": versions}},
        {"spec": {"versions": [versions, {"name": names, "schema": {"openAPIV3Schema": spec}}]}},
    ):
        parsed = parse_crd(body)

        assert isinstance(parsed.name, str)
        assert all(isinstance(name, str) for name in (*parsed.short_names, *parsed.versions))
