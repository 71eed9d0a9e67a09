"""When a StatusQueue writes."""

from dataclasses import dataclass, field

import anyio
import pytest

from capscan.core.errors import ScanError, StatusRejected
from capscan.scan.status_queue import REFRESH_S, StatusQueue

pytestmark = pytest.mark.anyio


def ignore(_: ScanError) -> None:
    """Take no note of a refusal."""


@dataclass
class Writes:
    """When writes ended; each takes `takes_s`, and sends something or not."""

    takes_s: float = 0.0
    sends: bool = True
    at: list[float] = field(default_factory=list)
    at_once: int = 0
    at_once_max: int = 0

    async def __call__(self) -> bool:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        await anyio.sleep(self.takes_s)
        self.at_once -= 1
        self.at.append(anyio.current_time())
        return self.sends


async def test_many_changes_are_one_write_per_interval() -> None:
    writes = Writes()
    queue = StatusQueue(writes, lambda: 2.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        for _ in range(95):
            queue.touch()
            await anyio.sleep(0.1)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([0, 2, 4, 6, 8])


async def test_a_change_of_phase_is_written_at_once() -> None:
    writes = Writes()
    queue = StatusQueue(writes, lambda: 60.0, ignore)
    await queue.flush()
    await anyio.sleep(1)
    await queue.flush()

    assert writes.at == pytest.approx([0, 1])


async def test_a_hurried_change_does_not_wait_for_the_interval() -> None:
    writes = Writes()
    queue = StatusQueue(writes, lambda: 600.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        queue.touch()
        await anyio.sleep(0.2)
        for _ in range(10):
            queue.hurry()
            await anyio.sleep(0.1)
        queue.touch()
        await anyio.sleep(100)
        queue.hurry()
        await anyio.sleep(1)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([0, 0.7, 1.2, 101.7])


async def test_a_flush_writes_what_was_hurried_too() -> None:
    writes = Writes()
    queue = StatusQueue(writes, lambda: 600.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        queue.touch()
        await anyio.sleep(10)
        queue.hurry()
        await anyio.sleep(0.1)
        await queue.flush()
        await anyio.sleep(10)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([0, 10.1])


async def test_changes_during_a_write_are_written_after_it() -> None:
    writes = Writes(takes_s=5)
    queue = StatusQueue(writes, lambda: 2.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        queue.touch()
        await anyio.sleep(1)
        queue.touch()
        await anyio.sleep(14)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([5, 12])


async def test_two_writes_are_never_under_way_at_once() -> None:
    writes = Writes(takes_s=5)
    queue = StatusQueue(writes, lambda: 0.1, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        for _ in range(4):
            group.start_soon(queue.flush)
            queue.touch()
            await anyio.sleep(1)
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert writes.at_once_max == 1
    assert len(writes.at) >= 5


async def test_a_new_interval_counts_at_once() -> None:
    writes = Writes()
    interval_s = 60.0
    queue = StatusQueue(writes, lambda: interval_s, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        queue.touch()
        await anyio.sleep(1)
        interval_s = 3.0
        queue.touch()
        await anyio.sleep(9)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([0, 3])


async def test_what_only_time_changes_is_rendered_now_and_then_while_a_run_is_at_work() -> None:
    writes = Writes(sends=False)
    queue = StatusQueue(writes, lambda: 2.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        with queue.refreshing():
            await anyio.sleep(3.5 * REFRESH_S)
        await anyio.sleep(100 * REFRESH_S)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([REFRESH_S, 2 * REFRESH_S, 3 * REFRESH_S])


async def test_a_write_that_sent_nothing_delays_nothing() -> None:
    writes = Writes(sends=False)
    queue = StatusQueue(writes, lambda: 60.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        for _ in range(3):
            queue.touch()
            await anyio.sleep(1)
        group.cancel_scope.cancel()

    assert writes.at == pytest.approx([0, 1, 2])


async def test_an_edit_ends_the_waiting_for_a_write_that_is_refused() -> None:
    """It is tried once more, in case the edit has mended it."""
    refused: list[float] = []

    async def write() -> bool:
        raise StatusRejected("no")

    queue = StatusQueue(write, lambda: 2.0, lambda _: refused.append(anyio.current_time()))
    written: list[bool] = []

    async def flush() -> None:
        written.append(await queue.flush())

    async with anyio.create_task_group() as group:
        group.start_soon(flush)
        await anyio.sleep(100.5)
        before = len(refused)
        queue.overtake()
        await anyio.sleep(0.1)

    assert written == [False]
    assert before == 6
    assert refused[before:] == [100.5]


async def test_what_an_edit_ended_the_waiting_for_is_written_later() -> None:
    refusals = [StatusRejected("no")] * 4
    written: list[float] = []

    async def write() -> bool:
        if refusals:
            raise refusals.pop()
        written.append(anyio.current_time())
        return True

    queue = StatusQueue(write, lambda: 2.0, ignore)
    async with anyio.create_task_group() as group:
        group.start_soon(queue.run)
        queue.touch()
        await anyio.sleep(1)
        queue.overtake()
        await anyio.sleep(60)
        group.cancel_scope.cancel()

    assert len(written) == 1
