"""The operator's web server: one listening port, and the doors behind it.

A door knows its own routes and what it answers (`probes.py`). The server knows neither; a new door
is one more entry in the list that `app.py` gives it.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from capscan.core.errors import WrongSettings


class Door(Protocol):
    """Something that is served."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Return its paths, each with what answers there."""
        ...


@asynccontextmanager
async def serving(doors: Iterable[Door], port: int, *, setting: str) -> AsyncIterator[int]:
    """Serve on all interfaces until the block ends; yields the port, a free one for `port` 0.

    Raises WrongSettings, which names the setting, where the port is taken or not allowed.
    """
    app = web.Application()
    for door in doors:
        app.add_routes(door.routes())
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, None, port)
        try:
            await site.start()
        except OSError as error:
            raise WrongSettings(f"{setting} {port} cannot be served: {error.strerror}") from error
        # IPv4's, where there is one: for port 0 each family gets a free port of its own.
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()
