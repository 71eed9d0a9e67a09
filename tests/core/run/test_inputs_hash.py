"""Which changes of a spec start a new run: those that change the hash of its inputs."""

from typing import Any

import pytest

from capscan.core.run.plan import inputs_hash
from capscan.model import ScanSpec, Selector
from tests.core.run.planning import ALWAYS


@pytest.mark.parametrize(
    "changes",
    [
        {"selector": Selector(include=["a*"])},
        {"selector": Selector(exclude=["a*"])},
        {"selector": Selector(match_labels={"a": "b"})},
        {"refresh": ALWAYS},
    ],
)
def test_a_change_of_what_is_asked_changes_the_hash(changes: dict[str, Any]) -> None:
    assert inputs_hash(ScanSpec(**changes)) != inputs_hash(ScanSpec())


def test_include_and_exclude_have_different_hashes() -> None:
    swapped = Selector(include=["b"], exclude=["a"])

    assert inputs_hash(ScanSpec(selector=swapped)) != inputs_hash(
        ScanSpec(selector=Selector(include=["a"], exclude=["b"]))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"parallelism": 3},
        {"max_attempts": 1},
        {"max_failed_percent": 1},
        {"rescan": "again"},
        {"suspend": True},
    ],
)
def test_a_change_of_how_it_is_asked_keeps_the_hash(changes: dict[str, Any]) -> None:
    assert inputs_hash(ScanSpec(**changes)) == inputs_hash(ScanSpec())
