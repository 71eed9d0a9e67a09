"""When a connection is closed."""

from typing import Any

import anyio
import pytest

from capscan.inference.accounts.connection import Connection, Connections, SharedGate
from capscan.model import ProviderSpec
from capscan.model.api_key import ApiKey, KeyBounds
from capscan.model.provider import ApiProtocol, Limits
from tests import virtual

pytestmark = pytest.mark.anyio

KEY = ApiKey("sk-right")
SPEC = ProviderSpec(protocol=ApiProtocol.ANTHROPIC, model="claude-haiku-4-5")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


class Client:
    """A client that takes a moment to close."""

    closed = False

    async def aclose(self) -> None:
        await anyio.sleep(0.1)
        self.closed = True


def connection(client: Client) -> Connection:
    shared = SharedGate(SPEC)
    return Connection(client, shared, SPEC, KEY)  # type: ignore[arg-type]


async def test_it_closes_when_the_last_question_that_uses_it_has_ended() -> None:
    client = Client()
    retired = connection(client)
    async with retired:
        async with retired:
            await retired.retire()
        assert not client.closed

    assert client.closed


async def test_it_closes_though_the_last_question_was_given_up() -> None:
    client = Client()
    retired = connection(client)
    with anyio.move_on_after(1):
        async with retired:
            await retired.retire()
            await anyio.sleep(60)

    assert client.closed


async def test_it_serves_what_it_was_opened_for() -> None:
    opened = connection(Client())

    assert opened.serves(SPEC, KEY)
    assert not opened.serves(SPEC, ApiKey("sk-other"))
    assert not opened.serves(SPEC, ApiKey("sk-right", bounds=KeyBounds()))
    assert not opened.serves(SPEC.model_copy(update={"base_url": "http://elsewhere"}), KEY)


@pytest.mark.parametrize(
    ("protocol", "urls"),
    [
        (
            ApiProtocol.OPENAI,
            (
                "",
                "https://api.openai.com/v1",
                "https://api.openai.com/v1/",
                "https://API.OpenAI.com/v1",
            ),
        ),
        (
            ApiProtocol.ANTHROPIC,
            (
                "",
                "https://api.anthropic.com",
                "https://api.anthropic.com/v1",
                " https://api.anthropic.com/",
            ),
        ),
    ],
)
async def test_an_account_has_one_gate_however_its_address_is_written(
    protocol: ApiProtocol, urls: tuple[str, ...]
) -> None:
    connections = Connections()
    opened = [
        connections.open(ProviderSpec(protocol=protocol, model="m", base_url=url), KEY)
        for url in urls
    ]

    assert len({id(one.gate) for one in opened}) == 1
    other = connections.open(ProviderSpec(protocol=protocol, model="m2"), KEY)
    assert other.gate is not opened[0].gate
    for one in (*opened, other):
        await one.retire()


def items_per_s(opened: Connection) -> float | None:
    return opened.gate.pace("scan", 1).items_per_s


async def test_of_those_who_share_an_account_the_stricter_limit_holds() -> None:
    """It holds as long as the provider that set it is there."""
    connections = Connections()
    strict = SPEC.model_copy(update={"limits": Limits(requests_per_minute=60)})
    first = connections.open(strict, KEY)
    second = connections.open(SPEC, KEY)
    assert items_per_s(second) == pytest.approx(1.0)

    edited = connections.open(SPEC.model_copy(update={"limits": Limits(max_in_flight=3)}), KEY)
    await second.retire()
    assert items_per_s(edited) == pytest.approx(1.0)
    assert first.gate.statistics().permits <= 3

    await first.retire()
    await first.retire()
    assert items_per_s(edited) is None
    await edited.retire()
