"""Large CRDs are digested in processes beside the operator, which are watched and bounded."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from capscan.core.crd.digested import digest_bytes
from capscan.core.errors import DigestFailed
from capscan.workers.digesting import INLINE_BYTES_MAX, WORKER_ITEMS_MAX, DigestWorkers
from tests.builders import crd, wide

pytestmark = pytest.mark.anyio

SMALL = json.dumps(crd("gadgets")).encode()
LARGE = json.dumps(crd(schema=wide(INLINE_BYTES_MAX))).encode()
VERY_LARGE = json.dumps(crd(schema=wide(1_500_000))).encode()


def children() -> set[int]:
    """Return the ids of the processes that this one has started and that still run."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(child) for task in tasks for child in task.read_text().split()}


async def until(accept: Callable[[], bool]) -> None:
    """Wait until it is so."""
    with anyio.fail_after(60):
        while not accept():  # noqa: ASYNC110 (processes tell nobody)
            await anyio.sleep(0.01)


@pytest.fixture
def before() -> set[int]:
    """The processes that were there before the test."""
    return children()


@pytest.mark.parametrize("raw", [SMALL, LARGE, VERY_LARGE], ids=["small", "large", "very large"])
async def test_the_digest_is_the_same_wherever_it_is_made(raw: bytes) -> None:
    async with DigestWorkers() as workers:
        assert await workers.digest(raw) == digest_bytes(raw)


async def test_no_process_is_started_for_a_small_crd(before: set[int]) -> None:
    async with DigestWorkers() as workers:
        await workers.digest(SMALL)

        assert children() == before


async def test_workers_are_few_and_used_again(before: set[int]) -> None:
    async with DigestWorkers() as workers:
        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(workers.digest, LARGE)

        assert 1 <= len(children() - before) <= 2
    assert children() == before


async def test_a_crd_that_runs_out_of_time_fails_alone(before: set[int]) -> None:
    """Its worker is killed, and another one takes the next CRD."""
    async with DigestWorkers(timeout_s=0.001) as hurried:
        with pytest.raises(DigestFailed, match=r"within 0\.001 s \(the CRD has 1\d{6} bytes\)"):
            await hurried.digest(VERY_LARGE)

        assert children() == before
        assert (await hurried.digest(SMALL)).crd.plural == "gadgets"


async def _kill_workers(times: int, before: set[int]) -> None:
    killed = set(before)
    for _ in range(times):
        await until(lambda: bool(children() - killed))
        for worker in children() - killed:
            os.kill(worker, signal.SIGKILL)
            killed.add(worker)


async def test_a_crd_whose_worker_died_is_tried_once_more(
    before: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    async with DigestWorkers() as workers, anyio.create_task_group() as group:
        group.start_soon(_kill_workers, 1, before)
        assert await workers.digest(LARGE) == digest_bytes(LARGE)

    assert "a worker died over a CRD" in caplog.text


async def test_a_crd_that_kills_two_workers_is_named(before: set[int]) -> None:
    async with DigestWorkers() as workers, anyio.create_task_group() as group:
        group.start_soon(_kill_workers, 2, before)
        with pytest.raises(DigestFailed, match="died over it, 2 times"):
            await workers.digest(LARGE)

        assert await workers.digest(LARGE) == digest_bytes(LARGE)


async def test_nobody_is_left_after_a_run_is_cancelled(before: set[int]) -> None:
    """The process that was at work is killed; nobody reads its answer."""
    async with DigestWorkers() as workers:
        async with anyio.create_task_group() as group:
            group.start_soon(workers.digest, VERY_LARGE)
            await until(lambda: children() != before)
            group.cancel_scope.cancel()

        assert children() == before
        assert await workers.digest(LARGE) == digest_bytes(LARGE)
    assert children() == before


async def test_a_worker_that_has_done_many_is_replaced(before: set[int]) -> None:
    """What Python keeps of the largest CRD goes back to the system with the process."""
    async with DigestWorkers() as workers:
        await workers.digest(LARGE)
        first = children() - before
        for _ in range(WORKER_ITEMS_MAX):
            await workers.digest(LARGE)

        assert len(first) == 1
        assert first.isdisjoint(children())


async def test_a_worker_that_rests_is_ended(before: set[int]) -> None:
    async with DigestWorkers(rest_s=0.01) as workers:
        await workers.digest(LARGE)
        await until(lambda: children() == before)

        assert await workers.digest(LARGE) == digest_bytes(LARGE)


async def test_a_worker_says_why_a_crd_cannot_be_digested(before: set[int]) -> None:
    """It stays for the next one."""
    deep = b'{"spec": ' + b"[" * INLINE_BYTES_MAX + b"]" * INLINE_BYTES_MAX + b"}"
    async with DigestWorkers() as workers:
        with pytest.raises(DigestFailed, match="nested too deeply"):
            await workers.digest(deep)
        first = children() - before
        await workers.digest(LARGE)

        assert children() - before == first
