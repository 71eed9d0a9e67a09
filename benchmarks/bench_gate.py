"""capscan and others before the same fake provider, beside the least time that anybody could need.

Peers are measured with PEERS=1, in an environment of their own; without it their rows say so.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Figure
from benchmarks.gate import columns, peers
from benchmarks.gate.cell import Cell
from benchmarks.gate.cell import measure as measured
from benchmarks.gate.columns import COLUMNS, Column
from benchmarks.gate.rows import CAPSCAN, PEER_ROWS, Row
from benchmarks.gate.table import Cells, table

RATIOS_MAX = {
    columns.RPM: 1.05,
    columns.TPM: 1.05,
    columns.CROWD: 1.10,
    columns.OUTAGE: 1.08,
    columns.MINUTE: 1.05,
    columns.WINDOW: 1.05,
    columns.UNKNOWN: 1.06,
    columns.SILENT: 1.06,
    columns.TOO_HIGH: 1.06,
    columns.TOO_LOW: 1.05,
}
UNTOLD = (columns.UNKNOWN, columns.SILENT, columns.TOO_HIGH)
UNTOLD_429S_MAX = 8
"""Until it knows what nobody told it."""
MB_PER_MIB = 2**20 / 10**6
PEERS_AT_ONCE = 2
"""They mostly wait; capscan is measured alone all the same."""


def measure() -> Iterator[Figure]:
    """Measure column by column, the peers and then capscan; at the end comes the table."""
    wanted = peers.prepared()
    cells: Cells = {}
    for column in COLUMNS:
        rows = [row for row in PEER_ROWS if wanted and column.for_peers]
        with ThreadPoolExecutor(PEERS_AT_ONCE) as pool:
            found = pool.map(lambda row, column=column: measured(row, column), rows)
            cells |= {(row.name, column.name): cell for row, cell in zip(rows, found, strict=True)}
        for row in rows:
            yield from _peers_figures(row, column, cells[row.name, column.name])
        cell = cells[CAPSCAN.name, column.name] = measured(CAPSCAN, column)
        yield from _figures(column, cell)
    yield from _figures_across({column: cells[CAPSCAN.name, column.name] for column in COLUMNS})
    print(table([row.name for row in PEER_ROWS], CAPSCAN.name, cells))


def _figures(column: Column, cell: Cell) -> Iterator[Figure]:
    """Return what capscan is held to in one column."""
    name = column.name
    if column in RATIOS_MAX:
        yield Figure(f"{name}: makespan / bound", cell.ratio, "x", RATIOS_MAX[column])
    untold = column in UNTOLD
    yield Figure(f"{name}: 429s", cell.limited, "calls", UNTOLD_429S_MAX if untold else 0)
    if untold:
        yield Figure(f"{name}: 429s after 5 s", cell.limited_late, "calls", 0)
    yield Figure(f"{name}: lost", cell.done.lost, "items", 0)
    if column is columns.CROWD:
        yield Figure(f"{name}: rejected", 100 * cell.crowded / cell.calls, "%", 3)
    if column is columns.OUTAGE:
        yield Figure(f"{name}: wasted", cell.wasted, "calls", 20)


def _figures_across(cells: dict[Column, Cell]) -> Iterator[Figure]:
    """Return what one column tells beside another one, and what the large ones tell alone."""
    slower = cells[columns.BESIDE].done.makespan_s / cells[columns.ALONE].done.makespan_s
    yield Figure("20 items beside 600 / alone", slower, "x", 3)
    yield Figure("CPU per item, 100 in flight", cells[columns.HUNDRED].cpu_ms, "ms", 5)
    sizes = (cells[column].done.rss_mib for column in (columns.FEW, columns.MANY))
    few, many = (mib * MB_PER_MIB for mib in sizes)
    yield Figure("RSS at 1,000 items", few, "MB", 45)
    yield Figure("  more at 20,000", many - few, "MB", 5)


def _peers_figures(row: Row, column: Column, cell: Cell) -> Iterator[Figure]:
    """Return the peers' figures, which have no targets: they are there for comparison."""
    name = f"{row.name}, {column.name}"
    yield Figure(f"{name}: ratio", cell.ratio, "x")
    yield Figure(f"{name}: 429s", cell.limited, "calls")
    yield Figure(f"{name}: lost", cell.done.lost, "items")
    yield Figure(f"{name}: RSS", cell.done.rss_mib, "MiB")
