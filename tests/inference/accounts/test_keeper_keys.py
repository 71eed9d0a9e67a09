"""Where the key of a provider goes when somebody edits the provider, over real HTTP."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from capscan.core.errors import CapscanError, ProviderUnusable
from capscan.inference.accounts.connection import Connections
from capscan.model import ProviderSpec
from capscan.model.api_key import ApiKey, KeyBounds
from tests.inference.accounts.keepers import KEY, Case, case, case_without_sockets, provider
from tests.inference.api.loopback import Connection, Loopback, answer_all, response, serving

pytestmark = pytest.mark.anyio

CA_BUNDLE = base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode()


@asynccontextmanager
async def bounded() -> AsyncIterator[tuple[Case, Loopback]]:
    """A usable provider whose key may go to its own server alone, and a server of somebody else's
    that notes everything that it is sent.
    """
    async with serving(answer_all) as foreign, case(protocol="OpenAI") as one:
        one.secret.bounds = KeyBounds((one.server.url,))
        await one.until_ready("True", "Usable")
        yield one, foreign


def message(one: Case) -> str:
    conditions = one.sink.versions[-1].conditions
    assert conditions
    return conditions[0].message


async def test_an_edit_of_base_url_takes_the_key_nowhere() -> None:
    """No look and no question reaches the other server; what was edited can be edited back."""
    async with bounded() as (one, foreign):
        url = f"http://127.0.0.1:{foreign.port}"
        one.keeper.observe(provider(url, 2, protocol="OpenAI"))
        await one.until_ready("False", "KeyNotAllowed")
        with pytest.raises(ProviderUnusable, match="goes only where"):
            await one.ask()

        assert f"({one.server.url}), and not to {url}. Set spec.baseURL" in message(one)
        assert foreign.connections == 0
        one.keeper.observe(provider(one.server.url, 3, protocol="OpenAI"))
        await one.until_ready("True", "Usable")
        await one.ask()


async def test_an_edit_of_proxy_url_takes_the_key_nowhere() -> None:
    """A proxy reads all that goes over http://, though the address is the right one."""
    async with bounded() as (one, foreign):
        proxy = f"http://127.0.0.1:{foreign.port}"
        one.keeper.observe(provider(one.server.url, 2, protocol="OpenAI", proxyURL=proxy))
        await one.until_ready("False", "KeyNotAllowed")

        assert f"not through {proxy}. Set spec.proxyURL" in message(one)
        assert foreign.connections == 0


async def test_a_proxy_that_the_secret_names_is_taken() -> None:
    async with bounded() as (one, foreign):
        proxy = f"http://127.0.0.1:{foreign.port}"
        one.secret.bounds = KeyBounds((one.server.url,), (proxy,))
        one.keeper.observe(provider(one.server.url, 2, protocol="OpenAI", proxyURL=proxy))
        with anyio.fail_after(30):
            while not foreign.requests:  # noqa: ASYNC110
                await anyio.sleep(0.01)

        assert f"Bearer {KEY}".encode() in foreign.requests[0]


async def test_bounds_that_come_later_hold_for_what_was_open_before() -> None:
    """They are read with the key, and the key is read again at every look."""
    async with bounded() as (one, _):
        one.secret.bounds = KeyBounds(("https://models.example.com",))
        one.keeper.look_again()
        await one.until_ready("False", "KeyNotAllowed")

        with pytest.raises(ProviderUnusable, match="goes only where"):
            await one.ask()


async def test_a_redirect_takes_the_key_nowhere() -> None:
    """Not even to the proxy's or the server's own wish."""
    async with serving(answer_all) as foreign:

        async def elsewhere(connection: Connection) -> None:
            while True:
                await connection.request()
                location = f"http://127.0.0.1:{foreign.port}/v1/models"
                await connection.send(response(307, location=location))

        async with serving(elsewhere) as server:
            origin = f"http://127.0.0.1:{server.port}"
            opened = Connections().open(
                server.spec(), ApiKey(KEY, "capscan-system/key", KeyBounds((origin,)))
            )
            with pytest.raises(CapscanError):
                await opened.client.check()
            await opened.retire()

        assert f"Bearer {KEY}".encode() in server.requests[0]
        assert foreign.connections == 0


@pytest.mark.parametrize(
    "edit",
    [
        {"baseURL": "https://api.openai.com.example.com/v1"},
        {"protocol": "Anthropic"},
        {"proxyURL": "http://proxy.example.com:3128"},
    ],
)
def test_nothing_is_opened_for_an_edit_that_the_secret_does_not_name(edit: dict[str, str]) -> None:
    """Without baseURL it is the address of the protocol that counts."""
    spec = ProviderSpec.model_validate({"protocol": "OpenAI", "model": "m"} | edit)
    key = ApiKey(KEY, "capscan-system/key", KeyBounds(("https://api.openai.com",)))

    with pytest.raises(ProviderUnusable) as refused:
        Connections().open(spec, key)
    assert refused.value.reason == "KeyNotAllowed"


async def test_ready_warns_of_a_key_that_goes_unencrypted() -> None:
    """The provider can be asked all the same: there are networks where this is meant so."""
    async with case_without_sockets() as one:
        await one.until_ready("True", "Usable")

        assert message(one) == (
            "Nothing speaks against it. The API key goes unencrypted to http://models.invalid: "
            "write https:// in spec.baseURL, or the name of a Service that ends in .svc."
        )


async def test_ready_warns_of_nothing_on_loopback() -> None:
    async with case() as one:
        await one.until_ready("True", "Usable")

        assert message(one) == "Nothing speaks against it."
