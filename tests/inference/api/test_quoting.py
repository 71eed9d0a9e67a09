"""Quotes: short, safe to print, and without the key, in whatever form a server shows that."""

from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.errors import CapscanError, InvalidAnswer
from capscan.inference.api.network_errors import translated
from capscan.inference.api.quoting import holds, quoted, redacted
from capscan.inference.api.refusal import Refusals
from tests.inference.api.openai_wire import api, completion
from tests.inference.api.wire import KEY, PROMPT, Wire, reply

FORMS = [
    KEY,
    KEY.upper(),
    KEY[:9] + "\u200b" + KEY[9:],
    KEY[:9] + "\x1b[31m" + KEY[9:],
    KEY[:9] + "\u202e" + KEY[9:],
    KEY[:9] + "\n" + KEY[9:],
    KEY[:9] + "  " + KEY[9:],
    KEY.replace("-", "\u2011"),
    "".join(chr(ord(char) + 0xFEE0) for char in KEY),
]
"""The key as a server may show it, hidden from whoever looks for it alone."""


@pytest.mark.parametrize("shown", FORMS)
def test_the_key_is_hidden_in_every_form(shown: str) -> None:
    """It is looked for after what nobody sees was dropped."""
    text = quoted(f"your key {shown} is wrong", KEY)

    assert text == "your key *** is wrong"


def test_a_part_of_the_key_is_hidden_where_it_is_not_short() -> None:
    assert redacted(f"it ends in {KEY[-9:]}", KEY) == "it ends in ***"
    assert redacted(f"{KEY[:8]}, {KEY[-4:]}", KEY) == f"***, {KEY[-4:]}"
    assert quoted("x" * 230 + KEY, KEY).endswith("x***")


def test_a_key_that_is_a_placeholder_hides_nothing() -> None:
    """Local servers take any key, and people write a word."""
    assert quoted("no model: none", "none") == "no model: none"
    assert quoted("nothing to hide", "") == "nothing to hide"


@given(st.text(max_size=300), st.text(alphabet=st.characters(codec="ascii"), max_size=30))
def test_no_quote_shows_a_key(text: str, key: str) -> None:
    shown = quoted(f"{text}{key}{text}", key)

    assert len(shown) <= 240
    assert len(key.strip()) < 8 or " " in key or not key.isprintable() or key not in shown


@pytest.mark.parametrize(
    "error",
    [
        httpx2.RemoteProtocolError(f"illegal header line: bytearray(b'x-a: Bearer {KEY}')"),
        httpx2.ConnectError(f"no {KEY}" + "x" * 9000),
        httpx2.ProxyError(f"407 \x1b[31m{KEY}"),
        httpx2.InvalidURL(f"what is {KEY}"),
        httpx2.LocalProtocolError(f"Illegal header value b'{KEY}'"),
    ],
)
def test_an_error_of_the_network_is_quoted_like_all_others(error: Exception) -> None:
    """A server that sends the key back in a line that is no header would have it shown."""
    text = str(translated(error, "https://models.example.com/v1", KEY))

    assert KEY not in text
    assert "***" in text
    assert "\x1b" not in text
    assert len(text) < 400


@pytest.mark.anyio
@pytest.mark.parametrize("shown", [*FORMS, KEY[1:17], {"a": [KEY]}])
async def test_an_answer_that_quotes_the_key_is_never_kept(shown: Any) -> None:
    """Neither as an analysis nor as the words of an error about it."""
    content = shown if isinstance(shown, str) else f'{{"description": "{KEY}"}}'
    with pytest.raises(InvalidAnswer, match=r"quotes the API key$"):
        await api(Wire([reply(body=completion(content))])).send(PROMPT, max_output_tokens=10)

    assert holds(shown, KEY)


@pytest.mark.anyio
async def test_a_key_in_a_redirect_or_a_title_is_hidden() -> None:
    refusals = Refusals("https://models.example.com/v1", "m", KEY)
    page = f"<html><title>{KEY[:9]}\u200b{KEY[9:]} is unknown</title>"
    wire = Wire([reply(302, "", location=f"https://{KEY}.example.com/"), reply(404, page)])
    for _ in range(2):
        with pytest.raises(CapscanError) as raised:
            await api(wire).send(PROMPT, max_output_tokens=10)
        assert KEY not in str(raised.value)
        assert "***" in str(raised.value)
    assert KEY not in repr(refusals)
