"""Globs as users write them: only `*`, which crosses dots, and `?` mean more than themselves."""

import fnmatch
import re
from collections.abc import Iterable


def any_of(globs: Iterable[str]) -> re.Pattern[str]:
    """Return one pattern for all globs; where there is no glob, it matches nothing.

    Globs come from users, so that matching must not backtrack: fnmatch's translation does not,
    while `.*` for each star would.
    """
    patterns = (fnmatch.translate(glob.replace("[", "[[]")) for glob in globs)
    return re.compile("|".join(patterns) or r"(?!)")
