"""The command line. Each command's module is imported when the command is used, not before:
`capscan local env` runs in every new shell and must not wait for the Kubernetes client.

A new command is one line in `COMMANDS`.
"""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from capscan.core.errors import CapscanError

EXIT_CANNOT = 3
"""Cannot reach or not allowed. 0: done; 1: done, with failures; 2: wrong use (click's own)."""


class Entry(NamedTuple):
    """Where a command lives, as `module:attribute`, and its line in `capscan --help`."""

    target: str
    help: str


COMMANDS = {
    "operator": Entry("capscan.cli.operator:operator", "The operator, in the foreground."),
    "demo": Entry(
        "capscan.cli.demo.show:demo", "The main job, shown step by step on this machine."
    ),
    "doctor": Entry(
        "capscan.cli.doctor:doctor", "What this machine lacks for a demo, if anything."
    ),
    "local": Entry("capscan.cli.local:local", "A Kubernetes API server on this machine."),
}


class Cannot(click.ClickException):
    """What capscan could not do, as one message without a traceback."""

    exit_code = EXIT_CANNOT


class LazyGroup(click.Group):
    """Knows its commands from the table, and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except CapscanError as error:
            raise Cannot(str(error)) from error


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="capscan", message="%(package)s %(version)s")
def main() -> None:
    """Tell what a Kubernetes cluster can do, from its CustomResourceDefinitions."""
