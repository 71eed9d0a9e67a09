"""The port: reads requests, waits as long as the service has planned, writes, keeps the ledger.

POST /_control takes a Behaviour's fields and changes those, GET /_control tells them all,
GET /_ledger tells every call.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

import anyio
from aiohttp import web
from pydantic import ValidationError

from tests.modelserver import transport
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.ledger import Call, Ledger
from tests.modelserver.service import Incoming, Plan, Service

HOST = "127.0.0.1"


class ModelServer:
    """`async with` it; it answers on `url` as long as the block lasts."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.port = port
        self.ledger = ledger or Ledger()
        self._tls = tls
        self._started_at = time.monotonic()
        self._service = Service(behaviour or Behaviour(), self._started_at)
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        self._refusing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The address without a path. It is Anthropic's base URL; OpenAI's has /v1 behind it."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

    @property
    def behaviour(self) -> Behaviour:
        return self._service.behaviour

    async def change(self, **fields: Any) -> None:
        """Behave like this from now on: all fields as they were but these, every count anew.

        Raises pydantic's ValidationError on anything a Behaviour does not know.
        """
        told = self.behaviour.model_dump() | fields
        behaviour = Behaviour.model_validate(told)
        await self._listen_always()
        self._service.change(behaviour, time.monotonic())
        self._refuse_in_time()

    async def start(self) -> None:
        """Listen; a port of 0 becomes one that is free."""
        app = web.Application(client_max_size=0)
        app.router.add_get("/_ledger", self._tell_ledger)
        app.router.add_get("/_control", self._tell_behaviour)
        app.router.add_post("/_control", self._control)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0, handler_cancellation=True
        )
        await self._runner.setup()
        await self._listen()
        self._refuse_in_time()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._refusing:
            self._refusing.cancel()
        if self._runner:
            self._abort_connections()
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.stop()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        incoming = Incoming(request.method, request.path, request.headers, body)
        with self._recorded(request) as call:
            try:
                transport.check(request)
                return await self._planned(request, incoming, call)
            except transport.Cut:
                pass
            except ConnectionError:
                call.disconnected = True
        return web.Response()  # for a connection that is closed: it goes nowhere

    async def _planned(
        self, request: web.Request, incoming: Incoming, call: Call
    ) -> web.StreamResponse:
        plan = self._service.take(incoming, call, time.monotonic(), datetime.now(UTC))
        try:
            return await self._out(request, call, plan)
        finally:
            self._service.done(plan, time.monotonic())

    async def _out(self, request: web.Request, call: Call, plan: Plan) -> web.StreamResponse:
        if plan.wait_s:
            await anyio.sleep(plan.wait_s)
        response = await transport.write(request, plan.reply, plan.fault)
        call.status, call.whole = response.status, True
        # Before it is out: whatever a client has seen is in the ledger, also after a kill -9.
        self._close(call)
        if not response.prepared:
            await response.prepare(request)
            await response.write_eof()
        return response

    @contextmanager
    def _recorded(self, request: web.Request) -> Iterator[Call]:
        call = Call(time.monotonic() - self._started_at, request.path)
        self.ledger.calls.append(call)
        try:
            yield call
        except asyncio.CancelledError:
            call.disconnected = True
            raise
        finally:
            if not call.whole:
                self._close(call)

    def _close(self, call: Call) -> None:
        call.latency_s = time.monotonic() - self._started_at - call.at_s
        self.ledger.close(call)

    async def _listen(self) -> None:
        assert self._runner
        self._site = web.TCPSite(self._runner, HOST, self.port, ssl_context=self._tls)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    async def _listen_always(self) -> None:
        """Listen from now on, and drop the plan to refuse connections."""
        if self._refusing:
            self._refusing.cancel()
            self._refusing = None
        if self._runner and not self._site:
            await self._listen()

    def _refuse_in_time(self) -> None:
        if any(outage.how == "refuse" for outage in self.behaviour.outages):
            self._refusing = asyncio.create_task(self._refuse())

    async def _refuse(self) -> None:
        """Close the port while an outage says so."""
        began_at = time.monotonic()
        for outage in sorted(self.behaviour.outages, key=lambda outage: outage.at_s):
            if outage.how != "refuse" or not self._site:
                continue
            await anyio.sleep(began_at + outage.at_s - time.monotonic())
            site, self._site = self._site, None
            await site.stop()
            self._abort_connections()
            await anyio.sleep(began_at + outage.at_s + outage.for_s - time.monotonic())
            await self._listen()

    def _abort_connections(self) -> None:
        assert self._runner
        for connection in self._runner.server.connections if self._runner.server else ():
            connection.force_close()

    async def _control(self, request: web.Request) -> web.Response:
        try:
            await self.change(**await request.json())
        except (TypeError, ValueError, ValidationError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return await self._tell_behaviour(request)

    async def _tell_behaviour(self, _: web.Request) -> web.Response:
        return web.json_response(self.behaviour.model_dump(mode="json"))

    async def _tell_ledger(self, _: web.Request) -> web.Response:
        return web.json_response(self.ledger.to_json())
