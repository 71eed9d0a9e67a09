"""The live view, from what kubectl printed."""

import io
import json
from typing import Any

import pytest
from rich.console import Console

from capscan.cli.demo.screen import Screen, first_rows
from capscan.cli.demo.watch import View, bar, scans
from capscan.model import CapabilityScan, ScanStatus

HEAD = "NAME         PHASE   PROGRESS   FAILED   ETA   AGE\n"
END = "everything   Completed     100/100    0              3s\n"


def status(phase: str = "Scanning", **fields: Any) -> dict[str, Any]:
    counts = {"total": 100, "completed": 40, "failed": 2, "inFlight": 10, "summary": "42/100"}
    return {"observedGeneration": 1, "phase": phase, "progress": counts, **fields}


def watched(*statuses: dict[str, Any]) -> list[CapabilityScan]:
    """Return the objects as kubectl prints them: indented, one after another."""
    objects = [
        {"metadata": {"name": "everything", "uid": "u"}, "status": status} for status in statuses
    ]
    text = "".join(json.dumps(item, indent=4) + "\n" for item in objects)
    return list(scans(text.splitlines(keepends=True)))


def terminal(width: int, **options: Any) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=True, **options)


def shown(console: Console, what: Any) -> str:
    with console.capture() as captured:
        console.print(what)
    return captured.get()


def test_every_object_of_a_watch_is_seen() -> None:
    phases = [scan.status.phase for scan in watched(status(), status("Completed"))]

    assert phases == ["Scanning", "Completed"]


def test_the_bar_says_what_the_status_says() -> None:
    """It shows counts, failures, rate and time left."""
    scan = watched(status(eta="3s", throughputPerMinute=1234.4))[0]
    text = shown(Console(width=28, file=io.StringIO()), bar(scan.status))
    words = text.split()

    for expected in ("Scanning", "42/100", "40", "2", "10", "1,234", "3s"):
        assert expected in words


def test_a_value_that_the_status_lacks_is_a_dash() -> None:
    """The view does not guess."""
    text = shown(Console(width=28, file=io.StringIO()), bar(ScanStatus()))

    assert text.split().count("–") == 3


@pytest.mark.parametrize(("width", "beside"), [(120, True), (80, False)])
def test_both_views_are_on_the_screen(width: int, beside: bool) -> None:
    """They stand side by side where there is room."""
    console = terminal(width, no_color=True)
    view = View()
    view.take(HEAD)
    view.take(END)
    view.take(watched(status())[0])
    lines = shown(console, view.render(Screen(console))).splitlines()
    titles = [line for line in lines if "its status" in line or "what kubectl prints" in line]

    assert len(titles) == (1 if beside else 2)
    assert any("42/100" in line for line in lines)
    assert any("Completed     100/100" in line for line in lines)
    assert max(map(len, lines)) <= width + 8, "a line is wider than the terminal"


def test_the_head_of_the_table_stays_when_its_lines_move_on() -> None:
    view = View()
    view.take(HEAD)
    for number in range(50):
        view.take(f"everything   Scanning      {number}/100\n")
    text = shown(terminal(120), view.render(Screen(terminal(120))))

    assert "PROGRESS" in text
    assert "49/100" in text
    assert " 1/100" not in text


def test_the_end_is_waited_for_on_both_sides() -> None:
    view = View()
    view.take(END)
    assert not view.ended

    view.take(watched(status("Completed"))[0])

    assert view.ended


def test_nothing_but_text_goes_into_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """This holds also where the environment asks for colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    screen = Screen()

    screen.heading("A step")
    screen.command("kubectl get [red]nodes[/red]")
    screen.output("x" * 300)

    said = capsys.readouterr().out
    assert not screen.live
    assert "\x1b" not in said
    assert "   $ kubectl get [red]nodes[/red]\n" in said
    assert "x" * 300 in said


def test_what_strangers_wrote_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    """A CRD's description may hold what moves a cursor or changes the window's title."""
    screen = Screen()

    screen.output("a\x1b[2J\tb\x9b31m")
    screen.note("c\x1b]0;title\x07")

    assert capsys.readouterr().out == "   a\\x1b[2J   b\\x9b31m\n   c\\x1b]0;title\\x07\n"


def test_a_status_with_markup_in_it_is_shown_as_it_is() -> None:
    """Whoever may write the status may write anything into its texts."""
    console = terminal(100)
    forged = watched({"progress": {"summary": "[bold]1/2\x1b[2J"}, "eta": "[red]1m"})

    text = shown(console, bar(forged[0].status))

    assert "[bold]1/2\\x1b[2J" in text
    assert "[red]1m" in text


def test_no_color_is_honoured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bold is no colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    console = terminal(100)

    text = shown(console, bar(watched(status())[0].status))

    assert "\x1b[3" not in text


def test_a_table_of_kubectl_is_cut_and_the_rest_counted() -> None:
    assert first_rows("NAME\na\nb\nc\n", 2) == ("NAME\na\nb", 1)
    assert first_rows("NAME\na\n", 2) == ("NAME\na", 0)
