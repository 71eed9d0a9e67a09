"""LiteLLM's proxy in front of the fake model server: one gateway, both protocols."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.process import ModelServerProcess
from tests.modelserver.process import running as modelserver
from tests.operator.cluster import Cluster
from tests.servers.exchanges import Listener, forward, listening, negotiated
from tests.servers.running import free_port, running
from tests.servers.scanning import CRDS, failures, held_back, said_of, scan, usable

pytestmark = pytest.mark.timeout(300)

KEY = "sk-of-the-gateway"
MODEL = "small-model"
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The proxy behind a tap, and the model server behind the proxy."""

    tap: Listener
    behind: ModelServerProcess

    @property
    def address(self) -> str:
        """The baseURL of both protocols."""
        return f"{self.tap.url}/v1"


@pytest.fixture(scope="module")
def proxy(
    servers_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ModelServerProcess]]:
    """Start it once: that takes half a minute."""
    place, port = tmp_path_factory.mktemp("litellm"), free_port()
    with modelserver(Behaviour()) as behind:
        config = place / "config.yaml"
        config.write_text(yaml.safe_dump(settings(behind.url)))
        program = servers_python.with_name("litellm")
        command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)]
        # Prices would be fetched at the start; the package has them too.
        environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
        looks_at = "/health/liveliness"
        with running(command, port, place, looks_at=looks_at, environ=environ) as url:
            yield url, behind


def settings(behind: str) -> dict[str, object]:
    """Return the configuration: one model for each protocol that the server behind speaks."""

    def model(name: str, of: str, base: str) -> dict[str, object]:
        params = {"model": of, "api_base": base, "api_key": "sk-behind", "max_retries": 0}
        return {"model_name": name, "litellm_params": params}

    return {
        "model_list": [
            model(MODEL, "openai/gpt-5-mini", f"{behind}/v1"),
            model("small-claude", "anthropic/claude-haiku-4-5", behind),
        ],
        "general_settings": {"master_key": KEY},
        "router_settings": {"num_retries": 0},
        # Without it, LiteLLM asks for /v1/responses where a question came in Anthropic's protocol.
        "litellm_settings": {"use_chat_completions_url_for_anthropic_messages": True},
    }


@pytest.fixture
def gateway(proxy: tuple[str, ModelServerProcess]) -> Iterator[Gateway]:
    """The proxy as it was at the start."""
    url, behind = proxy
    behind.change(**Behaviour(latency=Latency(mean_s=0.3)).model_dump())
    with listening(forward(url)) as tap:
        yield Gateway(tap, behind)


@pytest.mark.parametrize(
    ("protocol", "model"),
    [("OpenAI", MODEL), ("Anthropic", MODEL), ("OpenAI", "small-claude"),
     ("Anthropic", "small-claude")],
)  # fmt: skip
def test_litellm_answers_for_every_crd_in_both_protocols(
    cluster: Cluster, gateway: Gateway, say: Say, protocol: str, model: str
) -> None:
    names = cluster.create_crds(CRDS)
    provider = usable(
        cluster,
        protocol=protocol,
        model=model,
        baseURL=gateway.address,
        apiKeySecretRef=cluster.set_key(KEY),
    )
    seen = scan(cluster, provider, names)
    say(seen.line)
    say(f"looks {gateway.tap.looks}; questions {gateway.tap.statuses}")
    say(f"negotiated: {negotiated(gateway.tap.questions[-1].asked.body)}")

    assert seen.status["phase"] == "Completed"
    assert gateway.tap.statuses.pop(200) == CRDS


def test_a_key_that_litellm_refuses_stalls_the_scan_with_its_words_and_fails_no_crd(
    cluster: Cluster, gateway: Gateway, say: Say
) -> None:
    """Without a database it tells that as a 400: "No connected db."."""
    cluster.create_crds(3)
    provider = cluster.apply_provider(
        protocol="OpenAI",
        model=MODEL,
        baseURL=gateway.address,
        apiKeySecretRef=cluster.set_key("sk-of-somebody-else"),
    )
    name = cluster.apply_scan(providerRef={"name": provider})
    said = held_back(cluster, name)
    say(said)

    assert "No connected db." in said

    assert "sk-of-somebody-else" not in said
    assert failures(cluster, name) == 0


def test_litellm_that_has_no_such_model_is_told_with_its_own_words(
    cluster: Cluster, gateway: Gateway, say: Say
) -> None:
    cluster.create_crds(3)
    provider = cluster.apply_provider(
        protocol="OpenAI",
        model="another-model",
        baseURL=gateway.address,
        apiKeySecretRef=cluster.set_key(KEY),
    )
    name = cluster.apply_scan(providerRef={"name": provider})
    said = held_back(cluster, name, "ModelNotFound")
    say(said)

    assert "another-model" in said
    assert failures(cluster, name) == 0


@pytest.mark.parametrize("protocol", ["OpenAI", "Anthropic"])
def test_an_outage_behind_litellm_is_waited_out_and_no_crd_fails(
    cluster: Cluster, gateway: Gateway, say: Say, protocol: str
) -> None:
    """LiteLLM tells it in its own words, and under its own status."""
    names = cluster.create_crds(CRDS)
    provider = usable(
        cluster,
        protocol=protocol,
        model=MODEL,
        baseURL=gateway.address,
        apiKeySecretRef=cluster.set_key(KEY),
    )
    gateway.behind.change(outages=[{"at_s": 0.0, "for_s": 12.0, "how": "cut"}])
    seen = scan(cluster, provider, names)
    say(seen.line)
    refused = [e.told for e in gateway.tap.questions if e.told.status != 200]
    say(f"questions {gateway.tap.statuses}; refused as {refused[0].body.decode()[:300]}")
    say(said_of(cluster, provider))

    assert seen.failed == {}


def test_limits_behind_litellm_are_kept_without_a_failure(
    cluster: Cluster, gateway: Gateway, say: Say
) -> None:
    """The server behind lets three a second through, and LiteLLM tells of each refusal."""
    names = cluster.create_crds(CRDS)
    provider = usable(
        cluster,
        protocol="OpenAI",
        model=MODEL,
        baseURL=gateway.address,
        apiKeySecretRef=cluster.set_key(KEY),
    )
    gateway.behind.change(limits={"requests": {"per_minute": 180, "burst": 3}})
    seen = scan(cluster, provider, names)
    say(seen.line)
    say(f"questions {gateway.tap.statuses}")

    assert seen.failed == {}
