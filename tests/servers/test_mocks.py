"""Mock servers that others wrote: they know the protocols from elsewhere than our own fake does."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.operator.cluster import Cluster, Json
from tests.servers.exchanges import Listener, forward, listening, negotiated
from tests.servers.running import free_port, running
from tests.servers.scanning import CRDS, scan, usable

pytestmark = pytest.mark.timeout(300)

Say = Callable[[str], None]
PROTOCOLS = [("OpenAI", "gpt-5-mini"), ("Anthropic", "claude-haiku-4-5")]

LLMOCK_PATHS = {"OpenAI": "/v1", "Anthropic": "/anthropic"}

ANSWER = {
    "capabilities": ["Turn one thing into another"],
    "providers": [],
    "abstractions": ["Declarative configuration"],
    "complexity": "low",
    "description": "A Thing turns one thing into another.",
    "useCase": "Reach for it where one thing has to become another.",
    "confidence": 0.5,
}


@contextmanager
def llmock(python: Path, place: Path, *flags: str) -> Iterator[tuple[Listener, str]]:
    """The server behind a tap, and its own address."""
    port = free_port()
    command = [python.with_name("llmock"), "serve", "--port", str(port), *flags]
    with (
        running(command, port, place, looks_at="/_llmock/verdict") as url,
        listening(forward(url)) as tap,
    ):
        yield tap, url


def verdict(url: str) -> Json:
    """What llmock says of its client: it saw each attempt and its time."""
    with urllib.request.urlopen(f"{url}/_llmock/verdict", timeout=10) as answer:
        found: Json = json.load(answer)
    return found


def base_url(tap: Listener, protocol: str) -> str:
    """The baseURL of fakellm."""
    return f"{tap.url}/v1" if protocol == "OpenAI" else tap.url


@pytest.mark.parametrize(("protocol", "model"), PROTOCOLS)
def test_llmock_limits_and_fails_and_finds_no_fault_with_the_client(
    cluster: Cluster,
    servers_python: Path,
    tmp_path: Path,
    say: Say,
    protocol: str,
    model: str,
) -> None:
    """One in ten is answered 503 and one in ten 500. It makes answers up from the schema, of
    words that mean nothing: an answer that is refused for that is right, too.
    """
    names = cluster.create_crds(CRDS)
    flags = ("--error-rate-503", "0.1", "--error-rate-500", "0.1", "--latency-ms", "200")
    with llmock(servers_python, tmp_path, *flags) as (tap, url):
        provider = usable(
            cluster, protocol=protocol, model=model, baseURL=tap.url + LLMOCK_PATHS[protocol]
        )
        seen = scan(cluster, provider, names)
        found = verdict(url)
        say(seen.line)
        say(f"questions {tap.statuses}; {negotiated(tap.questions[-1].asked.body)}")
        say(f"llmock's verdict: {json.dumps(found)[:600]}")
        for item in seen.status.get("failedItems", ())[:1]:
            say(f"{item['reason']}: {item['message']}")
        for analysis in list(seen.answers.values())[:1]:
            say(f"{analysis}")

    assert found["passed"]
    assert seen.failed.keys() <= {"InvalidAnswer"}


@pytest.mark.parametrize(("protocol", "model"), PROTOCOLS)
def test_llmock_lets_fifteen_a_minute_through_and_no_crd_fails_over_it(
    cluster: Cluster,
    servers_python: Path,
    tmp_path: Path,
    say: Say,
    protocol: str,
    model: str,
) -> None:
    """Its limits are real buckets, with the headers of the protocol."""
    names = cluster.create_crds(CRDS)
    with llmock(servers_python, tmp_path, "--rpm", "15") as (tap, url):
        provider = usable(
            cluster, protocol=protocol, model=model, baseURL=tap.url + LLMOCK_PATHS[protocol]
        )
        seen = scan(cluster, provider, names)
        say(seen.line)
        say(f"questions {tap.statuses}; llmock's verdict: {json.dumps(verdict(url))[:600]}")

    assert "RateLimited" not in seen.failed


@pytest.mark.parametrize(("protocol", "model"), PROTOCOLS)
def test_fakellm_answers_in_text_where_a_schema_or_a_tool_was_asked_for(
    cluster: Cluster,
    servers_python: Path,
    tmp_path: Path,
    say: Say,
    protocol: str,
    model: str,
) -> None:
    """It knows neither, and says so in no way: its text is read as the answer that it is."""
    names = cluster.create_crds(CRDS)
    port, config = free_port(), tmp_path / "fakellm.yaml"
    rule = {"name": "any", "when": {}, "respond": {"content": json.dumps(ANSWER)}}
    config.write_text(yaml.safe_dump({"version": 1, "rules": [rule]}))
    command = [
        servers_python.with_name("fakellm"),
        "serve",
        "--port",
        str(port),
        "--config",
        config,
    ]
    with (
        running(command, port, tmp_path, looks_at="/openapi.json") as url,
        listening(forward(url)) as tap,
    ):
        provider = usable(cluster, protocol=protocol, model=model, baseURL=base_url(tap, protocol))
        seen = scan(cluster, provider, names)
        say(seen.line)
        say(f"looks {tap.looks}; questions {tap.statuses}")
        say(f"asked with: {negotiated(tap.questions[-1].asked.body)}")

    assert seen.failed == {}
