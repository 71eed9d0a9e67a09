"""`make demo-gate`, shortened: the gate against limits it is not told, and an outage.

It is shown once for all tests that look at it.
"""

import os
import pty
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.demos import processes, read_until

ROOT = Path(__file__).parents[2]
SHORT = (sys.executable, "-m", "demos.gate", "--crds", "90", "--outage", "3")
SHOWING_S = 100

pytestmark = pytest.mark.usefixtures("programs")


@dataclass(frozen=True)
class Showing:
    """One showing that has come to its end."""

    folder: Path
    done: subprocess.CompletedProcess[str]

    @property
    def said(self) -> str:
        return self.done.stdout


@pytest.fixture(scope="module")
def showing(tmp_path_factory: pytest.TempPathFactory) -> Showing:
    folder = tmp_path_factory.mktemp("demo-gate") / "a folder with spaces"
    done = subprocess.run(
        [*SHORT, "--dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=SHOWING_S, check=False,
    )  # fmt: skip
    return Showing(folder, done)


def test_the_gate_rides_out_an_outage(showing: Showing) -> None:
    """Nothing is lost, and little is wasted."""
    assert showing.done.returncode == 0, showing.said + showing.done.stderr
    assert re.search(r"everything +Completed +90/90 +0 ", showing.said)
    for row in ("lost             0\n", "answered twice   0\n", "the circuit was open\n"):
        assert row in showing.said
    assert re.search(r"in the outage +[1-9]\d* wasted", showing.said)


def test_the_outage_is_seen_in_the_status_of_the_provider_and_of_the_scan(showing: Showing) -> None:
    assert re.search(r"fake +False .* Open ", showing.said)
    assert "Waiting for fake" in showing.said


def test_what_is_shown_without_a_terminal_is_plain_text(showing: Showing) -> None:
    assert "\x1b" not in showing.said + showing.done.stderr


def test_a_showing_leaves_nothing_behind(showing: Showing) -> None:
    assert processes(showing.folder) == []
    assert not showing.folder.exists()


def test_ctrl_c_stops_the_model_server_too(tmp_path: Path) -> None:
    """It comes on a terminal, in the middle of the scan."""
    folder = tmp_path / "interrupted"
    child, terminal = pty.fork()
    if child == 0:
        # Where the suite runs in the background, a shell has it ignore Ctrl-C, and so its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(ROOT)
        os.execv(SHORT[0], [*SHORT, "--dir", str(folder)])

    said = read_until(terminal, "the scan ─")
    os.write(terminal, b"\x03")
    said += read_until(terminal, None)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0, said
    assert processes(folder) == []
    assert not folder.exists()
