"""A watch of CRDs at work, and the events that the loopback server sends it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from aiohttp import web

from capscan.core.conditions import Stall
from capscan.kube.crd_watch import CrdWatch, MetadataClient
from tests.kube.apiserver import ApiServer, Seen


def meta(name: str, generation: int = 1, version: int = 5, **labels: str) -> dict[str, Any]:
    return {
        "name": name,
        "uid": f"uid-{name}",
        "generation": generation,
        "resourceVersion": str(version),
        "labels": labels,
    }


def events(*lines: tuple[str, dict[str, Any]]) -> web.Response:
    text = "".join(json.dumps({"type": t, "object": o}) + "\n" for t, o in lines)
    return web.Response(text=text)


class Quiet:
    """Holds every watch open until it is over."""

    def __init__(self) -> None:
        self._over = anyio.Event()

    async def __call__(self, _: Seen) -> web.Response:
        await self._over.wait()
        return events()

    async def end(self) -> None:
        self._over.set()
        await anyio.wait_all_tasks_blocked()


class Told:
    """Counts how often a change was told, and keeps the hindrances."""

    def __init__(self) -> None:
        self.times = 0
        self.hindrances: list[Stall | None] = []

    def __call__(self) -> None:
        self.times += 1


@asynccontextmanager
async def watching(client: MetadataClient, server: ApiServer | None = None) -> AsyncIterator[Told]:
    """Run a watch. After its script the server holds the watch open, unless it has a handler."""
    told, quiet = Told(), Quiet()
    if server and server.handler is None:
        server.handler = quiet
    async with anyio.create_task_group() as group:
        group.start_soon(CrdWatch(client).run, told, told.hindrances.append)
        yield told
        group.cancel_scope.cancel()
    await quiet.end()
