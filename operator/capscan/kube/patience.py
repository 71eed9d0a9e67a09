"""How long a request to the API server is tried again, and which errors may pass by themselves.

The operator waits for an absent API server for ever: it has nothing else to do. A command has
somebody who waits for it, and sets a limit. Sending a request is `transport.py`'s work; which
requests there are is `client.py`'s.
"""

import logging
import math
import random
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

import anyio

from capscan.core.kube_errors import Forbidden, KubeError, NotServed, ServerError, Unavailable

logger = logging.getLogger(__name__)

SERVER_ERROR_PATIENCE_S = 20.0
"""A 5xx answer is tried again for so long. Then it is raised, because somebody may have to act."""

WARM_UP_S = 20.0
"""An API server that was away refuses permissions, does not know its kinds and has no leader of its
etcd for some seconds after it is back (measured: 403 and 404 from an otherwise willing server)."""

BACKOFF_BASE_S = 0.4
BACKOFF_CAP_S = 10.0
DOUBLINGS_MAX = 10
"""The cap is reached long before. An outage may last a thousand tries, and a float does not."""
ASKED_S_MAX = 60.0
"""An API server asks for a pause of a few seconds; a proxy that asks for an hour is not obeyed."""

T = TypeVar("T")


class Patience:
    """Tries requests again, and remembers when the API server was last away."""

    def __init__(self, limit_s: float = math.inf) -> None:
        """`limit_s` is how many seconds one request may go without an answer."""
        self._limit_s = limit_s
        self._last_absence_s = -math.inf
        self._outage_began_s: float | None = None
        """None while the API server answers."""

    async def until_answered(self, send: Callable[[], Awaitable[T]]) -> T:
        """Call `send` until it returns, with pauses that grow, and return what it returned.

        Raises what `send` raised where waiting does not help. Once `limit_s` seconds have passed,
        raises the last error that was heard: Unavailable where the API server was away.
        """
        began_s = anyio.current_time()
        heard: KubeError | None = None
        with anyio.move_on_after(self._limit_s):
            for attempts in count(1):
                try:
                    answer = await send()
                except KubeError as error:
                    if not self._may_pass(error, began_s):
                        raise
                    heard = error
                else:
                    self._note_return()
                    return answer
                if attempts > 1:
                    self._note_outage(heard)
                await anyio.sleep(_pause_s(heard, attempts))
        if heard and not isinstance(heard, Unavailable):
            raise heard
        last_word = heard or "nothing came back"
        raise Unavailable(f"the API server gave no answer for {self._limit_s:g} s ({last_word})")

    def _may_pass(self, error: KubeError, began_s: float) -> bool:
        """Whether the same request may succeed later without anybody doing anything."""
        now_s = anyio.current_time()
        if isinstance(error, Unavailable):
            self._last_absence_s = now_s
            return True
        warming_up = now_s - self._last_absence_s < WARM_UP_S
        if isinstance(error, ServerError):
            return warming_up or now_s - began_s < SERVER_ERROR_PATIENCE_S
        return warming_up and isinstance(error, Forbidden | NotServed)

    def _note_outage(self, error: KubeError) -> None:
        """Log one line when an outage begins to be felt, however many requests feel it."""
        if self._outage_began_s is None:
            self._outage_began_s = anyio.current_time()
            logger.warning("The API server is not answering (%s); trying on.", error)

    def _note_return(self) -> None:
        if self._outage_began_s is not None:
            took_s = anyio.current_time() - self._outage_began_s
            logger.info("The API server answers again, after %.0f s.", took_s)
            self._outage_began_s = None


def _pause_s(error: KubeError, attempts: int) -> float:
    """Seconds until the next try: full jitter, and no less than the API server asked for."""
    cap_s = min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempts - 1, DOUBLINGS_MAX))
    asked_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return max(random.uniform(0, cap_s), min(asked_s or 0.0, ASKED_S_MAX))  # noqa: S311
