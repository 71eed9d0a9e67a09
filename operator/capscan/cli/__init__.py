"""The command line: two programs that share one table of commands.

`capscan` has every command. `kubectl-capscan`, which kubectl runs as `kubectl capscan`, has those
that make sense to a user of a cluster who has no checkout.

To add a command: write it as a click command in a module of its own, `cli/NAME.py`, and add it to
COMMANDS. The module is imported when the command is used, not before: `capscan local env` runs in
every new shell and must not wait for the Kubernetes client. Exit codes are in `capscan/exits.py`; a
command that raises CapscanError or `Cannot` ends with code 3.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import NamedTuple

import click

from capscan import exits
from capscan.core.errors import CapscanError


class Entry(NamedTuple):
    """One command of the table."""

    target: str
    """Where it is, as `module:attribute`."""
    help: str
    """Its line in `--help`."""
    in_plugin: bool
    """Whether `kubectl capscan` has it too."""


COMMANDS = {
    "operator": Entry(
        "capscan.cli.operator:operator", "The operator, in the foreground.", in_plugin=False
    ),
    "demo": Entry(
        "capscan.cli.demo.show:demo",
        "The main job, shown step by step on this machine.",
        in_plugin=False,
    ),
    "doctor": Entry(
        "capscan.cli.doctor:doctor",
        "What this machine lacks for a demo, if anything.",
        in_plugin=True,
    ),
    "local": Entry(
        "capscan.cli.local:local", "A Kubernetes API server on this machine.", in_plugin=False
    ),
}


class Cannot(click.ClickException):
    """What capscan could not do, as one message without a traceback."""

    exit_code = exits.CANNOT


class LazyGroup(click.Group):
    """A program that knows its commands from a table, and imports the one that is asked for."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        super().__init__(
            help="Tell what a Kubernetes cluster can do, from its CustomResourceDefinitions.",
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.entries:
            return None
        module, _, attribute = self.entries[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in self.entries.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CapscanError as error:
            raise Cannot(str(error)) from error


_with_version = click.version_option(package_name="capscan", message="%(package)s %(version)s")

main = _with_version(LazyGroup(COMMANDS))
"""The program `capscan`."""

plugin = _with_version(LazyGroup({k: entry for k, entry in COMMANDS.items() if entry.in_plugin}))
"""The program `kubectl-capscan`."""


def run_plugin() -> None:
    """Run `kubectl-capscan`, under the name that its user types."""
    plugin(prog_name="kubectl capscan")
