"""CapabilityScans at the door: what a user or another tool may have left there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from capscan.model import CapabilityScan, Phase, Progress, Refresh, Run, ScanStatus, Trigger

METADATA = {"name": "all", "uid": "u1", "generation": 3, "resourceVersion": "17"}


def parsed(**body: Any) -> CapabilityScan:
    return CapabilityScan.from_wire({"metadata": METADATA, **body})


@pytest.mark.parametrize("body", [{}, {"spec": None, "status": None}, {"spec": {}, "status": {}}])
def test_a_scan_without_spec_and_status_asks_for_everything(body: dict[str, Any]) -> None:
    scan = parsed(**body)

    assert scan.spec.selector.include == ["*"]
    assert scan.spec.item_timeout == timedelta(minutes=2)
    assert scan.spec.refresh is Refresh.IF_CHANGED
    assert scan.status == ScanStatus()
    assert scan.raw_status == {}


def test_the_metadata_of_a_crd_is_read() -> None:
    scan = CapabilityScan.from_wire(
        {"metadata": METADATA | {"annotations": {"capscan.dev/requestedAt": "now"}}}
    )

    assert (scan.metadata.uid, scan.metadata.generation) == ("u1", 3)
    assert scan.metadata.resource_version == "17"
    assert scan.metadata.annotations == {"capscan.dev/requestedAt": "now"}


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "Dancing"},
        {"observedGeneration": "seven"},
        {"run": {"id": "r1"}},
        {"progress": {"percent": 101}},
        {"progress": {"total": -1}},
        {"run": {"id": "r1", "duration": "99999999999999999h"}},
        {"conditions": "all fine"},
        {"failedItems": [{"name": "a"}]},
    ],
)
def test_a_status_that_cannot_be_read_counts_as_none(status: dict[str, Any]) -> None:
    """The raw status is kept, so that the difference to a right one removes what is wrong."""
    scan = parsed(status=status)

    assert scan.status == ScanStatus()
    assert scan.raw_status == status


@pytest.mark.parametrize(
    "spec",
    [
        {"parallelism": 0},
        {"parallelism": 257},
        {"selector": {"include": []}},
        {"itemTimeout": "soon"},
        {"itemTimeout": "99999999999999999h"},
        {"refresh": "Sometimes"},
    ],
)
def test_a_spec_out_of_bounds_is_refused(spec: dict[str, Any]) -> None:
    """The API server does so first; a version that lets it through must not start a run."""
    with pytest.raises(ValidationError):
        parsed(spec=spec)


def test_fields_of_a_newer_version_are_ignored() -> None:
    scan = parsed(spec={"quantum": True, "parallelism": 3}, status={"phase": "Pending", "x": 1})

    assert scan.spec.parallelism == 3
    assert scan.status.phase is Phase.PENDING


def test_a_status_survives_the_round_trip() -> None:
    status = ScanStatus(
        observed_generation=3,
        phase=Phase.SCANNING,
        message="Analysing",
        run=Run(
            id="r1",
            trigger=Trigger.RESCAN,
            inputs_hash="h",
            owner="me",
            start_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            duration=timedelta(minutes=2, seconds=30),
        ),
        progress=Progress(total=3, completed=1, failed=1, failed_by_reason={"Timeout": 1}),
    )
    wire = status.to_wire()

    assert ScanStatus.model_validate(wire) == status
    assert wire["run"]["startTime"] == "2026-01-02T03:04:05Z"
    assert wire["run"]["duration"] == "2m30s"
    assert wire["progress"]["failedByReason"] == {"Timeout": 1}


def test_fields_that_are_none_are_absent_on_the_wire() -> None:
    assert ScanStatus().to_wire() == {"observedGeneration": -1}


def test_times_are_written_in_utc() -> None:
    run = Run.model_validate(
        {
            "id": "r1",
            "trigger": "Created",
            "inputsHash": "h",
            "owner": "me",
            "startTime": "2026-01-02T03:04:05+02:00",
        }
    )

    assert run.to_wire()["startTime"] == "2026-01-02T01:04:05Z"
