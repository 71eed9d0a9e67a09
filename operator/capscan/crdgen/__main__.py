"""`python -m capscan.crdgen [--check] [DIR]` writes the CRDs, or says which files are stale."""

import argparse
import sys
from pathlib import Path

from capscan.crdgen.kinds import KINDS
from capscan.crdgen.render import render


def main(argv: list[str] | None = None) -> int:
    """Return the exit code: 1 where `--check` finds a file that is not what would be written."""
    parser = argparse.ArgumentParser(prog="python -m capscan.crdgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    parser.add_argument("dir", nargs="?", type=Path, default=Path("crds"), metavar="DIR")
    args = parser.parse_args(argv)
    stale = 0
    for kind in KINDS:
        file = args.dir / f"{kind.plural}.yaml"
        text = render(kind)
        if file.exists() and file.read_text(encoding="utf-8") == text:
            continue
        if args.check:
            sys.stderr.write(f"{file} is not what the models say; run `make render`\n")
            stale = 1
        else:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {file}\n")
    return stale


if __name__ == "__main__":
    sys.exit(main())
