"""Which CRDs a selector matches, by their names and labels."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.run.plan import inputs_hash, plan
from capscan.model import ScanSpec, Selector
from tests.core.run.planning import GLOBS, PROVIDER, select
from tests.fakes import ref, run


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("*", "a.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("a.*", "a.example.com", True),
        ("a.*", "ba.example.com", False),
        ("*example*", "a.example.com", True),
        ("a.example.com", "a.example.com", True),
        ("a.example.com", "a.example.comx", False),
        ("a.example.com", "axexample.com", False),
        ("?.example.com", "a.example.com", True),
        ("?.example.com", "ab.example.com", False),
        ("a?example.com", "a.example.com", True),
        ("?", "", False),
        ("[a].example.com", "a.example.com", False),
        ("A.example.com", "a.example.com", False),
    ],
)
def test_globs_match_names(glob: str, name: str, *, matches: bool) -> None:
    """`*` is any text, dots included; `?` is one character; all else is itself."""
    assert select(name, include=[glob]) == ([name] if matches else [])


@given(name=st.text("ab.", min_size=1, max_size=12), data=st.data())
def test_a_glob_made_of_a_name_matches_the_name(name: str, data: st.DataObject) -> None:
    """A `?` stands for any of its characters, and a `*` for any part of it."""
    start = data.draw(st.integers(0, len(name)))
    end = data.draw(st.integers(start, len(name)))
    blots = "?" * (end - start), "*", "**"

    for blot in blots:
        assert select(name, include=[name[:start] + blot + name[end:]]) == [name]


def test_a_glob_that_is_made_to_be_slow_is_matched_fast() -> None:
    """Users write globs, and the operator's event loop matches them, so that it must not
    backtrack.
    """
    began_s = time.monotonic()

    assert select("a" * 250 + ".example.com", include=["*a?" * 80 + "x"]) == []
    assert time.monotonic() - began_s < 1


def test_one_of_several_globs_is_enough() -> None:
    assert select("a.x", "b.y", "c.z", include=["*.x", "b*"]) == ["a.x", "b.y"]


def test_exclude_wins_over_include() -> None:
    assert select("a.x", "b.x", include=["*", "b.x"], exclude=["b.*"]) == ["a.x"]


def test_capscans_own_crds_are_never_asked_about() -> None:
    names = ["capabilities.capscan.dev", "capabilityscans.capscan.dev", "a.mycapscan.dev"]

    assert select(*names, include=["*", "*.capscan.dev"]) == ["a.mycapscan.dev"]


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ({}, True),
        ({"team": "db"}, True),
        ({"team": "db", "tier": "1"}, True),
        ({"team": "web"}, False),
        ({"team": "db", "other": "x"}, False),
        ({"team": ""}, False),
    ],
)
def test_every_label_must_have_its_value(wanted: dict[str, str], *, matches: bool) -> None:
    crd = ref("a.x", labels={"team": "db", "tier": "1"})
    spec = ScanSpec(selector=Selector(match_labels=wanted))

    assert bool(plan([crd], [], spec, run(), PROVIDER).pending) is matches


@given(GLOBS, GLOBS, st.randoms())
def test_the_order_of_globs_keeps_the_hash(
    include: list[str], exclude: list[str], random: Any
) -> None:
    def hashed(*, again: bool) -> str:
        globs = [[*given, *given[:1]] if again else list(given) for given in (include, exclude)]
        for shuffled in globs:
            random.shuffle(shuffled)
        return inputs_hash(ScanSpec(selector=Selector(include=globs[0], exclude=globs[1])))

    assert hashed(again=False) == hashed(again=False) == hashed(again=True)
