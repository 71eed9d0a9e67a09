"""OpenAIApi: what it asks for after a server refused a part of a request."""

from typing import Any

import anyio
import anyio.lowlevel
import pytest

from capscan.core.errors import CapscanError
from capscan.inference.api.protocol import Renegotiated
from tests.inference.api.openai_wire import REFUSED_FORMS, api, completion, error
from tests.inference.api.wire import PROMPT, Wire, reply

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("refusal", REFUSED_FORMS)
async def test_a_refused_form_is_not_asked_for_again(refusal: Any) -> None:
    """Schema, then any object, then text; each request one error, until there is an answer."""
    wire = Wire([reply(400, refusal), reply(400, refusal), reply(body=completion())])
    client = api(wire)
    for _ in range(2):
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)

    forms = [body.get("response_format", {}).get("type") for body in wire.bodies]
    assert forms == ["json_schema", "json_object", None, None]


@pytest.mark.parametrize(
    ("base_url", "names"),
    [
        ("https://models.example.com/v1", ["max_tokens", "max_completion_tokens"]),
        ("", ["max_completion_tokens", "max_tokens"]),
    ],
)
async def test_a_refused_limit_goes_by_its_other_name(base_url: str, names: list[str]) -> None:
    """The server is sent that name from then on."""
    text = f"Unsupported parameter: '{names[0]}' is not supported with this model."
    wire = Wire([reply(400, error(text, param=names[0])), reply(body=completion())])
    client = api(wire, baseURL=base_url)
    with pytest.raises(Renegotiated):
        await client.send(PROMPT, max_output_tokens=10)
    await client.send(PROMPT, max_output_tokens=10)

    assert [name for body in wire.bodies for name in body if name in names] == names


async def test_requests_refused_together_take_one_step() -> None:
    """Ten in flight do not use up all forms at once."""
    client = api(wire := Wire([reply(400, REFUSED_FORMS[0])]))

    async def ask() -> None:
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)

    async with anyio.create_task_group() as group:
        for _ in range(10):
            group.start_soon(ask)
    await ask()

    forms = [body["response_format"]["type"] for body in wire.bodies]
    assert forms == ["json_schema"] * 10 + ["json_object"]


async def test_text_is_the_last_resort() -> None:
    """After that the refusal stands."""
    client = api(Wire([reply(400, REFUSED_FORMS[0])]))
    for _ in range(2):
        with pytest.raises(Renegotiated):
            await client.send(PROMPT, max_output_tokens=10)
    with pytest.raises(CapscanError) as found:
        await client.send(PROMPT, max_output_tokens=10)

    assert type(found.value).__name__ == "RequestRejected"
