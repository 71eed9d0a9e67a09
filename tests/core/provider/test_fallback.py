"""Who stands in for whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.errors import ProviderUnusable
from capscan.core.provider.fallback import chain

NAMES = st.sampled_from("abcdef")


def test_fallbacks_of_fallbacks_stand_in_too() -> None:
    assert chain("a", {"a": "b", "b": "c", "c": ""}) == ["a", "b", "c"]


def test_one_that_does_not_exist_ends_the_chain() -> None:
    assert chain("a", {"a": "gone"}) == ["a"]


@pytest.mark.parametrize(
    ("fallbacks", "loop"),
    [({"a": "a"}, "a -> a"), ({"a": "b", "b": "c", "c": "b"}, "b -> c -> b")],
)
def test_a_circle_is_named(fallbacks: dict[str, str], loop: str) -> None:
    with pytest.raises(ProviderUnusable, match=f"circle: {loop}. Take"):
        chain("a", fallbacks)


@given(NAMES, st.dictionaries(NAMES, st.one_of(NAMES, st.just(""))))
def test_a_chain_has_nobody_twice(name: str, fallbacks: dict[str, str]) -> None:
    try:
        names = chain(name, fallbacks)
    except ProviderUnusable:
        return
    assert len(names) == len(set(names))
    assert names[:1] == ([name] if name in fallbacks else [])
