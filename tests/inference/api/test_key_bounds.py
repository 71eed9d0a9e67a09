"""Where a key may be sent, when its Secret says so."""

import base64
import hashlib

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.key_bounds import check_bounds
from capscan.model import ProviderSpec
from capscan.model.api_key import ApiKey, KeyBounds

PEM = b"-----BEGIN CERTIFICATE-----\n"
BUNDLE = base64.b64encode(PEM).decode()
SHA256 = hashlib.sha256(PEM).hexdigest()
OPENAI = "https://api.openai.com"
PROXY = "http://proxy.example.com:3128"


def check(bounds: KeyBounds | None, base_url: str, **options: str) -> None:
    spec = ProviderSpec.model_validate({"protocol": "OpenAI", "model": "m"} | options)
    check_bounds(ApiKey("sk-right", "capscan-system/openai", bounds), spec, base_url)


@pytest.mark.parametrize(
    ("bounds", "base_url", "options"),
    [
        (None, "http://elsewhere.example.com", {"proxyURL": PROXY, "caBundle": BUNDLE}),
        (KeyBounds((OPENAI,)), "https://api.openai.com/v1", {}),
        (KeyBounds((OPENAI,)), "https://API.openai.com.:443/any/path", {}),
        (KeyBounds(("HTTPS://Api.OpenAI.com:443/",)), OPENAI, {}),
        (KeyBounds(("https://a.example.com", OPENAI)), OPENAI, {}),
        (KeyBounds(("http://own.ai.svc:8000",)), "http://own.ai.svc:8000/v1", {}),
        (KeyBounds((OPENAI,), (PROXY,)), OPENAI, {"proxyURL": f" {PROXY}/"}),
        (KeyBounds((OPENAI,), (), (SHA256,)), OPENAI, {"caBundle": BUNDLE}),
        (
            KeyBounds((OPENAI,), (), ("0" * 64, f"sha256:{SHA256.upper()}")),
            OPENAI,
            {"caBundle": f"{BUNDLE[:8]}\n{BUNDLE[8:]}"},
        ),
    ],
)
def test_a_key_goes_where_its_secret_lets_it_go(
    bounds: KeyBounds | None, base_url: str, options: dict[str, str]
) -> None:
    """Origins are compared as they are dialled; a Secret without annotations bounds nothing."""
    check(bounds, base_url, **options)


@pytest.mark.parametrize(
    ("bounds", "base_url", "options", "said"),
    [
        (
            KeyBounds((OPENAI,)),
            "https://elsewhere.example.com/v1",
            {},
            (
                "the key in Secret capscan-system/openai goes only where "
                "capscan.dev/allowed-origin says (https://api.openai.com), and not to "
                "https://elsewhere.example.com. Set "
                "spec.baseURL to one of those, or let whoever owns the Secret add "
                "https://elsewhere.example.com there"
            ),
        ),
        (KeyBounds((OPENAI,)), "http://api.openai.com", {}, "not to http://api.openai.com. Set"),
        (KeyBounds((OPENAI,)), "https://api.openai.com:8443", {}, "not to https://api.openai.com:"),
        (KeyBounds((OPENAI,)), "https://api.openai.com.example.com", {}, "not to https://api.open"),
        (KeyBounds((OPENAI,)), "https://xapi.openai.com", {}, "not to https://xapi.openai.com."),
        (KeyBounds(), OPENAI, {}, "It names none: let whoever owns the Secret add"),
        (KeyBounds((), (PROXY,), (SHA256,)), OPENAI, {}, "It names none"),
        (
            KeyBounds((OPENAI,)),
            OPENAI,
            {"proxyURL": PROXY},
            (
                "goes through no proxy but those of capscan.dev/allowed-proxy, and not through "
                "http://proxy.example.com:3128. Set spec.proxyURL to one of those or take it out"
            ),
        ),
        (
            KeyBounds((OPENAI,), ("https://proxy.example.com:3128",)),
            OPENAI,
            {"proxyURL": PROXY},
            "(https://proxy.example.com:3128), and not through http://proxy.example.com:3128",
        ),
        (
            KeyBounds((OPENAI,)),
            OPENAI,
            {"caBundle": BUNDLE},
            (
                "goes nowhere under a spec.caBundle but those of capscan.dev/allowed-ca. Take "
                "spec.caBundle out, or let whoever owns the Secret check the bundle and add its "
                f"SHA-256 there: {SHA256}"
            ),
        ),
        (KeyBounds((OPENAI,), (), ("0" * 64,)), OPENAI, {"caBundle": BUNDLE}, "Take spec.caB"),
    ],
)
def test_a_key_goes_nowhere_else(
    bounds: KeyBounds, base_url: str, options: dict[str, str], said: str
) -> None:
    """Each error says what to write instead."""
    with pytest.raises(ProviderUnusable) as refused:
        check(bounds, base_url, **options)

    assert refused.value.reason == "KeyNotAllowed"
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (KeyBounds(("*",)), "number 1 in capscan.dev/allowed-origin is no origin"),
        (KeyBounds((OPENAI, "api.openai.com")), "number 2 in capscan.dev/allowed-origin"),
        (KeyBounds(("https://api.openai.com/v1",)), "write scheme, host and port there, without a"),
        (KeyBounds(("https://me:word@api.openai.com",)), "is no origin"),
        (KeyBounds(("https://1.2.3.4.5",)), "is no origin"),
        (KeyBounds(("sk-in-the-wrong-place",)), "is no origin"),
        (KeyBounds((OPENAI,), ("proxy:3128",)), "number 1 in capscan.dev/allowed-proxy"),
        (KeyBounds((OPENAI,), (PROXY,), ("ab12",)), "number 1 in capscan.dev/allowed-ca is no SHA"),
    ],
)
def test_an_annotation_that_cannot_be_read_allows_nothing(bounds: KeyBounds, said: str) -> None:
    """It is not quoted: a key may have been put there by mistake."""
    with pytest.raises(ProviderUnusable) as refused:
        check(bounds, OPENAI, proxyURL=PROXY, caBundle=BUNDLE)

    assert refused.value.reason == "KeyNotAllowed"
    assert said in str(refused.value)
    assert "wrong" not in str(refused.value)
    assert "word" not in str(refused.value)
