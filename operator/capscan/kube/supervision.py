"""Starts long-running work again after a bug, so that one bug does not stop the operator."""

import logging
from collections.abc import Awaitable, Callable

import anyio

from capscan.core.retry import stepped_s

logger = logging.getLogger(__name__)

RESTART_S = (1.0, 5.0, 30.0, 120.0)
"""Pauses before work that ended by a bug is begun again; the last one repeats."""
HEALTHY_S = 300.0
"""After work has run for so long, the pauses begin with the first one again."""


async def supervised(name: str, run: Callable[[], Awaitable[object]]) -> None:
    """Run `run` until it returns. Each time it raises, log that, pause, and run it again."""
    failures = 0
    while True:
        began_s = anyio.current_time()
        try:
            await run()
        except Exception:
            if anyio.current_time() - began_s > HEALTHY_S:
                failures = 0
            pause_s = stepped_s(RESTART_S, failures)
            logger.exception("%s ended by a bug; it is begun anew in %.0f s", name, pause_s)
            failures += 1
            await anyio.sleep(pause_s)
        else:
            return
