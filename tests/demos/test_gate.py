"""What `make demo-gate` counts and says of it."""

import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from capscan.model import Circuit, Condition, Phase, ProviderStatus, ScanStatus
from demos.gate.books import Books, Ledger
from demos.gate.panels import Seen, books_line, draw, sparkline
from demos.gate.server import Server
from demos.gate.setting import REQUESTS_PER_MINUTE, Setting
from demos.gate.verdict import Verdict
from tests.modelserver.ledger import Call

SETTING = Setting(crds=3, outage_s=2.0)


def call(name: str, status: int = 200, at_s: float = 10.0, latency_s: float = 1.0) -> Call:
    return Call(
        at_s, "/v1/messages", name=name, status=status, latency_s=latency_s, whole=True,
        in_flight=2,
    )  # fmt: skip


def books(*calls: Call) -> Books:
    counted = Books()
    for one in calls:
        counted.take(one, one.at_s + one.latency_s)
    return counted


def verdict(counted: Books, phase: Phase = Phase.COMPLETED) -> Verdict:
    return Verdict(SETTING, ScanStatus(phase=phase), counted, 1.0, circuit_opened=True)


def test_books_count_crds_and_nothing_else() -> None:
    """The operator's question whether a model exists is no request about a CRD."""
    counted = books(call(""), call("a", 529), call("a", at_s=12), call("b", 503), call("b"))

    assert (counted.requests, counted.answered, counted.twice) == (4, 2, 0)
    assert counted.statuses == {529: 1, 503: 1, 200: 2}
    assert counted.makespan_s == pytest.approx(3.0)
    assert counted.began_at_s == 10.0


def test_a_crd_that_was_answered_twice_is_told() -> None:
    assert books(call("a"), call("a"), call("b")).twice == 1


def test_an_answer_that_was_cut_is_none() -> None:
    cut = call("a")
    cut.whole = False

    assert books(cut).answered == 0


def test_the_rate_is_that_of_the_newest_answers() -> None:
    """It counts from the first request on, and ten seconds at most."""
    counted = books(*(call(str(n), at_s=n, latency_s=0.0) for n in range(30)))

    assert counted.per_minute(30.0) == 9 * 6
    assert books(call("a", at_s=0.0)).per_minute(2.0) == 30


def test_a_ledger_is_read_as_it_grows(tmp_path: Path) -> None:
    """A line that is half there is taken when it is whole."""
    path = tmp_path / "ledger"
    line = json.dumps(asdict(call("a"))) + "\n"
    path.write_text(line + line[:20])
    ledger = Ledger(path)
    assert len(list(ledger.news())) == 1
    assert list(ledger.news()) == []

    with path.open("a") as file:
        file.write(line[20:])

    assert list(ledger.news()) == [call("a")]


@pytest.mark.parametrize(
    ("names", "phase", "good"),
    [
        ("abc", Phase.COMPLETED, True),
        ("ab", Phase.COMPLETED, False),
        ("abc", Phase.SCANNING, False),
        ("abc", Phase.COMPLETED_WITH_FAILURES, False),
    ],
)
def test_only_a_completed_scan_with_every_answer_is_a_success(
    names: str, phase: Phase, *, good: bool
) -> None:
    assert verdict(books(*map(call, names)), phase).good is good


def test_the_table_names_what_was_lost_and_fits() -> None:
    lines = verdict(books(call("a"), call("b", 503), call("b", 429))).lines()

    assert "lost             2" in lines
    assert any(line.startswith("rejected         1 too fast") for line in lines)
    assert any(line.startswith("in the outage    1 wasted") for line in lines)
    assert max(map(len, lines)) <= 77


@pytest.mark.parametrize("crds", [20, 90, 600, 2000])
def test_the_outage_comes_before_anybody_can_be_done(crds: int) -> None:
    setting = Setting(crds=crds, outage_s=8.0)

    assert 0 < setting.outage.at_s < setting.bound_s(1e9)
    assert setting.outage.at_s + 8.0 <= setting.bound_s(setting.outage.at_s)


def test_the_server_is_told_of_its_limits_and_every_crd_is_another() -> None:
    names = {body["metadata"]["name"] for body in Setting(crds=600, outage_s=8.0).bodies()}

    assert len(names) == 600
    assert SETTING.behaviour.limits.requests == SETTING.rate
    assert SETTING.rate.per_minute == REQUESTS_PER_MINUTE


def seen() -> Seen:
    told = Seen(Server("http://nowhere", Ledger(Path("nowhere")), books(call("a"))))
    told.scan = ScanStatus(
        phase=Phase.SCANNING,
        message="Waiting for fake: 1/3 settled.",
        conditions=[condition("WaitingForProvider")],
    )
    for limit, circuit in ((16, Circuit.CLOSED), (24, Circuit.CLOSED), (1, Circuit.OPEN)):
        told.take_provider(provider(limit, circuit))
    return told


def condition(reason: str) -> Condition:
    return Condition(
        type="Reconciling", status="True", observed_generation=1, reason=reason, message="",
        last_transition_time="2026-01-01T00:00:00Z",
    )  # fmt: skip


def provider(limit: int, circuit: Circuit) -> ProviderStatus:
    return ProviderStatus(in_flight_limit=limit, circuit=circuit)


def lines_of(width: int, height: int, printed: Iterable[list[str]]) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, no_color=True)
    with console.capture() as captured:
        console.print(draw(seen(), list(printed), width, height))
    return captured.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50)])
def test_all_of_it_fits_the_terminal(width: int, height: int) -> None:
    printed = [[f"HEAD {kind}", *(f"{kind} {n}" for n in range(99))] for kind in ("a", "b")]
    lines = lines_of(width, height, printed)
    text = "\n".join(lines)

    assert len(lines) < height
    for word in ("Scanning", "inFlightLimit", "Open", "529 too many", "Waiting for fake",
                 "HEAD a", "a 98", "HEAD b", "b 98"):  # fmt: skip
        assert word in text


def test_the_changes_of_the_limit_are_kept() -> None:
    told = seen()

    assert told.limits == [16, 24, 1]
    assert told.circuit_opened
    assert told.waiting.startswith("Waiting for fake")
    assert sparkline(told.limits) == "▆█▁"
    assert sparkline([]) == ""


def test_the_books_have_a_line_for_a_pipe() -> None:
    assert "1 answered" in books_line(books(call("a"), call("b", 529)))
    assert "1 x 529" in books_line(books(call("a"), call("b", 529)))
