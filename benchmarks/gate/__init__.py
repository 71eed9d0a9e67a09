"""Whole clients beside each other against the same fake provider: `columns.py` says under which
limits, `rows.py` which clients, `cell.py` runs one of them and reads what the server's ledger
says of it. `bench_gate` puts them together.
"""
