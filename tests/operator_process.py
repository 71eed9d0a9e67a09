"""The operator as a process of its own, with a provider that keeps a ledger."""

import argparse
import sys
from pathlib import Path

from capscan.cli.operator import run_operator
from capscan.settings import Settings
from tests.providers import LedgerProvider


def provider_flags() -> argparse.ArgumentParser:
    """Return flags that say which cluster is used and what the provider is like."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--ends", type=Path)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--sigma", type=float, default=0.0)
    parser.add_argument("--flaky", type=float, default=0.0)
    parser.add_argument("--fail", default="")
    parser.add_argument("--unavailable", default="")
    return parser


def provider(flags: argparse.Namespace) -> LedgerProvider:
    """Return the provider that the flags describe."""
    return LedgerProvider(
        ledger=flags.ledger,
        ends=flags.ends,
        latency_s=flags.latency,
        sigma=flags.sigma,
        flaky=flags.flaky,
        fail=flags.fail,
        unavailable=flags.unavailable,
    )


def main() -> int:
    """Parse the flags and run until signalled; return the exit code."""
    parser = argparse.ArgumentParser(parents=[provider_flags()])
    parser.add_argument("--probe-port", type=int)
    flags = parser.parse_args()
    settings = Settings(kubeconfig=flags.kubeconfig, probe_port=flags.probe_port, log_level="debug")
    return run_operator(settings, provider(flags))


if __name__ == "__main__":
    sys.exit(main())
