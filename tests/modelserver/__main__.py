"""`python -m tests.modelserver`: prints its address, then serves until SIGTERM or SIGINT."""

import argparse
import asyncio
import json
import signal
import ssl
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.modelserver.behaviour import Behaviour
from tests.modelserver.ledger import Ledger
from tests.modelserver.server import ModelServer


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.modelserver", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--behaviour", default="{}", help="a Behaviour as JSON")
    parser.add_argument("--latency", type=float, help="mean, in seconds")
    parser.add_argument("--sigma", type=float, default=0.0, help="shape of the lognormal")
    parser.add_argument("--requests-per-minute", type=float, help="with a minute's burst")
    parser.add_argument("--in-flight-max", type=int, help="more at once is overload")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--ledger", type=Path, help="one JSON line per call, appended")
    parser.add_argument("--cert", type=Path, help="PEM; serves HTTPS")
    parser.add_argument("--key", type=Path, help="PEM of its key")
    return parser.parse_args()


def behaviour(chosen: argparse.Namespace) -> Behaviour:
    """--behaviour, with what the other flags say over it. ValueError where that is none."""
    told = json.loads(chosen.behaviour)
    if chosen.latency is not None:
        told["latency"] = {"mean_s": chosen.latency, "sigma": chosen.sigma}
    if chosen.requests_per_minute is not None:
        rate = {"per_minute": chosen.requests_per_minute}
        told["limits"] = told.get("limits", {}) | {"requests": rate}
    for name in ("in_flight_max", "seed"):
        if (value := getattr(chosen, name)) is not None:
            told[name] = value
    return Behaviour.model_validate(told)


def certificate(chosen: argparse.Namespace) -> ssl.SSLContext | None:
    """Return the certificate to serve HTTPS with; None where that is not wanted."""
    if not chosen.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chosen.cert, chosen.key)
    return context


async def main() -> None:
    """Serve until told to stop."""
    chosen = options()
    try:
        told = behaviour(chosen)
    except ValueError as error:
        sys.exit(f"--behaviour: {error}")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with ExitStack() as opened:
        file = opened.enter_context(chosen.ledger.open("a")) if chosen.ledger else None
        tls, ledger = certificate(chosen), Ledger(file)
        async with ModelServer(told, port=chosen.port, tls=tls, ledger=ledger) as server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
