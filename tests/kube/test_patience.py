"""How long and how often a request is tried, in virtual time: what answers is a function."""

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from capscan.core.kube_errors import (
    Forbidden,
    Invalid,
    KubeError,
    NotServed,
    ServerError,
    Unavailable,
)
from capscan.kube.patience import (
    ASKED_S_MAX,
    BACKOFF_CAP_S,
    SERVER_ERROR_PATIENCE_S,
    WARM_UP_S,
    Patience,
)
from tests import virtual

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


AWAY = Unavailable("503: away")
BROKEN = ServerError("the API server answered 500: failed calling webhook")


class Server:
    """Raises what `state` says at the time, and counts the requests."""

    def __init__(self, state: Callable[[float], KubeError | None]) -> None:
        self._state = state
        self.at_s: list[float] = []

    async def __call__(self) -> str:
        await anyio.sleep(0.01)
        self.at_s.append(anyio.current_time())
        if error := self._state(anyio.current_time()):
            raise error
        return "answer"


async def test_an_absent_server_is_waited_for_without_a_limit() -> None:
    """It takes so many tries that a power of two would not fit a float."""
    server = Server(lambda now_s: AWAY if now_s < 8_000 else None)

    assert await Patience().until_answered(server) == "answer"
    assert len(server.at_s) > 1_100
    gaps_s = (after_s - before_s for before_s, after_s in itertools.pairwise(server.at_s))
    assert max(gaps_s) < BACKOFF_CAP_S + 0.1


async def test_with_a_limit_the_absence_is_raised_with_what_was_last_heard() -> None:
    with pytest.raises(Unavailable, match=r"no answer for 10 s \(503: away\)"):
        await Patience(10).until_answered(Server(lambda _: AWAY))

    assert anyio.current_time() == pytest.approx(10)


async def test_with_a_limit_a_request_that_hangs_is_given_up() -> None:
    with pytest.raises(Unavailable, match=r"no answer for 10 s \(nothing came back\)"):
        await Patience(10).until_answered(anyio.sleep_forever)

    assert anyio.current_time() == pytest.approx(10)


async def test_with_a_limit_an_outage_that_is_shorter_is_waited_for() -> None:
    server = Server(lambda now_s: AWAY if now_s < 3 else None)

    assert await Patience(60).until_answered(server) == "answer"


async def test_with_a_limit_a_server_error_stays_one() -> None:
    """The API server is there, and its own words help more than the time that was waited."""
    with pytest.raises(ServerError, match="failed calling webhook"):
        await Patience(5).until_answered(Server(lambda _: BROKEN))

    assert anyio.current_time() == pytest.approx(5)


async def test_a_server_error_is_waited_for_and_then_raised() -> None:
    """A broken webhook may need somebody: endless patience would hide it."""
    patience = Patience()
    passing = Server(lambda now_s: BROKEN if now_s < SERVER_ERROR_PATIENCE_S / 2 else None)
    assert await patience.until_answered(passing) == "answer"

    began_s = anyio.current_time()
    with pytest.raises(ServerError, match="answered 500: failed calling webhook"):
        await patience.until_answered(Server(lambda _: BROKEN))
    waited_s = anyio.current_time() - began_s
    assert SERVER_ERROR_PATIENCE_S <= waited_s <= SERVER_ERROR_PATIENCE_S + BACKOFF_CAP_S + 0.1


@pytest.mark.parametrize(
    "error",
    [ServerError("etcdserver: no leader"), Forbidden("not yet"), NotServed("not yet")],
    ids=["server error", "forbidden", "not served"],
)
async def test_a_server_that_has_just_come_back_is_given_time_to_warm_up(error: KubeError) -> None:
    """The server may have been away for longer than the patience with server errors."""
    back_s = 10 * SERVER_ERROR_PATIENCE_S

    def state(now_s: float) -> KubeError | None:
        if now_s < back_s:
            return AWAY
        return error if now_s < back_s + WARM_UP_S / 10 else None

    assert await Patience().until_answered(Server(state)) == "answer"


@pytest.mark.parametrize(
    "error",
    [Forbidden("no"), NotServed("no"), Invalid("no")],
    ids=["forbidden", "not served", "invalid"],
)
async def test_a_verdict_of_a_server_that_was_not_away_is_raised_at_once(error: KubeError) -> None:
    server = Server(lambda _: error)

    with pytest.raises(type(error)):
        await Patience().until_answered(server)
    assert len(server.at_s) == 1


@pytest.mark.parametrize(("asked_s", "waited_s"), [(7.0, 7.0), (3600.0, ASKED_S_MAX)])
async def test_the_pause_that_the_server_asks_for_is_kept_within_bounds(
    asked_s: float, waited_s: float
) -> None:
    asks = Unavailable("429: slow down", retry_after_s=asked_s)
    server = Server(lambda now_s: asks if now_s < 1 else None)
    await Patience().until_answered(server)

    first_s, second_s = server.at_s
    assert second_s - first_s == pytest.approx(waited_s, abs=0.1)
