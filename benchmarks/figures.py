"""What a benchmark reports: figures as measured, met or not."""

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

OUT = Path(__file__).parent / "out"


@dataclass(frozen=True)
class Figure:
    """One measured value; `target` is the most it should be, or the least where `at_least`."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Return whether the target was reached; None where there is none."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target


def report(name: str, figures: Iterable[Figure]) -> None:
    """Print each figure as it comes, for people, and write `out/<name>.json` for machines."""
    print(f"\n{name}", flush=True)
    rows = []
    for figure in figures:
        print(_row(figure), flush=True)
        told = {k: v for k, v in asdict(figure).items() if k != "at_least"}
        rows.append(told | {"met": figure.met})
    OUT.mkdir(exist_ok=True)
    body = {"figures": rows, "environment": _environment()}
    (OUT / f"{name}.json").write_text(json.dumps(body, indent=2) + "\n")


def _row(figure: Figure) -> str:
    sign = ">=" if figure.at_least else "<="
    target = "" if figure.target is None else f"{sign} {figure.target:.4g}"
    verdict = {None: "", True: "met", False: "NOT MET"}[figure.met]
    return (
        f"  {figure.name:<34} {figure.value:>9.2f} {figure.unit:<9} {target:<9} {verdict}".rstrip()
    )


def _environment() -> dict[str, object]:
    return {
        "cpus": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "system": platform.system(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
