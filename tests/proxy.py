"""A proxy before the API server that counts requests: plain HTTP in, TLS out, streams untouched.

What a component costs the API server is a claim about requests, so it is counted where they pass.
"""

import asyncio
import base64
import contextlib
import re
import ssl
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

GOODBYE_S = 0.3
HOP_BY_HOP = {"host", "connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True, order=True)
class Request:
    """One kind of request: the names of single objects are `{name}`."""

    method: str
    path: str
    watch: bool = False


@dataclass
class CountingProxy:
    """Runs in a thread of its own while the `with` block lasts."""

    kubeconfig: Path
    counts: Counter[Request] = field(default_factory=Counter)
    losing: dict[Request, int] = field(default_factory=dict)
    """For each kind of request a number n: the API server does every n-th one, but its answer never
    arrives.
    """
    lost: int = 0
    authorizations: Counter[str] = field(default_factory=Counter)
    """How often each Authorization came; empty for requests without one."""
    port: int = 0
    """The port to listen on; 0 takes a free one."""
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _ready: threading.Event = field(default_factory=threading.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "CountingProxy":
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        assert self._thread is not None
        self._thread.join(10)

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for the same user, by way of this proxy."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self.port}"}
        path.write_text(yaml.safe_dump(config))
        return path

    def reset(self) -> None:
        """Count from nothing again."""
        self.counts.clear()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        cluster = yaml.safe_load(self.kubeconfig.read_text())["clusters"][0]["cluster"]
        async with aiohttp.ClientSession(
            base_url=cluster["server"],
            connector=aiohttp.TCPConnector(ssl=trusting(cluster), limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
        ) as upstream:

            async def pass_on(request: web.Request) -> web.StreamResponse:
                return await self._pass_on(upstream, request)

            app = web.Application(client_max_size=64 * 2**20)
            app.router.add_route("*", "/{path:.*}", pass_on)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self.port = runner.addresses[0][1]
            self._ready.set()
            await self._stop.wait()
            await runner.cleanup()
        # aiohttp closes TLS connections of watches that were cut off after the session has ended,
        # and offers nothing to wait for: https://docs.aiohttp.org/en/stable/client_advanced.html
        await asyncio.sleep(GOODBYE_S)

    async def _pass_on(
        self, upstream: aiohttp.ClientSession, request: web.Request
    ) -> web.StreamResponse:
        watch = request.query.get("watch") in {"true", "1"}
        kind = Request(request.method, _template(request.path), watch)
        self.counts[kind] += 1
        self.authorizations[request.headers.get("Authorization", "")] += 1
        loses = kind in self.losing and self.counts[kind] % self.losing[kind] == 0
        headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP}
        async with upstream.request(
            request.method, request.rel_url, headers=headers, data=await request.read() or None
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            if loses and request.transport:
                await answer.read()
                self.lost += 1
                request.transport.abort()
            with contextlib.suppress(ConnectionResetError):  # the client has gone: its right
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response


def _template(path: str) -> str:
    """Return the part after group and version, as `capabilities/{name}`."""
    rest = re.sub(r"^/apis/[^/]+/[^/]+/", "", path)
    rest = re.sub(r"^namespaces/[^/]+/", "", rest)
    return re.sub(r"^([^/]+)/[^/]+", r"\1/{name}", rest)


def trusting(cluster: dict[str, Any]) -> ssl.SSLContext:
    """Return a context that trusts the CA of a kubeconfig's cluster."""
    data = base64.b64decode(cluster["certificate-authority-data"]).decode()
    return ssl.create_default_context(cadata=data)
