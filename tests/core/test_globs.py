"""Globs as users write them."""

import pytest

from capscan.core.globs import any_of


@pytest.mark.parametrize(
    ("globs", "name", "matches"),
    [
        (["team-*"], "team-a.b", True),
        (["team-?"], "team-ab", False),
        (["team-[ab]"], "team-a", False),
        (["team-[!a]*"], "team-b", False),
        (["team-[ab]"], "team-[ab]", True),
        (["a", "b*"], "bc", True),
        ([], "a", False),
    ],
)
def test_a_star_and_a_question_mark_are_all_that_a_glob_knows(
    globs: list[str], name: str, matches: bool
) -> None:
    assert (any_of(globs).fullmatch(name) is not None) is matches
