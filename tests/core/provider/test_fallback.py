"""Who stands in for whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.errors import ProviderUnusable
from capscan.core.provider.fallback import chain, ends

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


@pytest.mark.parametrize(
    ("fallbacks", "found"),
    [
        ({"a": ""}, {"a": ""}),
        ({"a": "b", "b": ""}, {"a": "", "b": ""}),
        ({"a": "b", "b": "gone"}, {"a": "gone", "b": "gone"}),
        ({"a": "b", "b": "a", "c": "a"}, {"a": None, "b": None, "c": None}),
        ({"a": "a"}, {"a": None}),
    ],
)
def test_the_end_of_each_chain_is_found(
    fallbacks: dict[str, str], found: dict[str, str | None]
) -> None:
    assert ends(fallbacks) == found


class Counted(dict[str, str]):
    """Counts how often somebody looks up who stands in for whom."""

    reads = 0

    def __getitem__(self, name: str) -> str:
        self.reads += 1
        return super().__getitem__(name)


@pytest.mark.parametrize("last", ["", "gone", "p0"])
def test_each_provider_is_looked_at_once_however_long_the_chains_are(last: str) -> None:
    fallbacks = Counted({f"p{i}": f"p{i + 1}" for i in range(999)} | {"p999": last})
    ends(fallbacks)

    assert fallbacks.reads == 1000
