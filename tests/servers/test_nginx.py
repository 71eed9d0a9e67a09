"""nginx in front of the fake model server: what a gateway says in its own pages, and its limits."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.process import ModelServerProcess
from tests.modelserver.process import running as modelserver
from tests.operator.cluster import Cluster
from tests.servers.running import free_port, running
from tests.servers.scanning import CRDS, failures, held_back, said_of, scan, usable

pytestmark = pytest.mark.timeout(300)

MODEL = "gpt-5-mini"
Say = Callable[[str], None]

CONFIG = """
daemon off;
master_process off;
pid {place}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 256; }}
http {{
  access_log {place}/access.log;
  client_body_temp_path {place}/body;
  proxy_temp_path {place}/proxy;
  fastcgi_temp_path {place}/fastcgi;
  uwsgi_temp_path {place}/uwsgi;
  scgi_temp_path {place}/scgi;
  default_type text/plain;
  limit_req_zone $binary_remote_addr zone=asked:1m rate=2r/s;
  server {{
    listen 127.0.0.1:{port};
    {lines}
    location = /up {{ return 200; }}
    location /v1/ {{
      proxy_pass {behind};
      proxy_http_version 1.1;
      {location}
    }}
  }}
}}
"""


@pytest.fixture
def model() -> Iterator[ModelServerProcess]:
    """Answers after 300 ms."""
    with modelserver(Behaviour(latency=Latency(mean_s=0.3))) as server:
        yield server


@contextmanager
def gateway(
    program: Path, place: Path, behind: str, location: str = "", lines: str = ""
) -> Iterator[str]:
    """Run nginx with these lines in its one server, or in the location before the model."""
    port, config = free_port(), place / "nginx.conf"
    config.write_text(
        CONFIG.format(place=place, port=port, behind=behind, location=location, lines=lines)
    )
    command = [program, "-p", place, "-c", config, "-e", "stderr"]
    with running(command, port, place, looks_at="/up") as url:
        yield f"{url}/v1"


def statuses(place: Path) -> dict[int, int]:
    """How often nginx answered a question with which status."""
    found: dict[int, int] = {}
    for line in (place / "access.log").read_text().splitlines():
        if '"POST ' in line:
            status = int(line.split('" ')[1].split()[0])
            found[status] = found.get(status, 0) + 1
    return dict(sorted(found.items()))


@pytest.mark.parametrize("protocol", ["OpenAI", "Anthropic"])
def test_a_rate_that_nginx_keeps_with_its_own_429_page_is_found_and_kept(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
    protocol: str,
) -> None:
    """Two a second, told as a page in HTML, without one header that says so."""
    names = cluster.create_crds(CRDS)
    limited = "limit_req zone=asked; limit_req_status 429;"
    with gateway(nginx, tmp_path, model.url, limited) as address:
        name = MODEL if protocol == "OpenAI" else "claude-haiku-4-5"
        base = address if protocol == "OpenAI" else address.removesuffix("/v1")
        provider = usable(cluster, protocol=protocol, model=name, baseURL=base)
        seen = scan(cluster, provider, names)
        bound_s = (CRDS - 1) / 2 + 0.3
        say(f"{seen.line}; bound {bound_s:.1f} s: {seen.took_s / bound_s:.2f}")
        say(f"questions {statuses(tmp_path)}")

    assert seen.failed == {}
    assert sum(model.asked().values()) == CRDS


def test_a_rate_that_nginx_keeps_with_its_usual_503_page_loses_no_crd(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    """503 is what limit_req answers unless told otherwise."""
    names = cluster.create_crds(CRDS)
    with gateway(nginx, tmp_path, model.url, "limit_req zone=asked burst=4 nodelay;") as address:
        provider = usable(cluster, protocol="OpenAI", model=MODEL, baseURL=address)
        seen = scan(cluster, provider, names)
        say(seen.line)
        say(f"questions {statuses(tmp_path)}")

    assert seen.failed == {}


def test_a_server_that_is_away_behind_nginx_is_waited_for(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    """nginx answers 502 with a page, and the words stand in the status without tags."""
    names = cluster.create_crds(CRDS)
    with gateway(nginx, tmp_path, model.url) as address:
        provider = usable(cluster, protocol="OpenAI", model=MODEL, baseURL=address)
        model.change(outages=[{"at_s": 0.0, "for_s": 10.0, "how": "refuse"}])
        seen = scan(cluster, provider, names)
        say(seen.line)
        say(f"questions {statuses(tmp_path)}")

    assert seen.failed == {}


def test_an_answer_that_nginx_does_not_wait_for_is_told_as_what_it_is(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    """The model takes longer than proxy_read_timeout: 504, until somebody does something.
    No CRD fails over that: the scan waits and says so.
    """
    cluster.create_crds(5)
    with gateway(nginx, tmp_path, model.url, "proxy_read_timeout 1s;") as address:
        provider = usable(cluster, protocol="OpenAI", model=MODEL, baseURL=address)
        model.change(latency={"mean_s": 3.0})
        name = cluster.apply_scan(providerRef={"name": provider})
        status = cluster.until(name, lambda s: "504" in s.get("message", ""), "word of the 504")
        say(status["message"])
        say(said_of(cluster, provider))
        assert "<" not in status["message"]

        model.change(latency={"mean_s": 0.1})
        status = cluster.until_phase(name, "Completed", "CompletedWithFailures", timeout_s=90)
        say(f"afterwards: {status['message']}")

    assert status["progress"]["failed"] == 0


def test_connections_that_nginx_closes_while_idle_cost_no_attempt(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    """keepalive_timeout is one second, and each connection takes two requests; answers come slowly,
    and are not buffered.
    """
    names = cluster.create_crds(CRDS)
    lines = "keepalive_timeout 1s; keepalive_requests 2;"
    with gateway(nginx, tmp_path, model.url, "proxy_buffering off;", lines) as address:
        provider = usable(cluster, protocol="OpenAI", model=MODEL, baseURL=address)
        model.change(latency={"mean_s": 1.0, "sigma": 0.5})
        seen = scan(cluster, provider, names, parallelism=3)
        say(seen.line)
        say(f"questions {statuses(tmp_path)}")

    assert seen.failed == {}
    assert model.asked() == dict.fromkeys(names, 1)


def test_a_question_that_is_too_large_for_nginx_is_told_with_the_title_of_its_page(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    """413: shorter questions are tried; where none is short enough, the limit is named."""
    names = cluster.create_crds(3)
    with gateway(nginx, tmp_path, model.url, "client_max_body_size 2k;") as address:
        provider = usable(cluster, protocol="OpenAI", model=MODEL, baseURL=address)
        began_s = time.monotonic()
        name = cluster.apply_scan(providerRef={"name": provider})
        status = cluster.until(
            name,
            lambda s: "413" in str(s.get("failedItems", "")) + s.get("message", ""),
            "word of the 413",
        )
        say(f"after {time.monotonic() - began_s:.1f} s: {status['phase']}: {status['message']}")
        for item in status.get("failedItems", ())[:1]:
            say(f"{item['reason']}: {item['message']}")

    assert len(names) == 3
    assert "<" not in status["message"]


def test_a_path_that_nginx_does_not_serve_speaks_of_the_address(
    cluster: Cluster,
    model: ModelServerProcess,
    nginx: Path,
    tmp_path: Path,
    say: Say,
) -> None:
    cluster.create_crds(3)
    with gateway(nginx, tmp_path, model.url) as address:
        wrong = address.removesuffix("/v1") + "/openai"
        provider = cluster.apply_provider(protocol="OpenAI", model=MODEL, baseURL=wrong)
        name = cluster.apply_scan(providerRef={"name": provider})
        said = held_back(cluster, name, "InvalidProvider")
        say(said)

    assert "baseURL" in said
    assert "<" not in said
    assert failures(cluster, name) == 0
