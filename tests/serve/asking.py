"""What is served, asked over a socket."""

from contextlib import AbstractAsyncContextManager

import aiohttp

from capscan.serve import server
from capscan.serve.server import Door


def serving(*doors: Door, port: int = 0) -> AbstractAsyncContextManager[int]:
    """Serve these doors; yields the port, a free one for 0."""
    return server.serving(doors, port, setting="probePort")


async def ask(port: int, path: str) -> tuple[int, str]:
    """Return the status and the text of an answer."""
    url = f"http://127.0.0.1:{port}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()
