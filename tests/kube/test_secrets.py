"""API keys, and what is said where there is none."""

import base64
from typing import Any

import pytest
from aiohttp import web

from capscan.core.errors import ProviderUnusable
from capscan.kube.client import KubeClient
from capscan.kube.secrets import Secrets
from capscan.model import SecretKeyRef
from capscan.model.api_key import ApiKey, KeyBounds
from tests.kube.apiserver import ApiServer, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]

REF = SecretKeyRef(name="anthropic")


def secret(**data: bytes) -> web.Response:
    coded = {
        name.replace("_", "-"): base64.b64encode(value).decode() for name, value in data.items()
    }
    return ok({"data": coded or None})


async def read(api: Api, answer: web.Response) -> ApiKey:
    api[0].script = [answer]
    return await Secrets(api[1], "capscan-system").read(REF)


@pytest.mark.parametrize("value", [b"sk-123", b"sk-123\n", b"  sk-123\r\n"])
async def test_a_key_is_read_without_the_white_space_that_files_end_in(
    api: Api, value: bytes
) -> None:
    assert await read(api, secret(api_key=value)) == ApiKey("sk-123", "capscan-system/anthropic")
    assert api[0].seen[0].path == "/api/v1/namespaces/capscan-system/secrets/anthropic"


BAD: dict[str, tuple[Any, str, str]] = {
    "no secret": (
        refusal(404),
        "SecretNotFound",
        "kubectl -n capscan-system create secret generic anthropic --from-file=api-key=FILE",
    ),
    "no permission": (refusal(403, "you may not"), "SecretForbidden", "allow get on it by name"),
    "another key": (
        secret(token=b"x", other=b"y"),
        "SecretKeyMissing",
        "has no key api-key. Name one that it has in apiKeySecretRef.key",
    ),
    "no data": (secret(), "SecretKeyMissing", "has no key api-key. It is empty: give it one"),
    "an empty key": (secret(api_key=b" \n"), "SecretKeyMissing", "holds no API key under api-key"),
    "bytes": (secret(api_key=b"\xff\x00"), "SecretKeyMissing", "it is empty or no text"),
    "two lines": (secret(api_key=b"a\nb"), "SecretKeyMissing", "it is empty or no text"),
    "no base64": (ok({"data": {"api-key": "?"}}), "SecretKeyMissing", "it is empty or no text"),
}


@pytest.mark.parametrize(
    ("annotations", "bounds"),
    [
        (None, None),
        ({"example.com/team": "ml"}, None),
        ({"capscan.dev/allowed-origin": ""}, KeyBounds()),
        ({"capscan.dev/allowed-ca": "ab12"}, KeyBounds(bundles=("ab12",))),
        (
            {
                "capscan.dev/allowed-origin": " https://a.example.com, https://b.example.com\n",
                "capscan.dev/allowed-proxy": "http://proxy:3128",
            },
            KeyBounds(("https://a.example.com", "https://b.example.com"), ("http://proxy:3128",)),
        ),
    ],
)
async def test_the_annotations_of_the_secret_say_where_the_key_may_go(
    api: Api, annotations: dict[str, str] | None, bounds: KeyBounds | None
) -> None:
    """Commas, spaces and line ends part them. An empty annotation is one that allows nothing."""
    data = {"api-key": base64.b64encode(b"sk-123").decode()}

    key = await read(api, ok({"metadata": {"annotations": annotations}, "data": data}))
    assert key.bounds == bounds
    assert "sk-123" not in repr(key)


@pytest.mark.parametrize("case", BAD)
async def test_a_missing_key_says_what_to_do(api: Api, case: str) -> None:
    answer, reason, message = BAD[case]

    with pytest.raises(ProviderUnusable) as unusable:
        await read(api, answer)
    assert unusable.value.reason == reason
    assert message in str(unusable.value)


@pytest.mark.parametrize(
    "name", ["../../other/secrets/theirs", "a/../b", "..", "%2e%2e", "a?b", ""]
)
async def test_no_name_of_a_secret_leads_out_of_the_namespace(api: Api, name: str) -> None:
    """Clients make one path of it, dots and all; nothing is asked."""
    with pytest.raises(ProviderUnusable) as told:
        await Secrets(api[1], "capscan-system").read(SecretKeyRef.model_construct(name=name))

    assert told.value.reason == "SecretNotFound"
    assert api[0].seen == []
