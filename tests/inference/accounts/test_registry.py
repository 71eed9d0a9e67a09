"""Providers that name each other, over a model server that answers over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import InferenceError, ProviderUnusable
from capscan.inference.accounts.registry import Accounts
from capscan.model import Completion, InferenceProvider, ObjectMeta, SecretKeyRef
from capscan.model.api_key import ApiKey
from tests.builders import crd
from tests.fakes import flight
from tests.inference.accounts.keepers import Sink, until
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.server import ModelServer

pytestmark = pytest.mark.anyio

WAIT_S = 5.0


@dataclass
class Site:
    """A few InferenceProviders, and what their status says."""

    accounts: Accounts
    server: ModelServer
    sinks: dict[str, Sink]

    def apply(self, name: str, fallback: str = "", generation: int = 1, **more: Any) -> None:
        spec = {
            "protocol": "Anthropic", "model": "claude-haiku-4-5", "baseURL": self.server.url, **more
        }  # fmt: skip
        ref = {"fallbackRef": {"name": fallback}} if fallback else {}
        metadata = {"name": name, "uid": name, "generation": generation}
        self.accounts.observe(
            InferenceProvider.from_wire({"metadata": metadata, "spec": spec | ref})
        )

    async def until(self, name: str, status: str, said: str) -> None:
        """Wait until its Ready has this status, and says so."""
        await until(lambda: self.says(name, status, said))

    def says(self, name: str, status: str, said: str) -> bool:
        versions = self.sinks[name].versions if name in self.sinks else []
        ready = versions[-1].conditions[0] if versions and versions[-1].conditions else None
        return ready is not None and ready.status == status and said in ready.message

    async def ask(self, name: str, scan: str = "all", **labels: str) -> Completion:
        question = Question(digest_crd(parse_crd(crd("widgets", group="example.com"))), scan, 1)
        about = ObjectMeta(name=scan, uid=scan, labels=labels)
        return await (await self.accounts.find(name, about)).complete(question, flight())


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    sinks: dict[str, Sink] = {}

    async def read_key(_: SecretKeyRef) -> ApiKey:
        raise AssertionError

    def sink(seen: InferenceProvider) -> Sink:
        return sinks.setdefault(seen.metadata.name, Sink())

    async with ModelServer(Behaviour()) as server, anyio.create_task_group() as group:
        accounts = Accounts(
            group,
            read_key=read_key,
            sink=sink,
            tell=lambda *_: None,
            now=lambda: datetime.now(UTC),
        )
        yield Site(accounts, server, sinks)
        group.cancel_scope.cancel()


MISSING = "Its fallback spare does not exist."
LOOP = "model -> spare -> model"


async def test_a_fallback_that_is_deleted_is_missed_at_once() -> None:
    async with site() as one:
        one.apply("spare")
        one.apply("model", fallback="spare")
        await one.until("model", "True", "Nothing speaks against it.")
        one.accounts.remove("spare")
        await one.until("model", "True", MISSING)

        one.apply("spare")
        await until(lambda: not one.says("model", "True", MISSING))


async def test_fallbacks_that_become_a_circle_are_refused_until_they_are_none() -> None:
    """They are refused at once, by providers that were not edited too."""
    async with site() as one:
        one.apply("spare")
        one.apply("model", fallback="spare")
        await one.until("model", "True", "")
        await one.until("spare", "True", "")
        one.apply("spare", fallback="model", generation=2)
        await one.until("model", "False", LOOP)
        await one.until("spare", "False", "spare -> model -> spare")
        with pytest.raises(ProviderUnusable, match="circle"):
            await one.ask("model")

        one.apply("spare", generation=3)
        await one.until("model", "True", "")
        assert (await one.ask("model")).provider == "model"


async def test_a_question_that_waits_for_a_provider_that_is_deleted_is_told() -> None:
    """The gate lets nothing through for a day."""
    async with site() as one:
        one.apply("model")
        await one.until("model", "True", "")
        await one.server.change(faults=[{"kind": "status", "status": 429, "retry_after": "86400"}])
        told = anyio.Event()

        async def ask() -> None:
            with pytest.raises(ProviderUnusable, match="There is no InferenceProvider model"):
                await one.ask("model")
            told.set()

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await until(lambda: one.server.ledger.count(lambda call: call.status == 429) > 0)
            one.accounts.remove("model")
            with anyio.fail_after(WAIT_S):
                await told.wait()


ALLOWED = {"names": ["team-a-*", "all"], "matchLabels": {"team": "a"}}


@pytest.mark.parametrize(
    ("scan", "labels"),
    [("team-b", {"team": "a"}), ("team-a-nightly", {}), ("team-a-nightly", {"team": "b"})],
)
async def test_a_scan_that_a_provider_does_not_allow_is_told_what_to_write(
    scan: str, labels: dict[str, str]
) -> None:
    async with site() as one:
        one.apply("model", allowedScans=ALLOWED)
        with pytest.raises(ProviderUnusable, match=r"spec\.providerRef") as refusal:
            await one.ask("model", scan, **labels)

    assert refusal.value.reason == "ScanNotAllowed"
    assert "named team-a-*, all and labelled team=a" in str(refusal.value)


async def test_a_scan_that_is_allowed_by_name_and_labels_is_answered() -> None:
    async with site() as one:
        one.apply("model", allowedScans=ALLOWED)

        assert (await one.ask("model", "team-a-nightly", team="a", more="x")).provider == "model"


async def test_a_scan_loses_its_way_to_a_provider_that_no_longer_allows_it() -> None:
    """An edit of the provider holds for the next question of a run that is at work."""
    async with site() as one:
        one.apply("model")
        about = ObjectMeta(name="all", uid="s1")
        route = await one.accounts.find("model", about)
        question = Question(digest_crd(parse_crd(crd("widgets"))), "all", 1)
        await route.complete(question, flight())
        one.apply("model", generation=2, allowedScans={"names": ["others"]})

        with pytest.raises(ProviderUnusable, match="may be asked by scans named others"):
            await route.complete(question, flight())


@pytest.mark.parametrize(("allowed", "asked"), [("others", False), ("*", True)])
async def test_a_fallback_that_does_not_allow_a_scan_does_not_stand_in_for_it(
    allowed: str, asked: bool
) -> None:
    async with site() as one:
        one.apply("spare", model="qwen3:8b", allowedScans={"names": [allowed]})
        one.apply("model", fallback="spare")
        await one.until("spare", "True", "")
        await one.until("model", "True", "")
        await one.server.change(faults=[{"kind": "status", "status": 503}])

        async def ask() -> None:
            with suppress(InferenceError):
                await one.ask("model")

        with anyio.move_on_after(2.5):
            async with anyio.create_task_group() as group:
                for _ in range(30):
                    group.start_soon(ask)
        await anyio.sleep(2.5)
        spent = one.sinks["spare"].versions[-1].today

    assert (spent is not None) == asked


async def test_nobody_stands_in_for_a_provider_whose_day_is_used_up() -> None:
    """It would be a way around the limit, to a provider that may have none."""
    async with site() as one:
        one.apply("spare", model="qwen3:8b")
        one.apply("model", fallback="spare", limits={"maxTokensPerDay": 100})
        await one.until("spare", "True", "")
        await one.ask("model")
        with anyio.move_on_after(1.0) as waiting:
            await one.ask("model")
        spent = one.sinks["spare"].versions[-1].today
        reasons = {v.conditions[0].reason for v in one.sinks["model"].versions if v.conditions}

    assert waiting.cancelled_caught
    assert "DailyLimitReached" in reasons
    assert spent is None
