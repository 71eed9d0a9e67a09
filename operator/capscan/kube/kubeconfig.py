"""Reads kubeconfig files and merges them as kubectl does; nothing is run and nothing is sent.

The rules are those of client-go (package tools/clientcmd): of two entries with one name the one of
the first file wins, whole; the first current-context that is not empty wins; an empty file says
nothing. The types of the entries are in `kubeconfig_entries.py`; what a chosen entry leads to is
decided in `login.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from capscan.core.kube_errors import NoCluster
from capscan.kube.kubeconfig_entries import Cluster, Context, Entry, User

FILE_BYTES_MAX = 16 * 2**20

_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry as it was written, and the folder that its relative paths start from."""

    body: Any
    folder: Path


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """What all files together say."""

    current: str = ""
    """The name of the context that is used where none is asked for."""
    clusters: dict[str, Placed] = field(default_factory=dict)
    users: dict[str, Placed] = field(default_factory=dict)
    contexts: dict[str, Placed] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The cluster and the user of one context; their paths are absolute."""

    cluster: Cluster
    user: User


def read(paths: Iterable[Path]) -> Kubeconfig:
    """Read the files that exist, and merge them. Raises NoCluster over a file that is broken."""
    merged = Kubeconfig()
    for path in paths:
        try:
            with path.expanduser().open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise NoCluster(f"{path} cannot be read: {error.strerror or error}") from error
        if len(data) > FILE_BYTES_MAX:
            raise NoCluster(f"{path} is larger than {FILE_BYTES_MAX} bytes")
        merged = merge(merged, parse(data, path.expanduser().absolute()))
    return merged


def parse(data: bytes, path: Path) -> Kubeconfig:
    """Return what one file says. Raises NoCluster where it is no kubeconfig."""
    try:
        body = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise NoCluster(f"{path} is no YAML{_place(error)}") from error
    if body is None:
        return Kubeconfig()
    if not isinstance(body, dict):
        raise NoCluster(f"{path}: the file is no kubeconfig")
    lists = {key: _entries(body.get(key), key, path) for key in _LISTS}
    return Kubeconfig(current=_text(body.get("current-context")), **lists)


def merge(first: Kubeconfig, later: Kubeconfig) -> Kubeconfig:
    """Return what two files say together: the first one wins."""
    return Kubeconfig(
        current=first.current or later.current,
        clusters=later.clusters | first.clusters,
        users=later.users | first.users,
        contexts=later.contexts | first.contexts,
    )


def choose(config: Kubeconfig, context: str | None) -> Chosen:
    """Return the cluster and the user of that context, or of the current one. Raises NoCluster
    where one of them is missing or cannot be understood.
    """
    name = context or config.current
    if not name:
        raise NoCluster("the kubeconfig has no current context")
    chosen = _entry(Context, config.contexts, name, f"the context {name!r}")
    cluster = _entry(
        Cluster, config.clusters, chosen.cluster,
        f"the cluster {chosen.cluster!r} of the context {name!r}",
    )  # fmt: skip
    user = _entry(
        User, config.users, chosen.user, f"the user {chosen.user!r} of the context {name!r}"
    )
    return Chosen(cluster, user)


def _entry(type_: type[E], entries: dict[str, Placed], name: str, what: str) -> E:
    placed = entries.get(name)
    if placed is None:
        raise NoCluster(f"the kubeconfig does not have {what}")
    try:
        return type_.model_validate(placed.body).placed(placed.folder)
    except ValidationError as error:
        faults = ", ".join(
            f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
        )
        raise NoCluster(f"the kubeconfig says {what} wrongly: {faults}") from None


def _entries(body: object, key: str, path: Path) -> dict[str, Placed]:
    if body is None:
        return {}
    if not isinstance(body, list):
        raise NoCluster(f"{path}: the file is no kubeconfig: {key} is no list")
    found: dict[str, Placed] = {}
    for item in body:
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            raise NoCluster(f"{path}: an entry of {key} has no name")
        if item["name"] in found:
            raise NoCluster(f"{path}: {key} has the name {item['name']!r} twice")
        found[item["name"]] = Placed(item.get(_LISTS[key]) or {}, path.parent)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _place(error: Exception) -> str:
    """Return where a file is broken, without its words: they may be a secret."""
    mark = getattr(error, "problem_mark", None)
    return f" in line {mark.line + 1}" if mark else ""
