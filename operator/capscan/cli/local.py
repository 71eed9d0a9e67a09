"""`capscan local`: a real Kubernetes API server on this machine, for trying things and for tests.

What is meant for `eval` and for scripts goes to standard output, everything else to standard
error.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from capscan import exits
from capscan.cli.program import program
from capscan.localplane.errors import ForeignFolder
from capscan.localplane.plane import Plane, ServerStatus

DEFAULT_FOLDER = Path(".cache/plane")

folder_option: Callable[[Any], Any] = click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CAPSCAN_PLANE_DIR",
    default=DEFAULT_FOLDER,
    show_default=True,
    show_envvar=True,
    help="Where its data lies.",
)


@click.group(no_args_is_help=True)
def local() -> None:
    """A Kubernetes API server on this machine: etcd and kube-apiserver, no containers, no nodes.

    It is for trying capscan and for its tests. Objects are stored and validated as in any
    cluster, but nothing runs a Pod.
    """


@local.command()
@folder_option
@click.option("--gc", is_flag=True, help="Also run the garbage collector (a controller manager).")
def up(folder: Path, gc: bool) -> None:
    """Start it, or what of it does not run; the data of an earlier start is kept.

    The programs come from KUBEBUILDER_ASSETS, from PATH or from the cache. The first time they are
    downloaded in the official archive (CAPSCAN_ARCHIVE_URL names a mirror) or, where that cannot
    be had, built from source: that takes about ten minutes. `capscan doctor` says which.
    """
    try:
        info = Plane(folder).up(gc=gc)
    except ForeignFolder as error:
        raise click.BadParameter(str(error), param_hint="--dir") from error
    click.echo(f"API server: {info.server}")
    click.echo(f'  use it     eval "$({program()} local env{_dir(folder)})"')
    click.echo(f"  remove it  {program()} local down{_dir(folder)}")


@local.command()
@folder_option
def down(folder: Path) -> None:
    """Stop what `up` started, and remove its data for good."""
    if Plane(folder).down():
        click.echo("the control plane is stopped and its data removed")
    else:
        click.echo(f"there is no control plane in {folder}: nothing to stop")


@local.command()
@folder_option
def status(folder: Path) -> None:
    """Show its programs. Exit code 0 if all are ready, otherwise 3."""
    servers = Plane(folder).status()
    if not servers:
        click.echo(f"there is no control plane in {folder}", err=True)
        sys.exit(exits.CANNOT)
    click.echo(_table(servers))
    if any(server.state != "Ready" for server in servers):
        sys.exit(exits.CANNOT)


@local.command()
@folder_option
def env(folder: Path) -> None:
    """Print what makes kubectl use it:  eval "$(capscan local env)"."""
    info = Plane(folder).info()
    click.echo(f"export KUBECONFIG={shlex.quote(str(info.kubeconfig))}")
    click.echo(f'export PATH={shlex.quote(str(info.kubectl.parent))}{os.pathsep}"$PATH"')


def _dir(folder: Path) -> str:
    """Return the option as the user must repeat it; empty where it need not be repeated."""
    if folder == DEFAULT_FOLDER or os.environ.get("CAPSCAN_PLANE_DIR") == str(folder):
        return ""
    return f" --dir {shlex.quote(str(folder))}"


def _table(servers: Sequence[ServerStatus]) -> str:
    rows = [("NAME", "PID", "PORT", "STATE")]
    rows += [(one.name, str(one.pid), str(one.port or "-"), one.state) for one in servers]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
