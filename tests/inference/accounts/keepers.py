"""One InferenceProvider at work against a model server that behaves badly."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio

from capscan.core.answer.question import Question
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import MissingPermission
from capscan.core.notice import Notice
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.allowance import Allowance
from capscan.inference.accounts.connection import Connections
from capscan.inference.accounts.keeper import AccountKeeper
from capscan.model import InferenceProvider, ProviderStatus, SecretKeyRef, Usage
from capscan.model.api_key import ApiKey, KeyBounds
from tests import virtual
from tests.builders import crd
from tests.fakes import FreeSlot, flight
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.faults import Fault
from tests.modelserver.in_process import InProcessServer
from tests.modelserver.server import ModelServer

KEY = "sk-right"
MODELS = {"Anthropic": "claude-haiku-4-5", "OpenAI": "gpt-5-mini"}
WIDGETS = digest_crd(parse_crd(crd("widgets", group="example.com")))
UNTIL_S = 30.0


class Sink:
    """The status of one provider, with every version that it ever had."""

    def __init__(self) -> None:
        self.versions: list[ProviderStatus] = []
        self.updates = 0
        """How often somebody brought it up to date, with a change or without."""
        self.refused: MissingPermission | None = None

    def observe(self, seen: InferenceProvider) -> bool:  # noqa: ARG002
        return True

    async def update(self, render: Callable[[ProviderStatus], ProviderStatus]) -> bool:
        self.updates += 1
        if self.refused:
            raise self.refused
        before = self.versions[-1] if self.versions else ProviderStatus()
        if (wanted := render(before)) != before:
            self.versions.append(wanted)
        return wanted != before

    @property
    def ready(self) -> tuple[str, str]:
        """Status and reason of the condition, as they are now; empty before there is a status."""
        conditions = self.versions[-1].conditions if self.versions else None
        return (conditions[0].status, conditions[0].reason) if conditions else ("", "")


@dataclass
class Secret:
    """What is read where the key of a provider is kept; reading takes a moment."""

    keys: list[str | Exception]
    """The last one is read."""
    bounds: KeyBounds | None = None
    """What its annotations allow."""
    reads: int = 0
    _next: anyio.Event = field(default_factory=anyio.Event)

    async def until_read(self, times: int = 1) -> None:
        """Wait until somebody begins to read it for so many a time."""
        while self.reads < times:
            await self._next.wait()

    async def read(self, _: SecretKeyRef) -> ApiKey:
        key = self.keys[-1]
        self.reads += 1
        begun, self._next = self._next, anyio.Event()
        begun.set()
        await anyio.sleep(0.05)
        if isinstance(key, Exception):
            raise key
        return ApiKey(key, "capscan-system/key", self.bounds)


@dataclass
class Case:
    """One provider, its Secret, and the slot that its questions come from."""

    server: ModelServer | InProcessServer
    account: Account
    keeper: AccountKeeper
    sink: Sink
    secret: Secret
    notices: list[Notice]
    deleted: anyio.Event = field(default_factory=anyio.Event)
    slot: FreeSlot = field(default_factory=FreeSlot)

    async def ask(
        self,
        name: str = "widgets",
        broke_at_s: float = math.inf,
        *,
        scan: str = "all",
        run: str = "r1",
        wait: bool = True,
    ) -> Usage:
        """Ask about one CRD; return what the answer cost."""
        body = parse_crd(crd(name, group="example.com"))
        question = Question(digest_crd(body), scan, 1, run, broke_at_s)
        completion = await self.keeper.complete(question, flight(self.slot), wait_while_open=wait)
        assert completion.analysis.capabilities
        return completion.usage

    @property
    def sent(self) -> int:
        """Questions that reached the server, refused ones too."""
        return self.server.ledger.count(
            lambda call: call.path.endswith(("/messages", "/chat/completions"))
        )

    @property
    def looks(self) -> int:
        """Free checks that reached the server and were answered."""
        return self.server.ledger.count(lambda call: "/models" in call.path and call.status > 0)

    async def until_ready(self, status: str, reason: str) -> None:
        """Wait until the condition Ready has this status and reason."""
        await until(lambda: self.sink.ready == (status, reason))

    async def keep(self) -> None:
        """Run the keeper until the provider is deleted."""
        async with anyio.create_task_group() as life:
            life.start_soon(self.keeper.run)
            await self.deleted.wait()
            life.cancel_scope.cancel()


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again until it holds. Raises TimeoutError after UNTIL_S."""
    with anyio.fail_after(UNTIL_S):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


def provider(url: str, generation: int = 1, **spec: Any) -> InferenceProvider:
    protocol = spec.get("protocol", "Anthropic")
    plain = {"protocol": protocol, "model": MODELS[protocol], "baseURL": f"{url}/v1"}
    return InferenceProvider.from_wire(
        {
            "metadata": {"name": "model", "uid": "u1", "generation": generation},
            "spec": plain | {"apiKeySecretRef": {"name": "key"}} | spec,
        }
    )


@asynccontextmanager
async def case(
    behaviour: Behaviour | None = None, *, left: ProviderStatus | None = None, **spec: Any
) -> AsyncIterator[Case]:
    """A provider that is asked over real HTTP; `left` is the status that an earlier one left."""
    async with (
        ModelServer(_keyed(behaviour)) as server,
        _case(server, Connections(), left, spec) as one,
    ):
        yield one


@asynccontextmanager
async def case_without_sockets(
    behaviour: Behaviour | None = None,
    *,
    left: ProviderStatus | None = None,
    now: Callable[[], datetime] = virtual.now,
    **spec: Any,
) -> AsyncIterator[Case]:
    """A provider for virtual time."""
    server = InProcessServer(_keyed(behaviour))
    async with _case(server, Connections(server), left, spec, now) as one:
        yield one


def faulty(kind: str, **fields: Any) -> Behaviour:
    return Behaviour(faults=(Fault.model_validate({"kind": kind, **fields}),))


def _keyed(behaviour: Behaviour | None) -> Behaviour:
    plain = behaviour or Behaviour()
    return plain.model_copy(update={"keys": plain.keys or (KEY,)})


@asynccontextmanager
async def _case(
    server: ModelServer | InProcessServer,
    connections: Connections,
    left: ProviderStatus | None,
    spec: dict[str, Any],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Case]:
    seen = provider(server.url, **spec).model_copy(update={"status": left or ProviderStatus()})
    secret, sink, notices = Secret([KEY]), Sink(), list[Notice]()
    allowance = Allowance("model", seen.spec, seen.status, now)
    account = Account("model", seen.spec, connections, secret.read, allowance)
    keeper = AccountKeeper(
        seen,
        account,
        sink,
        on_change=lambda _: None,
        tell=lambda _, notice: notices.append(notice),
        look_around=str,
        now=now,
    )
    one = Case(server, account, keeper, sink, secret, notices)
    async with anyio.create_task_group() as group:
        group.start_soon(one.keep)
        yield one
        group.cancel_scope.cancel()
