"""Liveness and readiness, asked over a socket."""

import aiohttp
import anyio
import pytest

from capscan.serve.probes import LOOP_AGE_MAX_S, Health, serve_probes

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def ask(port: int, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{port}/{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_readiness_says_why_not() -> None:
    health = Health(clock=anyio.current_time)
    async with serve_probes(health, port=0) as port:
        assert await ask(port, "readyz") == (503, "starting\n")
        health.ready = True
        assert await ask(port, "readyz") == (200, "ok\n")
        health.ready, health.reason = False, "the kinds are missing"
        assert await ask(port, "readyz") == (503, "the kinds are missing\n")


async def test_an_operator_that_is_not_ready_is_alive() -> None:
    """To restart it would not bring the API server back."""
    async with serve_probes(Health(clock=anyio.current_time), port=0) as port:
        assert await ask(port, "livez") == (200, "ok\n")


async def test_an_operator_whose_watch_is_stuck_is_not_alive() -> None:
    clock = Clock()
    health = Health(clock=clock, ready=True)
    health.beat()
    async with serve_probes(health, port=0) as port:
        clock.now_s = LOOP_AGE_MAX_S - 1
        assert await ask(port, "livez") == (200, "ok\n")
        clock.now_s = LOOP_AGE_MAX_S
        assert await ask(port, "livez") == (503, "the watch's event loop is stuck\n")
        health.beat()
        assert await ask(port, "livez") == (200, "ok\n")


async def test_nothing_else_is_served() -> None:
    async with serve_probes(Health(clock=anyio.current_time), port=0) as port:
        assert (await ask(port, ""))[0] == 404


async def test_nothing_is_served_when_it_has_ended() -> None:
    async with serve_probes(Health(clock=anyio.current_time), port=0) as port:
        pass

    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(port, "livez")
