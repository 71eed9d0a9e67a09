"""/livez and /readyz: whether to restart the operator, and whether it is doing its job.

Both answer from a `Health` that the watch keeps current. Live means that both event loops turn; an
absent API server is no reason to restart. The web server is in `server.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

LOOP_AGE_MAX_S = 60.0


@dataclass(slots=True)
class Health:
    """What the probes tell; times are of the event loop's clock, in seconds."""

    clock: Callable[[], float]
    watch_loop_seen_s: float | None = None
    """When the watch's event loop last turned; None while there is none."""
    ready: bool = False
    reason: str = "starting"

    def beat(self) -> None:
        """Note that the watch's event loop turns."""
        self.watch_loop_seen_s = self.clock()

    @property
    def live(self) -> bool:
        """Whether both event loops turn; that this one does is shown by answering at all."""
        seen_s = self.watch_loop_seen_s
        return seen_s is None or self.clock() - seen_s < LOOP_AGE_MAX_S


@dataclass(frozen=True, slots=True)
class Probes:
    """The door that the kubelet asks at. Implements `server.Door`."""

    health: Health

    def routes(self) -> list[web.RouteDef]:
        """Return /livez and /readyz."""
        return [web.get("/livez", self._livez), web.get("/readyz", self._readyz)]

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self.health.live, "the watch's event loop is stuck")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self.health.ready, self.health.reason)


def _answer(good: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if good else f"{otherwise}\n", status=200 if good else 503)
