"""The nouns: the kinds a user sees and the facts capscan reads, as frozen values."""

from capscan.model.capability import (
    Analysis,
    Capability,
    Complexity,
    LastAttempt,
    Provenance,
    Resource,
    Summary,
)
from capscan.model.completion import Completion
from capscan.model.crd import Crd, CrdRef, StoredRef
from capscan.model.scan import (
    CapabilityScan,
    Condition,
    FailedItem,
    FinishedRun,
    ObjectMeta,
    Phase,
    Progress,
    Refresh,
    Run,
    ScanSpec,
    ScanStatus,
    Selector,
    Trigger,
)

__all__ = [
    "Analysis",
    "Capability",
    "CapabilityScan",
    "Completion",
    "Complexity",
    "Condition",
    "Crd",
    "CrdRef",
    "FailedItem",
    "FinishedRun",
    "LastAttempt",
    "ObjectMeta",
    "Phase",
    "Progress",
    "Provenance",
    "Refresh",
    "Resource",
    "Run",
    "ScanSpec",
    "ScanStatus",
    "Selector",
    "StoredRef",
    "Summary",
    "Trigger",
]
