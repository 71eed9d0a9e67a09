"""What a cluster can do, in a few lines: made of its Capabilities, as kubectl prints them.

Pure: values in, lines out. Every number counts Capabilities, and says which.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from capscan.core.text import shorten
from capscan.model import Analysis, Complexity

COLUMNS = 77
"""Of 80: the demo indents by three."""
LABEL_COLUMNS = 15
EASIEST_MAX = 5
LIST_LINES_MAX = 4


@dataclass(frozen=True, slots=True)
class Known:
    """One CRD that was analysed."""

    name: str
    group: str
    analysis: Analysis


def known(text: str) -> list[Known]:
    """Return the analysed CRDs in `kubectl get capabilities -o json`, ordered by their names."""
    return [
        Known(
            item["metadata"]["name"],
            item["resource"]["group"],
            Analysis.model_validate(item["analysis"]),
        )
        for item in json.loads(text)["items"]
        if "analysis" in item
    ]


def summary(items: Sequence[Known]) -> list[str]:
    """Return at most 15 lines of at most `COLUMNS` characters."""
    groups = len({item.group for item in items})
    levels = Counter(item.analysis.complexity for item in items)
    technologies = Counter(name for item in items for name in set(item.analysis.providers))
    split = ", ".join(f"{levels[level]} {level}" for level in Complexity)
    return [
        *_row("CRDs", [f"{len(items)} from {groups} API groups"]),
        *_row("complexity", [split]),
        *_row("can do", _wrapped(areas(items))),
        *_row("technologies", _wrapped(_by_count(technologies))),
        *_row("easiest first", [_example(item) for item in easiest(items)]),
    ]


def areas(items: Iterable[Known]) -> list[tuple[str, int]]:
    """Return what most CRDs are for, and of how many that is said. Each CRD is counted once: first
    comes the capability of most of them, then that of most of the rest, and so on. Of equals,
    the one that more of them name first.
    """
    rest = list(items)
    found: list[tuple[str, int]] = []
    while rest:
        named = Counter(what for item in rest for what in set(item.analysis.capabilities))
        first = Counter(what for item in rest for what in item.analysis.capabilities[:1])
        if not named:
            break
        top = min(named, key=lambda what: (-named[what], -first[what], what))
        found.append((top, named[top]))
        rest = [item for item in rest if top not in item.analysis.capabilities]
    return found


def easiest(items: Iterable[Known], at_most: int = EASIEST_MAX) -> list[Known]:
    """Return the easiest CRD of each API group, the surest answer first. Groups with more CRDs come
    first.
    """
    groups: dict[str, list[Known]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    ranked = sorted(groups.values(), key=lambda group: (-len(group), group[0].group))
    low = [
        [item for item in group if item.analysis.complexity is Complexity.LOW] for group in ranked
    ]
    return [max(group, key=lambda item: item.analysis.confidence) for group in low if group][
        :at_most
    ]


def _by_count(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0].lower()))


def _wrapped(counted: Sequence[tuple[str, int]]) -> list[str]:
    """Return `name n, name n` in a few lines; names that have no room are counted."""
    if not counted:
        return []
    lines = [""]
    for shown, (name, count) in enumerate(counted):
        more = f"and {len(counted) - shown} more"
        word = shorten(f"{name} {count}", COLUMNS - LABEL_COLUMNS - len(more) - 4)
        joined = f"{lines[-1]}, {word}" if lines[-1] else word
        last = len(lines) == LIST_LINES_MAX
        room = COLUMNS - LABEL_COLUMNS - (len(more) + 2 if last else 1)
        if len(joined) <= room:
            lines[-1] = joined
        elif last:
            return [*lines[:-1], f"{lines[-1]}, {more}"]
        else:
            lines[-1] += ","
            lines.append(word)
    return lines


def _example(item: Known) -> str:
    room = COLUMNS - LABEL_COLUMNS
    what = item.analysis.capabilities[0] if item.analysis.capabilities else ""
    name = shorten(item.name, room)
    left = room - len(name) - 2
    return f"{name}: {shorten(what, left)}" if what and left > 12 else name


def _row(label: str, lines: Sequence[str]) -> list[str]:
    return [
        f"{'' if number else label:<{LABEL_COLUMNS}}{line}" for number, line in enumerate(lines)
    ]
