"""Decides. Values and the time go in, values come out: no I/O, no clock, nothing is awaited.

Each folder is a subject; `[tool.importlinter]` in pyproject.toml holds which may import which.
"""
