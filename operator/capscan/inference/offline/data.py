"""Reads the tables beside this module: what is known of words, topics, vendors and services."""

from importlib import resources
from typing import Any

import yaml


def read_data(name: str) -> Any:  # noqa: ANN401 - a table of any shape
    """Return one table. It is parsed with each call, so callers keep what they make of it."""
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    # The tables are part of the program; the C loader is ten times as fast where there is one.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
