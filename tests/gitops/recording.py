"""How an object of a real run becomes a file that is the same the next time."""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.installation import account_kubeconfig, own_plane
from tests.operator.cluster import Cluster, Json
from tests.operator.process import Operator

FOLDER = Path(__file__).parent / "captured"

FIXED = {
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "startTime": "2026-01-01T00:00:01Z",
    "lastTransitionTime": "2026-01-01T00:00:02Z",
    "time": "2026-01-01T00:00:03Z",
    "completionTime": "2026-01-01T00:00:04Z",
    "estimatedCompletionTime": "2026-01-01T00:00:05Z",
    "deletionTimestamp": "2026-01-01T00:00:06Z",
    "duration": "3s",
    "eta": "1s",
    "throughputPerMinute": 60,
    "average": "1.2s",
    "p50": "1.2s",
    "p95": "1.2s",
    "inFlightLimit": 16,
    "owner": "operator",
}
"""What a field is set to where it is present."""

DROPPED = {"uid", "resourceVersion", "managedFields"}

Accept = Callable[[Json], bool]


def normalised(body: Json) -> Json:
    """The object without what chance, the clock or the machine put into it."""
    ids: dict[str, str] = {}

    def walk(value: Any) -> Any:
        if isinstance(value, list):
            return [walk(item) for item in value]
        if isinstance(value, str):
            return re.sub(r"127\.0\.0\.1:\d+", "model.example.com", value)
        if not isinstance(value, dict):
            return value
        kept = {key: walk(inner) for key, inner in value.items() if key not in DROPPED}
        if "id" in kept:
            kept["id"] = ids.setdefault(kept["id"], f"run{len(ids) + 1}")
        return kept | {key: FIXED[key] for key in kept.keys() & FIXED.keys()}

    found: Json = walk(body)
    if "inFlight" in found["status"]:
        found["status"]["inFlight"] = ["thing000s.example.com"]  # CRDs come in no fixed order
    return found


def save(name: str, body: Json) -> None:
    """Write one capture."""
    text = yaml.safe_dump(normalised(body), sort_keys=True, width=100, allow_unicode=True)
    (FOLDER / f"{name}.yaml").write_text(text, encoding="utf-8")
    said = [body["status"].get("message", "")]
    said += [one["message"] for one in body["status"].get("conditions", [])]
    print(f"{name}: {next(filter(None, said), 'no message')}")  # noqa: T201


def first(versions: list[Json], accept: Accept) -> Json:
    """The first version that is as wanted."""
    return next(version for version in versions if accept(version))


@contextmanager
def running() -> Iterator[tuple[Cluster, Operator]]:
    """A control plane of its own with capscan installed; the operator is not started."""
    with tempfile.TemporaryDirectory(prefix="capscan-capture-") as name:
        folder = Path(name)
        with own_plane(folder) as (_, kubectl):
            operator = Operator(account_kubeconfig(kubectl, folder), folder)
            try:
                with Cluster(kubectl, "example.com") as cluster:
                    yield cluster, operator
            finally:
                operator.close()
