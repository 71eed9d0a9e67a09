"""Keeping credentials fresh, in virtual time."""

import asyncio
import time
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from capscan.core.kube_errors import NoCluster, Unavailable
from capscan.kube.credentials import Credentials
from capscan.kube.login import Login
from tests import virtual

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Callable[[], asyncio.AbstractEventLoop]]]:
    return virtual.BACKEND


class Source:
    """Gives credentials, or fails where it says so; each is another object."""

    def __init__(self, *, lasting: bool = False) -> None:
        self.fault = ""
        self.reads_at_s: list[float] = []
        self.lasting = lasting

    async def load(self) -> Credentials:
        self.reads_at_s.append(anyio.current_time())
        await anyio.lowlevel.checkpoint()
        if self.fault:
            raise NoCluster(self.fault)
        # By the wall clock they have always ended already.
        return Credentials("https://h", "Bearer w", stale_at=0.0, is_lasting=self.lasting)


async def test_stale_credentials_that_cannot_be_read_again_are_never_handed_out() -> None:
    """The plugin is not started for each request either: the pauses grow."""
    source = Source()
    login = Login(source.load)
    first = await login.first()
    source.fault = "the session has ended"
    for _ in range(600):
        with pytest.raises(Unavailable, match="the session has ended"):
            await login.current()
        await anyio.sleep(0.1)
    assert len(source.reads_at_s) <= 8

    source.fault = ""
    await anyio.sleep(30)
    assert await login.current() is not first


async def test_credentials_that_last_are_used_on_where_they_cannot_be_read_again() -> None:
    source = Source(lasting=True)
    login = Login(source.load)
    first = await login.first()
    source.fault = "the file is being written"

    for _ in range(3):
        assert await login.current() is first
        await anyio.sleep(60)


async def test_many_that_are_refused_at_once_make_one_renewal() -> None:
    source = Source()
    login = Login(source.load)
    first = await login.first()

    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(login.refused, first)
    assert len(source.reads_at_s) == 2


async def test_credentials_that_are_refused_again_and_again_are_read_in_growing_pauses() -> None:
    source = Source()
    login = Login(source.load)
    credentials = await login.first()
    while anyio.current_time() < 120:
        try:
            await login.refused(credentials)
        except Unavailable:
            await anyio.sleep(0.2)
        else:
            credentials = await login.current()
    assert len(source.reads_at_s) < 14


async def test_credentials_that_are_not_stale_are_read_once() -> None:
    reads = 0

    async def load() -> Credentials:
        nonlocal reads
        reads += 1
        return Credentials("https://h", stale_at=time.time() + 3600)

    login = Login(load)
    first = await login.first()
    for _ in range(5):
        assert await login.current() is first
    assert reads == 1
