"""The merge patch that turns one object into another."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.merge_patch import merge_patch
from tests.core.rfc7386 import applied

SCALARS = st.one_of(st.integers(2, 4), st.text("ab", max_size=2))  # to Python, 1 is True
VALUES = st.recursive(
    st.one_of(SCALARS, st.lists(SCALARS, max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_the_patch_turns_one_object_into_the_other(
    current: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert applied(current, merge_patch(current, wanted)) == wanted


@given(OBJECTS, OBJECTS)
def test_the_patch_is_empty_exactly_when_nothing_differs(
    current: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert (merge_patch(current, wanted) == {}) is (current == wanted)
    assert merge_patch(wanted, wanted) == {}


@pytest.mark.parametrize(
    ("current", "wanted", "patch"),
    [
        ({"eta": "3s", "a": 1}, {"a": 1}, {"eta": None}),
        ({"run": {"id": "a", "end": 1}}, {"run": {"id": "b"}}, {"run": {"id": "b", "end": None}}),
        ({"items": [1, 2]}, {"items": [1]}, {"items": [1]}),
        ({"reasons": {"Timeout": 1}}, {"reasons": {}}, {"reasons": {"Timeout": None}}),
        ({}, {"reasons": {}}, {"reasons": {}}),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, {"a": {"b": {"d": None}}}),
    ],
)
def test_only_what_differs_is_sent(
    current: dict[str, Any], wanted: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert merge_patch(current, wanted) == patch
