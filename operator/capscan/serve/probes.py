"""/livez and /readyz: whether to restart the operator, and whether it is doing its job.

They answer from a `Health` that the application keeps current. Live means that both event loops
turn; an absent API server is no reason to restart.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from capscan.core.errors import WrongSettings

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
        """The watch's event loop turns."""
        self.watch_loop_seen_s = self.clock()

    @property
    def live(self) -> bool:
        """Whether the loops turn; that this one does is shown by answering at all."""
        seen_s = self.watch_loop_seen_s
        return seen_s is None or self.clock() - seen_s < LOOP_AGE_MAX_S


@asynccontextmanager
async def serve_probes(health: Health, port: int) -> AsyncIterator[int]:
    """Serve on all interfaces until the block ends; yields the port, a free one for `port` 0.

    Raises WrongSettings where the port is taken or not allowed.
    """

    async def livez(_: web.Request) -> web.Response:
        return _answer(health.live, "the watch's event loop is stuck")

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.ready, health.reason)

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, None, port)
        try:
            await site.start()
        except OSError as error:
            raise WrongSettings(f"probePort {port} cannot be served: {error.strerror}") from error
        # IPv4's, where there is one: for port 0 each family gets a free port of its own.
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()


def _answer(good: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if good else f"{otherwise}\n", status=200 if good else 503)
