"""`python -m benchmarks [NAME...]`: run the benchmarks of that name, or all of them."""

import importlib
import sys
from pathlib import Path

from benchmarks.figures import report

NAMES = sorted(p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py"))


def main(names: list[str]) -> int:
    """Run them in order. The exit code says whether there are such benchmarks, not whether the
    targets were met.
    """
    if unknown := set(names) - set(NAMES):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
        return 2
    for name in names or NAMES:
        report(name, importlib.import_module(f"benchmarks.bench_{name}").measure())
    return 0


sys.exit(main(sys.argv[1:]))
