"""A program that looks for text over which a pattern of the package takes too long.

It imports the whole package, takes note of every pattern that is compiled meanwhile, and gives it
texts made of what stands in the pattern itself: runs of a character, of two, of a word, with
something before and behind that keeps it from matching. Each text comes in ten sizes. What it finds
it prints, one JSON object a line.

Work is counted in processor time of this process, which a busy machine does not lengthen, and is
compared between sizes that are far apart: over 32 times the text a linear pattern takes about 32
times as long and a quadratic one 1,024 times. The bound lies between the two, and what is above it
is measured again. A limit on processor time ends what would never end.
"""

import ast
import importlib
import itertools
import json
import pkgutil
import re
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import capscan

SIZES = [32 << step for step in range(10)]
APART = 5
"""Work is compared with that over a text of 1 / 2**APART of its size."""
GROWTH_MAX = 150.0
LEAST_S = 100e-6
"""Less time than this is not told apart."""
TOO_LONG_S = 0.1
"""No linear pattern takes so long over the largest text."""
PAIR_SIZES = 8
"""Pairs of characters are many, so their texts come in fewer sizes."""
CPU_S_MAX = 400
WORDS_MAX = 3
LETTERS_EACH = 6
"""Of the letters in a pattern, one in so many is tried alone; the others stand in its words."""
OTHERS = " \n\t,;(.:-_*#`\"'\\[{</aA0é\u2028"
SEARCHES = frozenset({"sub", "subn", "split", "findall", "finditer", "search"})
MATCHES = frozenset({"match", "fullmatch"})


@dataclass(frozen=True)
class Text:
    """A unit again and again, with something before, and behind what matches nothing."""

    unit: str
    before: str = ""

    def of(self, size: int) -> str:
        """Return a text of about that many characters."""
        return self.before + self.unit * (size // len(self.unit)) + "\x00"


@dataclass(frozen=True)
class Found:
    """One pattern, where it was compiled, and by which methods it is used there."""

    pattern: re.Pattern[str]
    module: str
    line: int
    methods: frozenset[str]


def patterns() -> list[Found]:
    """Import every module of the package; return what is compiled meanwhile."""
    found: list[Found] = []
    compile_ = re.compile

    def noting(pattern: Any, flags: int = 0) -> Any:
        compiled = compile_(pattern, flags)
        caller = sys._getframe(1)
        module = caller.f_globals["__name__"]
        if module.startswith("capscan.") and isinstance(compiled.pattern, str):
            line = caller.f_lineno
            found.append(Found(compiled, module, line, _methods(caller.f_code.co_filename, line)))
        return compiled

    re.compile = noting
    try:
        for module in pkgutil.walk_packages(capscan.__path__, "capscan."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
        _use()
    finally:
        re.compile = compile_
    return found


def _use() -> None:
    """Call what compiles patterns only when it is used."""
    words = importlib.import_module("capscan.inference.offline.words")
    words.split_name("HTTPRoute")
    plan = importlib.import_module("capscan.core.run.plan")
    model = importlib.import_module("capscan.model")
    run = model.Run.model_construct(id="r1")
    globs = ["*a" * 32, "?" * 64 + "*", "*-*.*-*.example.com"]
    plan.plan([], [], model.ScanSpec(selector=model.Selector(include=globs)), run, "nobody")


def _methods(file: str, line: int) -> frozenset[str]:
    """Return the methods by which the name that the pattern gets is used in its module; all of them
    where it gets no name.
    """
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    names = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and node.lineno <= line <= (node.end_lineno or line)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
    }
    return frozenset(used & (SEARCHES | MATCHES)) or SEARCHES | MATCHES


def texts(pattern: str) -> Iterator[tuple["Text", list[int]]]:
    """Yield makers of texts of a given size that may take this pattern long, with the sizes."""
    chars = sorted({c for c in pattern if c.isprintable() and not c.isalnum()} | set(OTHERS))
    chars += sorted({c for c in pattern if c.isalnum() and c not in OTHERS})[::LETTERS_EACH]
    words = sorted(set(re.findall(r"[A-Za-z][A-Za-z /:_-]+", pattern)), key=len)[-WORDS_MAX:]
    for before, unit in itertools.product(["", *words], chars):
        yield Text(unit, before), SIZES
    for word, around in itertools.product(words, ("%s", " %s", "(%s ", "[%s](")):
        yield Text(around % word), SIZES
    for one, other in itertools.permutations(sorted(set(OTHERS) | set("+()")), 2):
        yield Text(one + other), SIZES[:PAIR_SIZES]


def _work(found: Found, text: str) -> float:
    began_s = time.process_time()
    if found.methods & SEARCHES:
        for _ in found.pattern.finditer(text):
            pass
    if found.methods & MATCHES:
        found.pattern.match(text)
        found.pattern.fullmatch(text)
    return time.process_time() - began_s


def too_slow(found: Found) -> str:
    """Return over which text the work grows faster than the text; empty where there is none."""
    for text, sizes in texts(found.pattern.pattern):
        taken_s: list[float] = []
        for step, size in enumerate(sizes):
            sized = text.of(size)
            taken_s.append(_work(found, sized))
            before_s = max(taken_s[step - APART], LEAST_S) if step >= APART else TOO_LONG_S
            at_most_s = min(GROWTH_MAX * before_s, TOO_LONG_S)
            if taken_s[-1] > at_most_s:
                taken_s[-1] = min(_work(found, sized) for _ in range(3))
            if taken_s[-1] > at_most_s:
                return f"{taken_s[-1] * 1000:.0f} ms over {size} characters like {sized[:24]!r}"
    return ""


def main() -> None:
    """Print a line for each pattern before and after it is tried: of all modules, or of those whose
    names begin with the first argument.
    """
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    seen = set()
    for found in patterns():
        if (found.pattern, found.methods) in seen or not found.module.startswith(wanted):
            continue
        seen.add((found.pattern, found.methods))
        where = f"{found.module}:{found.line}"
        _tell({"pattern": where})
        _tell({"pattern": where, "slow": too_slow(found), "cpu_s": time.process_time()})


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
