"""The operator as a process of its own, with a provider that keeps a ledger."""

import argparse
import sys
from pathlib import Path

from capscan.cli.operator import run_operator
from capscan.settings import Settings
from tests.providers import LedgerProvider


def main() -> int:
    """Parse the flags, run until signalled."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--fail", default="")
    parser.add_argument("--unavailable", default="")
    parser.add_argument("--probe-port", type=int)
    flags = parser.parse_args()
    settings = Settings(kubeconfig=flags.kubeconfig, probe_port=flags.probe_port, log_level="debug")
    provider = LedgerProvider(flags.ledger, flags.latency, flags.fail, flags.unavailable)
    return run_operator(settings, provider)


if __name__ == "__main__":
    sys.exit(main())
