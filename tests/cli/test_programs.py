"""The two programs of the package, each as a process of its own: which commands they have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from capscan.cli import COMMANDS, main

BIN = Path(sys.executable).parent
IN_PLUGIN = [name for name, entry in COMMANDS.items() if entry.in_plugin]
NOT_IN_PLUGIN = [name for name, entry in COMMANDS.items() if not entry.in_plugin]


def run(program: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / program, *args], capture_output=True, text=True, timeout=60, check=False
    )


def listed(program: str) -> dict[str, str]:
    """Return the commands that the program's help shows, each with its line."""
    shown = run(program, "--help").stdout
    lines = shown.partition("Commands:")[2].splitlines()[1:]
    return dict(line.split(maxsplit=1) for line in lines)


def test_capscan_has_every_command_of_the_table() -> None:
    assert listed("capscan") == {name: entry.help for name, entry in COMMANDS.items()}


def test_the_plugin_has_the_commands_that_the_table_gives_it() -> None:
    assert listed("kubectl-capscan") == {name: COMMANDS[name].help for name in IN_PLUGIN}
    assert {"operator", "local", "demo"} == set(NOT_IN_PLUGIN)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_can_be_imported(name: str) -> None:
    """A typing error in the table would show only when the command is used."""
    assert main.get_command(None, name).name == name  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize("name", NOT_IN_PLUGIN)
def test_a_command_that_the_plugin_has_not_is_wrong_use(name: str) -> None:
    """The exit code is 2; the usage has the name that the user of kubectl types."""
    done = run("kubectl-capscan", name)

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "Usage: kubectl capscan [OPTIONS] COMMAND [ARGS]...\n"
        "Try 'kubectl capscan --help' for help.\n"
        "\n"
        f"Error: No such command '{name}'.\n"
    )


def test_a_command_of_the_plugin_has_the_plugin_in_its_usage() -> None:
    done = run("kubectl-capscan", "doctor", "--help")

    assert done.stdout.startswith("Usage: kubectl capscan doctor ")


@pytest.mark.parametrize("program", ["capscan", "kubectl-capscan"])
def test_both_programs_are_of_the_same_version(program: str) -> None:
    done = run(program, "--version")

    assert done.stdout.startswith("capscan ")
    assert done.stdout == run("capscan", "--version").stdout
