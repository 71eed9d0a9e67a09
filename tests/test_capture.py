"""The recording of the demo: what makes it, and what lies in docs/."""

import json
import re
import socket
import sys
from pathlib import Path
from xml.etree import ElementTree

from docs import capture

DOCS = Path(__file__).parents[1] / "docs"


def recorded() -> list[tuple[float, str]]:
    header, *rows = (DOCS / "demo.cast").read_text(encoding="utf-8").splitlines()
    assert json.loads(header)["version"] == 2
    return [(time_s, said) for time_s, kind, said in map(json.loads, rows) if kind == "o"]


def drawn() -> str:
    """Return the words of the picture, one line for each row of the terminal."""
    root = ElementTree.parse(DOCS / "demo.svg").getroot()
    rows: dict[float, str] = {}
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        y = float(text.get("y", "0"))
        rows[y] = rows.get(y, "") + "".join(text.itertext()).replace("\u00a0", " ")
    return "\n".join(rows.values())


def test_the_recording_is_that_of_a_demo_from_beginning_to_end() -> None:
    times = [time_s for time_s, _ in recorded()]
    said = "".join(said for _, said in recorded())

    assert times == sorted(times)
    assert said.startswith("capscan, as one uses it")
    assert "100 from 18 API groups" in said
    assert re.search(r"That took \d+ s\.\s*$", said)


def test_the_picture_shows_the_bar_beside_what_kubectl_prints() -> None:
    """It shows also what was found, and is made of nothing but the recording."""
    lines = drawn().splitlines()
    said = "".join(said for _, said in recorded())

    assert any("its status" in line and "what kubectl prints" in line for line in lines)
    assert any("100/100" in line for line in lines)
    assert any("100 from 18 API groups" in line for line in lines)
    drawn_anew = capture.picture(capture.sections(capture.screen(said)))
    assert drawn_anew == (DOCS / "demo.svg").read_text(encoding="utf-8")


def test_neither_recording_nor_picture_names_the_machine() -> None:
    """They have no absolute path, no address but the loopback's, and no place to fetch from."""
    svg = (DOCS / "demo.svg").read_text(encoding="utf-8")
    for text in ("".join(said for _, said in recorded()), svg):
        paths = re.findall(r"(?<![\w.~/<:-])/[a-zA-Z_][\w.-]*/[\w./-]*", text)
        assert paths == []
    assert re.findall(r"https?://(?!www\.w3\.org|www\.textualize\.io)[^\s\"]+", svg) == []


def test_the_readme_quotes_the_recording() -> None:
    """The quote is shortened, and short enough to be read."""
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(r"```\n(\$ kubectl get capability .*?)```", readme, re.DOTALL)
    lines = [line for line in quoted.splitlines() if line.strip() != "…"]
    shown = capture.screen("".join(said for _, said in recorded()))
    plain = {re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in shown}

    assert len(quoted.splitlines()) <= 25
    assert [line for line in lines if line.strip() not in plain or len(line) > 100] == []


def test_a_line_that_was_drawn_again_is_seen_once() -> None:
    """This is what a terminal would show in the end."""
    assert capture.screen("waiting: 1s\r\x1b[Kwaiting: 2s\r\x1b[Kdone\r\n") == ["done", ""]
    assert capture.screen("a\r\nb\r\x1b[2K\x1b[1A\x1b[2Kc\r\nd\r\n") == ["c", "d", ""]
    assert capture.screen("old text\r\x1b[1mnew\x1b[0m") == ["\x1b[1mnew\x1b[0m"]


def test_what_a_terminal_is_told_is_recorded_with_its_time() -> None:
    """The command believes that it has a terminal, of the size that the recording names."""
    code = "import os, sys; print(os.get_terminal_size().columns, sys.stdout.isatty()); sys.exit(3)"

    events, exit_code = capture.record([sys.executable, "-c", code])

    assert "".join(said for _, said in events) == "100 True\r\n"
    assert exit_code == 3


def test_a_recording_that_names_the_user_is_not_kept() -> None:
    assert capture.leaks(f"see {Path.cwd()}/notes") != []
    assert capture.leaks(f"owner: {socket.gethostname()}/8630e128") != []
    assert capture.leaks("see ~/notes") == []
