"""Servers that say of themselves that they answer few requests at a time."""

import json
from typing import Any

import pytest

from capscan.inference.api.http import HttpReply
from capscan.inference.api.local_servers import has_few_slots


def look(body: Any, **headers: str) -> HttpReply:
    return HttpReply(200, headers, json.dumps(body).encode())


def models(*owners: object) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "m", "owned_by": owner} for owner in owners]}


@pytest.mark.parametrize(
    ("seen", "few"),
    [
        (look(models("llamacpp")), True),
        (look(models("library")), True),
        (look(models("organization_owner", "organization_owner")), True),
        (look({"id": "m", "owned_by": "me"}), True),
        (look({}, server="llama.cpp"), True),
        (look(models("vllm")), False),
        (look(models("openai", "system")), False),
        (look({"id": "gpt-5-mini", "owned_by": "system"}, server="cloudflare"), False),
        (look(models({"no": "text"}, 7, None)), False),
        (look([1, "two"]), False),
        (HttpReply(200, {}, b"<html>"), False),
        (None, False),
    ],
)
def test_a_server_with_few_slots_is_known_by_what_it_says(
    seen: HttpReply | None, few: bool
) -> None:
    assert has_few_slots(seen) is few
