"""`capscan operator`: the operator in the foreground; what the container runs."""

import logging
import signal
import sys

import anyio
import click

from capscan.app import Application
from capscan.core.errors import NoCluster
from capscan.handlers import watch_with_kopf
from capscan.inference.heuristic import OfflineAnalysis
from capscan.kube.config import ClusterSettings
from capscan.scan.ports import Provider
from capscan.settings import Settings

logger = logging.getLogger("capscan")

EXIT_UNREACHABLE = 3


@click.command()
@click.option("--kubeconfig", metavar="FILE", help="Default: as kubectl, or the pod's account.")
@click.option("--context", metavar="NAME", help="A context of the kubeconfig.")
@click.option("--probe-port", type=click.IntRange(0, 65535), help="Serve /livez and /readyz there.")
@click.option("--verbose", is_flag=True, help="Log every item, not only runs and failures.")
def operator(
    kubeconfig: str | None, context: str | None, probe_port: int | None, verbose: bool
) -> None:
    """Run the operator in the foreground until it is told to stop."""
    configure_logging(verbose=verbose)
    settings = Settings(cluster=ClusterSettings(kubeconfig, context), probe_port=probe_port)
    sys.exit(run_operator(settings, OfflineAnalysis()))


def configure_logging(*, verbose: bool = False) -> None:
    """Lines for people, on standard error."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", level=logging.INFO, force=True
    )
    logging.getLogger("capscan").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("kopf").setLevel(logging.ERROR)


def run_operator(settings: Settings, provider: Provider) -> int:
    """Run until SIGTERM or SIGINT; the exit code. Tests and benchmarks bring their own provider."""
    try:
        anyio.run(_until_signalled, Application(settings, provider=provider, watch=watch_with_kopf))
    except NoCluster as error:
        click.echo(f"capscan: {error}", err=True)
        return EXIT_UNREACHABLE
    return 0


async def _until_signalled(application: Application) -> None:
    stop = anyio.Event()

    async def listen() -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                if stop.is_set():
                    logger.warning("told to stop again: stopping at once")
                    group.cancel_scope.cancel()
                logger.info("told to stop by %s", signal.Signals(number).name)
                stop.set()

    await application.connect()
    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        await application.run(stop)
        group.cancel_scope.cancel()
