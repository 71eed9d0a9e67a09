"""One web server with several doors."""

import re
from dataclasses import dataclass

import aiohttp
import pytest
from aiohttp import web

from capscan.core.errors import WrongSettings
from tests.serve.asking import ask, serving

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(frozen=True)
class Greeting:
    """A door that answers with a word."""

    path: str
    word: str

    def routes(self) -> list[web.RouteDef]:
        return [web.get(self.path, self._answer)]

    async def _answer(self, _: web.Request) -> web.Response:
        return web.Response(text=self.word)


async def test_several_doors_share_one_port() -> None:
    async with serving(Greeting("/one", "first"), Greeting("/two", "second")) as port:
        assert await ask(port, "one") == (200, "first")
        assert await ask(port, "two") == (200, "second")


async def test_nothing_but_the_doors_is_served() -> None:
    async with serving(Greeting("/one", "first")) as port:
        assert (await ask(port, ""))[0] == 404


async def test_nothing_is_served_after_the_block_has_ended() -> None:
    async with serving(Greeting("/one", "first")) as port:
        pass

    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(port, "one")


async def test_a_port_that_is_taken_is_told_with_the_name_of_the_setting() -> None:
    async with serving() as port:
        said = f"probePort {port} cannot be served: "
        with pytest.raises(WrongSettings, match=re.escape(said)):
            async with serving(port=port):
                pass
