"""Two scans over the same CRDs that ask different providers: the last one to write wins."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from capscan.model import Phase
from capscan.scan.controller import ScanController
from capscan.scan.following import Following
from capscan.scan.ports import Identity
from tests import fakes
from tests.fake_cluster import FakeCrds, FakeNews, FakeStatus, FakeStore, ports
from tests.fakes import FakeProvider, crd

pytestmark = pytest.mark.anyio

HOUR_S = 3600.0


class Both:
    """Two controllers of one operator, over ten CRDs and one store."""

    def __init__(self, **spec: Any) -> None:
        self.crds = FakeCrds.of(10)
        self.store = FakeStore()
        self.news = FakeNews()
        self.providers = [FakeProvider(delay_s=1.0), FakeProvider(delay_s=1.3)]
        self.sinks = []
        for name, provider in zip(("one", "two"), self.providers, strict=True):
            provider.identity = name
            scan = fakes.scan({"parallelism": 2, **spec}, name=name, uid=name)
            self.sinks.append(FakeStatus(scan))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        following = Following(self.news)
        async with anyio.create_task_group() as group:
            group.start_soon(following.run)
            for sink, provider in zip(self.sinks, self.providers, strict=True):
                these = ports(self.crds, self.store, provider, follow=following)
                name = sink.scan.metadata.name
                tokens = iter(f"{name}{n}" for n in range(99))
                identity = Identity("me", lambda tokens=tokens: next(tokens))  # type: ignore[misc]
                controller = ScanController(sink.scan, sink, these, identity)
                sink.on_write = controller.observe
                group.start_soon(controller.run)
            yield
            group.cancel_scope.cancel()

    @property
    def asked(self) -> list[int]:
        return [provider.asked.total() for provider in self.providers]


async def test_each_of_two_scans_asks_once_and_comes_to_rest() -> None:
    both = Both()
    async with both.at_work():
        await anyio.sleep(60)
        versions = [len(sink.versions) for sink in both.sinks]
        await anyio.sleep(HOUR_S)

    assert [sink.status.phase for sink in both.sinks] == [Phase.COMPLETED] * 2
    assert both.asked == [10, 10]
    assert [len(sink.versions) for sink in both.sinks] == versions
    # The slower one wrote last.
    assert {entry.run_id for entry in both.store.written[-2:]} == {"two0"}


async def test_two_following_scans_come_to_rest_after_each_change() -> None:
    """A look at the cluster shows each the other's answers, and it asks about those; but no answer
    is news, so that ends.
    """
    both = Both(follow=True)
    async with both.at_work():
        await anyio.sleep(60)
        first = both.asked
        await anyio.sleep(HOUR_S)
        assert both.asked == first

        both.crds.add(crd("added.example.com"))
        both.news.change()
        await anyio.sleep(120)
        second = both.asked
        await anyio.sleep(HOUR_S)

    assert both.asked == second
    assert max(first) <= 2 * 10
    assert all(new - old <= 11 for old, new in zip(first, second, strict=True))
    assert [sink.status.phase for sink in both.sinks] == [Phase.COMPLETED] * 2
