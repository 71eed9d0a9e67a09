"""`capscan doctor`: what a demo needs, and what of it this machine has."""

from __future__ import annotations

import sys

import click

from capscan.localplane.doctor import examine, exit_code, look, report


@click.command()
def doctor() -> None:
    """Say what is there, what is missing and what to do. Downloads and builds nothing.

    Exit code 0 if a demo would work, otherwise 3.
    """
    machine = look()
    findings = examine(machine)
    click.echo(report(findings, machine))
    sys.exit(exit_code(findings))
