"""`capscan operator`: the operator in the foreground; what the container runs."""

import logging
import signal
import sys
from collections.abc import Callable

import anyio
import click

from capscan import exits
from capscan.app import Application
from capscan.core.errors import WrongSettings
from capscan.core.kube_errors import NoCluster
from capscan.handlers import watch_with_kopf
from capscan.inference.offline.heuristic import OfflineAnalysis
from capscan.logs import configure_logging
from capscan.scan.ports import Provider
from capscan.settings import Settings, flag, unknown_variables, variable

logger = logging.getLogger("capscan")


def flags_of(model: type[Settings]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag for each setting. The values are checked in `Settings.load`, together
    with those of the other sources. No default is shown: it may be a secret.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name, field in reversed(model.model_fields.items()):
            text = f"{field.description} [{variable(name)}; {model.wanted(name)}]"
            command = click.option(flag(name), metavar="VALUE", help=text)(command)
        return command

    return decorate


@click.command()
@flags_of(Settings)
@click.option("--verbose", is_flag=True, help="The same as --log-level debug.")
def operator(*, verbose: bool, **flags: str | None) -> None:
    """Run the operator in the foreground until it is told to stop.

    A flag wins over the environment, and that over the file that --config names.
    """
    if verbose:
        flags["log_level"] = flags["log_level"] or "debug"
    try:
        settings = Settings.load(flags)
    except WrongSettings as error:
        raise click.UsageError(str(error)) from error
    sys.exit(run_operator(settings, OfflineAnalysis()))


def run_operator(settings: Settings, offline: Provider) -> int:
    """Run until SIGTERM or SIGINT; return the exit code. Tests and benchmarks bring their own
    analysis.
    """
    configure_logging(settings.log_level, settings.log_format)
    _say_what_is_set(settings)
    try:
        anyio.run(_until_signalled, Application(settings, offline=offline, watch=watch_with_kopf))
    except NoCluster as error:
        logger.error("%s", error)
        return exits.CANNOT
    except ExceptionGroup as group:
        if (wrong := group.subgroup(WrongSettings)) is None:
            logger.exception("the operator ended by a bug")
            return exits.WITH_FAILURES
        logger.error("%s", wrong.exceptions[0])
        return exits.WRONG_USE
    return exits.DONE


def _say_what_is_set(settings: Settings) -> None:
    shown = settings.shown()
    text = ", ".join(f"{name}: {value}" for name, value in shown.items())
    logger.info("starts with %s", text, extra={"configuration": shown})
    for sentence in unknown_variables():
        logger.warning("%s", sentence)


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
