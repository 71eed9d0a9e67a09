"""The fake as a process: its first line, its control, its ledger, its end."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.process import ModelServerProcess, running
from tests.modelserver.questions import NAME, OPENAI, chat


def ask(server: ModelServerProcess) -> int:
    """Ask one question; return its status."""
    request = urllib.request.Request(
        f"{server.url}/v1/chat/completions", json.dumps(chat()).encode(), OPENAI
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_it_behaves_as_told_and_keeps_a_ledger(tmp_path: Path) -> None:
    """On the command line, then over the port; every call is one line of a file."""
    ledger = tmp_path / "ledger.jsonl"
    limits = ("--requests-per-minute", "1", "--latency", "0.05", "--seed", "3")
    with running(Behaviour(latency=Latency(mean_s=9)), *limits, "--ledger", str(ledger)) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert [ask(server), ask(server)] == [200, 429]
        server.change(outages=[{"at_s": 0, "for_s": 1000}])
        assert ask(server) == 503
        server.change(outages=[])
        assert ask(server) == 200
        assert server.asked() == {NAME: 4}
        told = server.calls()

    written = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert written == told
    assert [call["status"] for call in written] == [200, 429, 503, 200]
    assert written[0]["latency_s"] >= 0.05
    assert server.running.returncode == 0


def test_a_ledger_outlives_its_server(tmp_path: Path) -> None:
    """What was answered before a kill -9 is in the file, and the next one goes on with it."""
    ledger = tmp_path / "ledger.jsonl"
    with running(None, "--ledger", str(ledger)) as server:
        ask(server)
        server.running.kill()
        server.running.wait()
        with pytest.raises(urllib.error.URLError):
            ask(server)
    port = server.url.rpartition(":")[2]
    with running(None, "--ledger", str(ledger), "--port", port) as again:
        assert again.url == server.url
        ask(again)

    assert len(ledger.read_text().splitlines()) == 2


def test_a_change_that_nobody_knows_is_refused() -> None:
    """A misspelt field would otherwise test nothing."""
    with running() as server, pytest.raises(urllib.error.HTTPError) as refused:
        server.change(outage=True)

    with refused.value as answer:
        assert answer.code == 400
        assert b"outage" in answer.read()
