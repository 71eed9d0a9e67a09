"""`python -m demos.gate`."""

from pathlib import Path

import click

from capscan.cli import Cannot
from capscan.core.errors import CapscanError
from demos.gate.setting import Setting
from demos.gate.show import Showing


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".cache/demo-gate"),
    show_default=True,
    help="Where the control plane's data lies.",
)
@click.option("--crds", type=click.IntRange(20, 2000), default=600, show_default=True)
@click.option(
    "--outage",
    "outage_s",
    type=click.FloatRange(2, 60),
    default=8.0,
    show_default=True,
    help="How long the model server is down, in seconds.",
)
@click.option("--keep", is_flag=True, envvar="KEEP", show_envvar=True, help="Leave it running.")
def main(folder: Path, crds: int, outage_s: float, *, keep: bool) -> None:
    """Show how capscan keeps to limits that nobody told it, and sits an outage out."""
    try:
        Showing(folder, Setting(crds=crds, outage_s=outage_s), keep=keep).run()
    except CapscanError as error:
        raise Cannot(str(error)) from error


main(prog_name="python -m demos.gate")
