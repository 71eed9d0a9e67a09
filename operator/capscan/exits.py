"""The exit codes of every command: the one place that names them. It imports nothing, so that
`make doctor` can use it in a fresh clone.
"""

DONE = 0
WITH_FAILURES = 1
"""It was done, but something failed in it."""
WRONG_USE = 2
"""What was asked for cannot be meant: click's own code."""
CANNOT = 3
"""What is needed cannot be reached, or is not allowed."""
