"""The fake without sockets: what an HTTP client sends goes straight to the service.

For tests in virtual time. Faults of a connection need one: for those there is `server.py`.
"""

from typing import Any

import anyio
import httpx2

from tests import virtual
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.ledger import Call, Ledger
from tests.modelserver.service import Incoming, Service


class InProcessServer(httpx2.AsyncBaseTransport):
    """Replaces the network of a client; its clock is the event loop's."""

    url = "http://models.invalid"

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self.ledger = Ledger()
        self._service = Service(behaviour or Behaviour(), 0.0)

    async def change(self, **fields: Any) -> None:
        """Behave like this from now on, as ModelServer.change does."""
        told = self._service.behaviour.model_dump() | fields
        self._service.change(Behaviour.model_validate(told), anyio.current_time())

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        incoming = Incoming(request.method, request.url.path, request.headers, body)
        call = Call(anyio.current_time(), incoming.path)
        self.ledger.calls.append(call)
        plan = self._service.take(incoming, call, call.at_s, virtual.now())
        assert plan.fault is None, f"{plan.fault.kind} happens to a connection"
        try:
            await anyio.sleep(plan.wait_s)
        finally:
            self._service.done(plan, anyio.current_time())
        call.status, call.whole = plan.reply.status, True
        headers = {"content-type": plan.reply.content_type} | plan.reply.headers
        return httpx2.Response(plan.reply.status, headers=headers, content=plan.reply.content)
