"""llama.cpp's server with a real model of 135 million parameters, for a processor.

Its answers are poor, and are shown as they are. What is tested is that no CRD is lost, and that
failures say what is the matter. How long many at a time take, against one at a time, is printed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.operator.cluster import Cluster
from tests.servers.exchanges import Listener, forward, listening, negotiated
from tests.servers.running import free_port, running
from tests.servers.scanning import CRDS, Seen, scan, usable

pytestmark = pytest.mark.timeout(900)

MODEL = "SmolLM2-135M-Instruct.Q4_1"
SLOTS = 4
CONTEXT = 8192
"""Of one slot, in tokens: a whole question and its answer."""
COMPARED = 12
"""So many CRDs are enough for a figure."""
SCAN_S_MAX = 400.0
PATIENT = {"requestTimeout": "5m"}
"""On a processor that others use too, one answer takes minutes."""
TOLD = {"InvalidAnswer", "AnswerTooLong", "Timeout"}
"""What may become of a CRD whose model is this small."""

Say = Callable[[str], None]


@contextmanager
def llamacpp(python: Path, place: Path) -> Iterator[Listener]:
    """The server behind a tap."""
    port = free_port()
    program = Path(__file__).with_name("llamacpp.py")
    place.mkdir(exist_ok=True)
    command = [python, program, port, SLOTS, CONTEXT]
    with (
        running(command, port, place, looks_at="/health") as url,
        listening(forward(url)) as tap,
    ):
        yield tap


def asked(cluster: Cluster, tap: Listener, protocol: str, names: list[str], **spec: Any) -> Seen:
    """Scan them through this server."""
    wanted = PATIENT | {"protocol": protocol, "model": MODEL, "baseURL": f"{tap.url}/v1"}
    provider = usable(cluster, **wanted | spec)
    return scan(cluster, provider, names, within_s=SCAN_S_MAX, itemTimeout="10m", refresh="Always")


def show(seen: Seen, tap: Listener, say: Say) -> None:
    """Say how it went, and one answer as it is."""
    say(seen.line)
    say(f"questions {tap.statuses}; {negotiated(tap.questions[-1].asked.body)}")
    for name, analysis in list(seen.answers.items())[:1]:
        say(f"{name}: {analysis}")
    for item in seen.status.get("failedItems", ())[:2]:
        say(f"{item['name']}: {item['reason']}: {item['message']}")


@pytest.mark.parametrize(("protocol", "count"), [("OpenAI", CRDS), ("Anthropic", 4)])
def test_a_small_real_model_is_asked_about_every_crd_and_none_is_lost(
    cluster: Cluster, servers_python: Path, tmp_path: Path, say: Say, protocol: str, count: int
) -> None:
    names = cluster.create_crds(count)
    with llamacpp(servers_python, tmp_path) as tap:
        seen = asked(cluster, tap, protocol, names)
        show(seen, tap, say)

    assert set(seen.failed) <= TOLD


def test_how_long_many_at_a_time_take_against_one_at_a_time(
    cluster: Cluster, servers_python: Path, tmp_path: Path, say: Say
) -> None:
    """Each server is started anew: what it remembers of prompts is part of the time."""
    names = cluster.create_crds(COMPARED)
    with llamacpp(servers_python, tmp_path / "one") as tap:
        one = asked(cluster, tap, "OpenAI", names, name="one", limits={"maxInFlight": 1})
    cluster.remove()
    with llamacpp(servers_python, tmp_path / "many") as tap:
        many = asked(cluster, tap, "OpenAI", names, name="many")
        at_once = max_at_once(tap)

    say(f"one at a time: {one.line}; {per_token_ms(one):.0f} ms for a token of an answer")
    say(f"as many as capscan finds: {many.line}; {per_token_ms(many):.0f} ms; at most {at_once}")
    say(f"time against one at a time: {many.took_s / one.took_s:.2f}")
    assert set(one.failed) | set(many.failed) <= TOLD


def per_token_ms(seen: Seen) -> float:
    """Answers differ in length from run to run, so the time is also told for one token."""
    tokens = int(seen.status["usage"]["outputTokens"])
    return seen.took_s * 1000 / max(1, tokens)


def max_at_once(tap: Listener) -> int:
    """How many questions were under way at the same time."""
    starts = [(e.at_s, 1) for e in tap.questions]
    ends = [(e.at_s + e.took_s, -1) for e in tap.questions]
    now, most = 0, 0
    for _, change in sorted(starts + ends):
        now += change
        most = max(most, now)
    return most
