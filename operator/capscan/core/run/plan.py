"""Plans a run: from two listings of metadata to the CRDs that have to be asked about.

The store is the checkpoint. Nothing else remembers what a run has done, so resuming is planning
again: the annotations of the stored Capabilities show what an earlier process has finished.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from capscan.core.crd.digest import DIGEST_VERSION, Digest
from capscan.core.globs import any_of
from capscan.model import CrdRef, Refresh, Run, ScanSpec, Selector, StoredRef
from capscan.model.meta import GROUP

_HASH_CHARS = 20


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One CRD to ask about, with what is stored for it."""

    ref: CrdRef
    plan_key: str
    stored: StoredRef | None = None


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """The items that a run has to do (`pending`), and the counts of what is settled already."""

    listed: int
    """CRDs in the cluster, matching or not."""
    pending: tuple[PlannedItem, ...] = ()
    completed: int = 0
    unchanged: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    """CRDs that were given up in this very run, and for which reason."""
    orphaned: tuple[StoredRef, ...] = ()
    """Capabilities whose CRD is gone from the cluster."""

    @property
    def total(self) -> int:
        """CRDs that match."""
        return len(self.pending) + self.completed + self.unchanged + len(self.failed)

    @property
    def failed_by_reason(self) -> dict[str, int]:
        """The failed CRDs counted by reason."""
        return dict(Counter(self.failed.values()))


def digest_of(*parts: object) -> str:
    """Return a short stable hash of JSON values."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]


def inputs_hash(spec: ScanSpec) -> str:
    """Return the hash of what decides which questions are asked. The order of globs decides
    nothing.
    """
    selector = spec.selector
    return digest_of(
        sorted(set(selector.include)),
        sorted(set(selector.exclude)),
        selector.match_labels,
        spec.refresh,
        *([spec.provider_ref.name] if spec.provider_ref.name else ()),
        *([{"dryRun": True}] if spec.dry_run else ()),
    )


def plan_key(ref: CrdRef, identity: str) -> str:
    """Return the key under which an analysis is stored. Where it is equal, the stored analysis is
    right, and neither object has to be read.
    """
    return digest_of(ref.uid, ref.generation, DIGEST_VERSION, identity)


def fingerprint(digest: Digest, identity: str) -> str:
    """Return the hash of a question. Where it is equal, a provider would be asked the very same
    question again.
    """
    return digest_of(digest.text, DIGEST_VERSION, identity)


def lineage(run_id: str) -> str:
    """Return what a run and the runs that edits of the spec made out of it have in common."""
    return run_id.partition("-")[0]


def plan(
    listed: Iterable[CrdRef],
    stored: Iterable[StoredRef],
    spec: ScanSpec,
    run: Run,
    identity: str,
) -> ScanPlan:
    """Sort the CRDs that match into pending and settled.

    `listed` is every CRD of the cluster, `stored` every Capability, `identity` the provider asked
    for. Pending items come in the order of their names.
    """
    refs = sorted(listed, key=lambda ref: ref.name)
    by_name = {item.name: item for item in stored}
    selected = _selection(spec.selector)
    pending: list[PlannedItem] = []
    failed: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for ref in filter(selected, refs):
        item = PlannedItem(ref, plan_key(ref, identity), by_name.get(ref.name))
        state = _state(item, spec.refresh, run)
        counts[state] += 1
        if state == "pending":
            pending.append(item)
        elif state == "failed" and item.stored:
            failed[ref.name] = item.stored.failed_reason or "Error"
    names = {ref.name for ref in refs}
    return ScanPlan(
        listed=len(refs),
        pending=tuple(pending),
        completed=counts["completed"],
        unchanged=counts["unchanged"],
        failed=failed,
        orphaned=tuple(s for s in by_name.values() if _is_orphaned(s, names)),
    )


def _is_orphaned(stored: StoredRef, names: set[str]) -> bool:
    """Whether capscan wrote this about a CRD that is gone. The name decides: owner references are
    what a restore leaves out, `--cascade=orphan` takes away, and anybody may write.
    """
    is_ours = stored.crd_uid or stored.run_id or stored.failed_run
    return bool(is_ours) and not stored.others_own and stored.name not in names


def _state(item: PlannedItem, refresh: Refresh, run: Run) -> str:
    stored = item.stored
    if stored is None:
        return "pending"
    if stored.failed_run == run.id:
        return "failed"
    if stored.plan_key != item.plan_key or stored.failed_run:
        return "pending"
    if stored.run_id == run.id:
        return "completed"
    if stored.edited or stored.crd_uid != item.ref.uid:
        return "pending"
    same_lineage = lineage(stored.run_id or "") == lineage(run.id)
    return "unchanged" if refresh is Refresh.IF_CHANGED or same_lineage else "pending"


def _selection(selector: Selector) -> Callable[[CrdRef], bool]:
    include, exclude = any_of(selector.include), any_of(selector.exclude)
    labels = selector.match_labels.items()

    def selected(ref: CrdRef) -> bool:
        return (
            not ref.terminating
            and not ref.name.endswith(f".{GROUP}")
            and include.fullmatch(ref.name) is not None
            and exclude.fullmatch(ref.name) is None
            and labels <= ref.labels.items()
        )

    return selected
