"""Real CRDs, where CAPSCAN_CORPUS names the folder that holds them; nothing of them lies here."""

import json
import os
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

needs_corpus = pytest.mark.skipif(
    not os.environ.get("CAPSCAN_CORPUS"),
    reason="CAPSCAN_CORPUS does not name the folder with the corpus of real CRDs",
)


_GUESSED = {"tag:yaml.org,2002:value", "tag:yaml.org,2002:timestamp"}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As the API server reads YAML: a bare `=` and what looks like a date are strings."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag not in _GUESSED]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str) -> Any:
    """Return one document in YAML or JSON."""
    return yaml.load(text, Loader=_Loader)


def folder() -> Path:
    return Path(os.environ["CAPSCAN_CORPUS"])


@cache
def bodies(part: str) -> dict[str, dict[str, Any]]:
    """Return all CRDs of `dev` or `stress`, by name."""
    with tarfile.open(folder() / f"{part}.tar.xz") as archive:
        found = [read_yaml(text) for text in _texts(archive)]
    return {body["metadata"]["name"]: body for body in found}


def _texts(archive: tarfile.TarFile) -> Iterator[str]:
    for member in archive:
        stream = archive.extractfile(member)
        if stream:
            yield stream.read().decode()


def labels() -> list[dict[str, Any]]:
    """What a good analysis of each CRD of `dev` says, written by hand."""
    lines = (folder() / "dev_labels.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
