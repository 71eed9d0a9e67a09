"""Waiting for what another process does."""

import time
from collections.abc import Callable

PATIENCE_S = 20


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; fail after 20 seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
