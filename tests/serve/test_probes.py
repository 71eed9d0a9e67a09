"""Liveness and readiness, asked over a socket."""

import anyio
import pytest

from capscan.serve.probes import LOOP_AGE_MAX_S, Health, Probes
from tests.serve.asking import ask, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_readiness_says_why_not() -> None:
    health = Health(clock=anyio.current_time)
    async with serving(Probes(health)) as port:
        assert await ask(port, "readyz") == (503, "starting\n")
        health.ready = True
        assert await ask(port, "readyz") == (200, "ok\n")
        health.ready, health.reason = False, "the kinds are missing"
        assert await ask(port, "readyz") == (503, "the kinds are missing\n")


async def test_an_operator_that_is_not_ready_is_alive() -> None:
    """To restart it would not bring the API server back."""
    async with serving(Probes(Health(clock=anyio.current_time))) as port:
        assert await ask(port, "livez") == (200, "ok\n")


async def test_an_operator_whose_watch_is_stuck_is_not_alive() -> None:
    clock = Clock()
    health = Health(clock=clock, ready=True)
    health.beat()
    async with serving(Probes(health)) as port:
        clock.now_s = LOOP_AGE_MAX_S - 1
        assert await ask(port, "livez") == (200, "ok\n")
        clock.now_s = LOOP_AGE_MAX_S
        assert await ask(port, "livez") == (503, "the watch's event loop is stuck\n")
        health.beat()
        assert await ask(port, "livez") == (200, "ok\n")
