"""The table for people: clients by settings, as makespan / bound and what else went wrong."""

from collections.abc import Sequence

from benchmarks.gate.cell import Cell
from benchmarks.gate.columns import COLUMNS, MOMENT_S

Cells = dict[tuple[str, str], Cell]
"""By row and column."""

NOT_INSTALLED = "not installed: PEERS=1 installs it"


def table(peers: Sequence[str], product: str, cells: Cells) -> str:
    """Return the table in Markdown, aligned for terminals. The first row is the bound, then comes a
    row for each client. Processor time and memory are those of the first column.
    """
    shown = [column for column in COLUMNS if column.bound_s > MOMENT_S]
    heads = ["", *(column.name for column in shown), "CPU/item", "RSS"]
    bounds = [f"{column.bound_s:.1f} s" for column in shown]
    lines = [heads, ["lower bound", *bounds, "", ""]]
    for row in (*peers, product):
        found = {column: cells.get((row, column.name)) for column in shown}
        there = [cell for cell in found.values() if cell]
        if not there:
            lines.append([row, NOT_INSTALLED, *[""] * (len(heads) - 2)])
            continue
        told = [_told(cell) if cell else "" for cell in found.values()]
        lines.append([row, *told, f"{there[0].cpu_ms:.1f} ms", f"{there[0].done.rss_mib:.0f} MiB"])
    widths = [
        max(len(line[at]) for line in lines if line[1] != NOT_INSTALLED) for at in range(len(heads))
    ]
    widths[0] = max(len(line[0]) for line in lines)
    return "\n".join(
        "| "
        + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        + " |"
        for line in (lines[0], ["-" * width for width in widths], *lines[1:])
    )


def _told(cell: Cell) -> str:
    """Return what a cell says. A client that gives items up is done soon: no time is told of it."""
    parts = [f"{cell.done.lost} lost" if cell.done.lost else f"{cell.ratio:.2f}"]
    parts += [f"{cell.limited}x 429"] if cell.limited else []
    parts += [f"{cell.crowded} rejected"] if cell.crowded else []
    parts += [f"{cell.wasted} wasted"] if cell.wasted else []
    return ", ".join(parts)
