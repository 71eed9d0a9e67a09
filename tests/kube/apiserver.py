"""A loopback server that plays the API server's answers, one after the other."""

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings


@dataclass(frozen=True)
class Seen:
    """One request as the server got it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Handler = Callable[[Seen], Awaitable[web.Response]]


def ok(body: Any = None) -> web.Response:
    """Return an answer 200 with JSON."""
    return web.json_response({} if body is None else body)


def refusal(status: int, message: str = "no", *, name: str = "x", **headers: str) -> web.Response:
    """Return a refusal with a Status object, as the API server sends it."""
    body = {"kind": "Status", "code": status, "message": message, "details": {"name": name}}
    return web.json_response(body, status=status, headers=headers)


@dataclass
class ApiServer:
    """Answers with `script` until that is used up, then by `handler`."""

    kubeconfig: Path
    script: list[web.Response] = field(default_factory=list)
    handler: Handler | None = None
    seen: list[Seen] = field(default_factory=list)
    port: int = 0
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Be away."""
        if self._runner:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        text = await request.text()
        body = json.loads(text) if text else None
        query, headers = dict(request.query), dict(request.headers)
        one = Seen(request.method, request.path, query, headers, body)
        self.seen.append(one)
        if self.script:
            return self.script.pop(0)
        return await self.handler(one) if self.handler else ok()

    def login(self, **user: Any) -> None:
        """Write the kubeconfig, with this user."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))


@asynccontextmanager
async def serving(
    folder: Path, *, patience_s: float = math.inf
) -> AsyncIterator[tuple[ApiServer, KubeClient]]:
    """The server, and a client of that patience that is connected to it."""
    server = ApiServer(folder / "kubeconfig")
    await server.start()
    server.login(token="first")
    settings = ClusterSettings(kubeconfig=str(server.kubeconfig))
    client = KubeClient(settings, patience_s=patience_s)
    try:
        await client.connect()
        yield server, client
    finally:
        await client.close()
        await server.stop()
