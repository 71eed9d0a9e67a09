"""`python -m benchmarks.gate ROW COLUMN`: one cell, with all that is known of it.

Both are told by a part of their name.
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
