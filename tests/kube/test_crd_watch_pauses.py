"""What a watch of CRDs does where it is refused or broken time after time, in virtual time."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import anyio
import pytest

from capscan.core.kube_errors import Expired, Forbidden, KubeError, Unavailable
from capscan.kube.crd_watch import PAUSE_S
from capscan.kube.transport import Json
from tests import virtual
from tests.kube.watched import meta, watching

pytestmark = pytest.mark.anyio

T = TypeVar("T")
LONG_S = 10 * sum(PAUSE_S)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class FakeClient:
    """Lists `crds`, and ends each watch at once; or raises what is next in `errors` of the verb, of
    which the last one stays.
    """

    def __init__(self) -> None:
        self.crds = [meta("a.x")]
        self.errors: dict[str, list[KubeError | None]] = {}
        self.verbs: list[str] = []

    async def list_metadata_at(self, _: str, take: Callable[[Json], T], /) -> tuple[list[T], str]:
        await self._answer("list")
        return [take(crd) for crd in self.crds], "4"

    async def watch_metadata(self, _: str, __: str, /) -> AsyncGenerator[tuple[str, Json]]:
        await self._answer("watch")
        events: list[tuple[str, Json]] = []
        for event in events:
            yield event

    async def check_watch(self, _: str, /) -> None:
        await self._answer("watch")

    async def _answer(self, verb: str) -> None:
        await anyio.lowlevel.checkpoint()
        self.verbs.append(verb)
        script = self.errors.get(verb, [])
        if error := script.pop(0) if len(script) > 1 else next(iter(script), None):
            raise error


@pytest.mark.parametrize("error", [Expired("too old"), None], ids=["too old", "over at once"])
async def test_a_watch_that_tells_nothing_again_and_again_is_not_begun_without_a_pause(
    error: KubeError | None,
) -> None:
    """Proxies may close streams at once, and an API server may forget versions too soon."""
    client = FakeClient()
    client.errors = {"watch": [error]}
    async with watching(client):
        await anyio.sleep(1.5)
        at_first = len(client.verbs)
        await anyio.sleep(LONG_S)

    assert at_first <= 4
    assert client.verbs.count("watch") < len(PAUSE_S) + LONG_S / PAUSE_S[-1] + 2


@pytest.mark.parametrize("verb", ["watch", "list"])
async def test_a_permission_that_is_missing_is_said_once_and_heals(
    verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It tries on, and by listing it sees the changes that it may not watch."""
    client = FakeClient()
    client.errors = {verb: [Forbidden("may not")]}
    async with watching(client) as told:
        await anyio.sleep(LONG_S)
        (hindrance,) = told.hindrances
        client.crds.append(meta("b.x"))
        await anyio.sleep(LONG_S)
        assert told.times == (2 if verb == "watch" else 0)
        client.errors = {}
        await anyio.sleep(LONG_S)

    assert hindrance is not None
    assert hindrance.reason == "MissingPermission"
    assert f"may not {verb} CustomResourceDefinitions, so that spec.follow" in hindrance.message
    assert "verbs [get, list, watch]" in hindrance.message
    assert told.hindrances == [hindrance, None]
    assert caplog.text.count("verbs [get, list, watch]") == 1


async def test_a_refusal_by_an_api_server_that_has_just_come_back_is_no_missing_right() -> None:
    client = FakeClient()
    client.errors = {"watch": [Unavailable("503: away"), Forbidden("not yet"), None]}
    async with watching(client) as told:
        await anyio.sleep(LONG_S)

    assert client.verbs[:4] == ["list", "watch", "watch", "list"]
    assert told.hindrances == []
