"""What must hold of every version of a CapabilityScan that a watcher sees, whoever else writes."""

from collections.abc import Container, Iterable
from typing import Any

from capscan.core.run.plan import inputs_hash
from capscan.model import ScanSpec

Json = dict[str, Any]

COUNTS = ("completed", "unchanged", "failed", "skipped")


def flaws(versions: Iterable[Json], others: Container[int] = ()) -> list[str]:
    """Return what is wrong with these versions, in their order; nothing where all is well.

    `others` are the resourceVersions that somebody else wrote: of those only the spec is looked at.
    """
    found: list[str] = []
    floors: dict[tuple[str, str], Json] = {}
    runs: dict[str, str] = {}
    specs: dict[tuple[str, int], Json] = {}
    for version in versions:
        metadata, status = version["metadata"], version.get("status") or {}
        specs[metadata["uid"], metadata["generation"]] = version.get("spec") or {}
        if int(metadata["resourceVersion"]) in others:
            continue
        where = f"version {metadata['resourceVersion']}, generation {metadata['generation']}"
        run, progress = status.get("run"), status.get("progress")
        wrong = [*_conditions(status), *_generations(metadata, status)]
        if run:
            if runs.setdefault(run["id"], metadata["uid"]) != metadata["uid"]:
                wrong.append(f"run {run['id']} is of another scan")
            asked = specs.get((metadata["uid"], status["observedGeneration"]))
            wrong += _answer(asked, status, run)
        if run and progress:
            floor = floors.get((metadata["uid"], run["id"]), {})
            wrong += _sums(progress, floor)
            floors[metadata["uid"], run["id"]] = progress
        found += [f"{where}: {what}" for what in wrong]
    return found


def _sums(progress: Json, floor: Json) -> list[str]:
    wrong = [
        f"{count} fell from {floor[count]} to {progress[count]}"
        for count in (*COUNTS, "total")
        if progress[count] < floor.get(count, 0)
    ]
    parts = sum(progress[count] for count in (*COUNTS, "inFlight"))
    if parts > progress["total"]:
        wrong.append(f"{parts} of {progress['total']}")
    if sum(progress["failedByReason"].values()) != progress["failed"]:
        wrong.append(f"{progress['failed']} failed, by reason {progress['failedByReason']}")
    return wrong


def _conditions(status: Json) -> list[str]:
    holds = {c["type"] for c in status.get("conditions") or () if c["status"] == "True"}
    both = [("Reconciling", "Stalled"), ("Complete", "Failed"), ("Complete", "Reconciling")]
    return [f"{one} and {other}" for one, other in both if {one, other} <= holds]


def _generations(metadata: Json, status: Json) -> list[str]:
    spoken_of = {"the status": status.get("observedGeneration", -1)} | {
        c["type"]: c.get("observedGeneration", -1) for c in status.get("conditions") or ()
    }
    return [
        f"{who} speaks of generation {generation}"
        for who, generation in spoken_of.items()
        if generation > metadata["generation"]
    ]


def _answer(asked: Json | None, status: Json, run: Json) -> list[str]:
    """Return what is wrong with Complete: a run of what its generation asks for must have ended."""
    complete = next((c for c in status.get("conditions") or () if c["type"] == "Complete"), None)
    if complete is None or complete["status"] != "True":
        return []
    wrong = []
    if "completionTime" not in run:
        wrong.append("Complete, and its run goes on")
    if complete["observedGeneration"] != status["observedGeneration"]:
        wrong.append("Complete speaks of another generation than the status")
    if asked is not None:
        if run["inputsHash"] != inputs_hash(ScanSpec.model_validate(asked)):
            wrong.append("Complete by a run that asked something else")
        if asked.get("rescan") and status.get("lastHandledRescan") != asked["rescan"]:
            wrong.append(f"Complete before the rescan {asked['rescan']}")
    return wrong
