"""`python -m benchmarks.gate ROW COLUMN`: measure one cell and print all that is known of it.

A part of their names is enough to say which row and column are meant.
"""

import json
import sys
from dataclasses import asdict

from benchmarks.gate.cell import measure
from benchmarks.gate.columns import COLUMNS
from benchmarks.gate.rows import ROWS

row, column = sys.argv[1:]
(wanted_row,) = (each for each in ROWS if row in each.name)
(wanted_column,) = (each for each in COLUMNS if column in each.name)
print(json.dumps(asdict(measure(wanted_row, wanted_column)), indent=2))
