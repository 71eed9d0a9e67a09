"""Waits for what a test means: `until` something is seen, or `quiet_for` a while."""

import http.client
import time
from collections.abc import Callable
from typing import TypeVar

from tests.kubectl import KubectlError
from tests.operator.api import Refused

T = TypeVar("T")

WAIT_S = 60.0
"""How long a test waits for what takes seconds: other tests run at the same time."""
POLL_S = 0.05
NOT_YET = (KubectlError, Refused, KeyError, OSError, http.client.HTTPException)
"""What a look may raise while there is nothing to see, or nobody to ask."""


def until(
    look: Callable[[], T], accept: Callable[[T], bool], what: str, timeout_s: float = WAIT_S
) -> T:
    """Look again and again until what is seen is accepted, and return it."""
    deadline = time.monotonic() + timeout_s
    seen: object = None
    while time.monotonic() < deadline:
        try:
            seen = found = look()
            if accept(found):
                return found
        except NOT_YET as error:
            seen = error if seen is None else seen
        time.sleep(POLL_S)
    raise AssertionError(f"no {what} within {timeout_s:.0f} s; last seen: {seen}")


def quiet_for(look: Callable[[], T], quiet_s: float) -> T:
    """Look until the same is seen for `quiet_s` in a row, and return it.

    A test that shows that nothing happens needs some real time: this names it. What still changes
    at first only begins the time anew; it may do so for WAIT_S.
    """
    deadline = time.monotonic() + WAIT_S
    seen, since = look(), time.monotonic()
    while time.monotonic() < since + quiet_s:
        assert time.monotonic() < deadline, f"never quiet for {quiet_s:.0f} s; last seen: {seen}"
        time.sleep(POLL_S)
        if (found := look()) != seen:
            seen, since = found, time.monotonic()
    return seen
