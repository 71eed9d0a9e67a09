"""A provider that turns everything down: who waits, who tries, and what that costs."""

from typing import Any

import anyio
import pytest

from capscan.core.errors import ProviderUnusable, RequestRejected
from tests import virtual
from tests.inference.accounts.keepers import Case, case_without_sockets, faulty

pytestmark = pytest.mark.anyio

NAMES = [f"widgets{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class Scan:
    """Asks about each CRD, so many at once, and comes again as long as the provider is unusable."""

    def __init__(self, one: Case, parallelism: int = 10) -> None:
        self.one = one
        self.parallelism = parallelism
        self.pending = list(NAMES)
        self.failed: list[str] = []
        self.said = ""

    async def run(self) -> None:
        while self.pending:
            async with anyio.create_task_group() as group:
                left = iter(list(self.pending))
                for _ in range(self.parallelism):
                    group.start_soon(self.work, left)
            await anyio.sleep(1.0)

    async def work(self, left: Any) -> None:
        for name in left:
            try:
                await self.one.ask(name)
            except RequestRejected:
                self.failed.append(name)
            except ProviderUnusable as fault:
                self.said = str(fault)
                return
            self.pending.remove(name)


@pytest.mark.parametrize("parallelism", [2, 4, 10, 64])
async def test_a_provider_that_refuses_everything_is_asked_six_times_in_a_minute(
    parallelism: int,
) -> None:
    """No CRD fails of it, and all are asked once it is mended."""
    async with (
        case_without_sockets(faulty("status", status=400)) as one,
        anyio.create_task_group() as group,
    ):
        scan = Scan(one, parallelism)
        group.start_soon(scan.run)
        await anyio.sleep(60)

        assert one.sent <= 6
        assert scan.failed == []
        assert "turns down one question after another" in scan.said
        assert one.sink.ready == ("False", "QuestionsRefused")

        await anyio.sleep(1800)
        assert one.sent <= 12
        await one.server.change(faults=[])
        await anyio.sleep(700)
        assert (scan.pending, scan.failed) == ([], [])
        assert one.sink.ready == ("True", "Usable")
        group.cancel_scope.cancel()


@pytest.mark.parametrize("parallelism", [2, 4, 10])
async def test_a_provider_that_begins_to_refuse_everything_fails_no_crd(parallelism: int) -> None:
    async with (
        case_without_sockets() as one,
        anyio.create_task_group() as group,
    ):
        scan = Scan(one, parallelism)
        await one.server.change(latency={"mean_s": 1.0})
        group.start_soon(scan.run)
        await anyio.sleep(1.5)
        answered = one.sent
        await one.server.change(faults=[{"kind": "status", "status": 422}])
        await anyio.sleep(60)

        assert one.sent <= answered + parallelism + 3
        assert scan.failed == []
        await one.server.change(faults=[])
        await anyio.sleep(120)
        assert (scan.pending, scan.failed) == ([], [])
        group.cancel_scope.cancel()


async def test_crds_that_are_refused_in_a_row_fail_alone_where_others_are_answered() -> None:
    refused = faulty("status", status=400, names="widgets[abc].*")
    async with case_without_sockets(refused) as one:
        scan = Scan(one)
        with anyio.move_on_after(600):
            await scan.run()

        assert len(one.slot.usages) >= len(NAMES)
        assert set(scan.failed) == {"widgetsa", "widgetsb", "widgetsc"}
