"""`capscan operator` as a command: its flags, and what it says before there is a cluster."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from capscan.settings import PREFIX, Settings, flag, variable

COMMAND = (sys.executable, "-m", "capscan", "operator")


def run(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the operator with no settings but these, and no kubeconfig."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    return subprocess.run(
        [*COMMAND, *args],
        env=kept | {"KUBECONFIG": os.devnull} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_setting_with_its_variable() -> None:
    """The model is the list."""
    said = run("--help", COLUMNS="400").stdout

    assert [
        n for n in Settings.model_fields if flag(n) not in said or variable(n) not in said
    ] == []


def test_wrong_settings_are_wrong_use(tmp_path: Path) -> None:
    """The exit code is 2, every mistake has a line of its own, and there is no traceback."""
    config = tmp_path / "config.yaml"
    config.write_text("logLevel: loud\n")

    done = run("--config", str(config), "--probe-port=http", CAPSCAN_DRAIN_SECONDS="-1")

    assert done.returncode == 2
    assert "--probe-port is http: write a whole number from 0 to 65535\n" in done.stderr
    assert "CAPSCAN_DRAIN_SECONDS is -1: write a number from 0 to 3600\n" in done.stderr
    assert f"logLevel in {config} is loud: write debug, info, warning or error\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_key_that_is_no_setting_is_wrong_use(tmp_path: Path) -> None:
    """The message names the nearest setting."""
    config = tmp_path / "config.yaml"
    config.write_text("probeprot: 8080\n")

    done = run("--config", str(config))

    assert done.returncode == 2
    assert "no setting is called probeprot; did you mean probePort?" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_line_says_what_is_set() -> None:
    """It is one line, whether the start succeeds or not; `--verbose` is a log level."""
    done = run("--verbose", "--context=prod", CAPSCAN_PROBE_PORT="0")

    first = done.stderr.splitlines()[0]
    assert done.returncode == 3
    assert first.endswith(
        "INFO    capscan: starts with context: prod, probePort: 0, drainSeconds: 8.0, "
        "logFormat: text, logLevel: debug"
    )


def test_a_variable_that_is_no_setting_is_a_warning() -> None:
    """Its value may be anything, and is not repeated."""
    done = run(CAPSCAN_DRAIN_SECOND="hush")

    assert "WARNING capscan: CAPSCAN_DRAIN_SECOND is set, and is no setting; " in done.stderr
    assert "did you mean CAPSCAN_DRAIN_SECONDS?" in done.stderr
    assert "hush" not in done.stderr


def test_every_line_is_json_where_that_is_asked_for() -> None:
    """The line on why it cannot start is JSON too."""
    done = run("--log-format=json")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines[0]["configuration"] == {
        "drainSeconds": 8.0,
        "logFormat": "json",
        "logLevel": "info",
    }
    assert (lines[-1]["level"], lines[-1]["logger"]) == ("error", "capscan")
    assert "no cluster to talk to" in lines[-1]["message"]


KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {token: hush-hush}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def test_a_probe_port_that_is_taken_is_wrong_use(tmp_path: Path) -> None:
    """It is told in one line, though it shows only once the operator runs."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)

    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("--kubeconfig", str(kubeconfig), f"--probe-port={port}", "--log-format=json")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 2
    assert lines[-1]["message"].startswith(f"probePort {port} cannot be served: ")
    assert lines[-1]["message"].endswith("address already in use")
    assert "hush" not in done.stderr


class Teapot(BaseHTTPRequestHandler):
    """A server that is no API server."""

    def do_GET(self) -> None:
        """Refuse the request."""
        self.send_error(418)

    def log_message(self, *_: object) -> None:
        """Log nothing to the terminal."""


def test_an_answer_that_nobody_expects_is_told_and_waited_for(tmp_path: Path) -> None:
    """Somebody may be mending the server at this moment."""
    kubeconfig = tmp_path / "kubeconfig"
    with ThreadingHTTPServer(("127.0.0.1", 0), Teapot) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kubeconfig.write_text(KUBECONFIG.replace("127.0.0.1:1", f"127.0.0.1:{server.server_port}"))
        with subprocess.Popen(
            [*COMMAND, "--kubeconfig", str(kubeconfig), "--log-format=json"],
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr
            told = next(line for line in process.stderr if "cannot be listed" in line)
            process.terminate()
            rest = process.stderr.read()
        server.shutdown()

    assert "418" in json.loads(told)["message"]
    assert process.returncode == 0
    assert "hush" not in told + rest


def test_the_text_of_a_broken_kubeconfig_is_not_logged(tmp_path: Path) -> None:
    """Nor is it logged where the file is taken for the file of settings."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text("users:\n- user: {token: hush-hush\n  name: [\n")

    as_itself = run("--kubeconfig", str(kubeconfig), "--verbose")
    as_settings = run("--config", str(kubeconfig))

    assert (as_itself.returncode, as_settings.returncode) == (3, 2)
    assert "hush" not in as_itself.stderr + as_settings.stderr
