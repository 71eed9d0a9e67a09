"""Planning: which CRDs match, and what of them is settled already."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.run.plan import ScanPlan, lineage, plan, plan_key
from capscan.model import CrdRef, Refresh, Run, ScanSpec, Selector, StoredRef
from tests.core.run.planning import ALWAYS, GLOBS, IF_CHANGED, PROVIDER, select
from tests.fakes import ref, run

CRD = ref("a.x")
KEY = plan_key(CRD, PROVIDER)


def kept(**changes: Any) -> StoredRef:
    """Return a Capability that is still right and was written by another run."""
    plain = StoredRef("a.x", uid="c1", crd_uid=CRD.uid, plan_key=KEY, run_id="r0")
    return replace(plain, **changes)


@pytest.mark.parametrize(
    ("stored", "refresh", "state"),
    [
        pytest.param(None, IF_CHANGED, "pending", id="new"),
        pytest.param(kept(), IF_CHANGED, "unchanged", id="still right"),
        pytest.param(kept(plan_key="other"), IF_CHANGED, "pending", id="changed"),
        pytest.param(kept(plan_key=None), IF_CHANGED, "pending", id="somebody else's object"),
        pytest.param(kept(edited=True), IF_CHANGED, "pending", id="edited"),
        pytest.param(kept(run_id="r1"), IF_CHANGED, "completed", id="done in this run"),
        pytest.param(
            kept(run_id="r1", edited=True), IF_CHANGED, "completed", id="edited after its turn"
        ),
        pytest.param(
            kept(run_id="r1", plan_key="old"), IF_CHANGED, "pending", id="changed after its turn"
        ),
        pytest.param(kept(failed_run="r1"), IF_CHANGED, "failed", id="failed in this run"),
        pytest.param(kept(failed_run="r0"), IF_CHANGED, "pending", id="failed in an earlier run"),
        pytest.param(
            kept(failed_run="r1", plan_key=None, run_id=None), IF_CHANGED, "failed", id="never had"
        ),
        pytest.param(kept(), ALWAYS, "pending", id="always"),
        pytest.param(kept(run_id="r1"), ALWAYS, "completed", id="always: done in this run"),
        pytest.param(kept(failed_run="r1"), ALWAYS, "failed", id="always: failed in this run"),
        pytest.param(kept(run_id=None), ALWAYS, "pending", id="always: by nobody"),
    ],
)
def test_an_item_is_in_the_state_that_its_annotations_say(
    stored: StoredRef | None, refresh: Refresh, state: str
) -> None:
    done = plan([CRD], [stored] if stored else [], ScanSpec(refresh=refresh), run("r1"), PROVIDER)

    assert counts(done) == {**dict.fromkeys(counts(done), 0), state: 1}
    assert done.orphaned == ()


def counts(done: ScanPlan) -> dict[str, int]:
    return {
        "pending": len(done.pending),
        "completed": done.completed,
        "unchanged": done.unchanged,
        "failed": len(done.failed),
    }


@pytest.mark.parametrize(
    ("written_by", "this", "state"),
    [
        ("t1", "t1-t2", "unchanged"),
        ("t1-t2", "t1-t3", "unchanged"),
        ("t1-t2", "t1-t2", "completed"),
        ("t1", "t2", "pending"),
        ("t1-t2", "t2", "pending"),
        ("t1-t2", "t3-t2", "pending"),
    ],
)
def test_under_always_an_edited_run_keeps_what_its_ancestors_did(
    written_by: str, this: str, state: str
) -> None:
    done = plan([CRD], [kept(run_id=written_by)], ScanSpec(refresh=ALWAYS), run(this), PROVIDER)

    assert counts(done)[state] == 1


def test_lineage_is_the_same_for_a_run_and_its_edits() -> None:
    assert lineage("t1") == lineage("t1-t2") != lineage("t2")


def test_a_pending_item_carries_what_is_stored() -> None:
    stored = kept(edited=True)
    (item,) = plan([CRD], [stored], ScanSpec(), run(), PROVIDER).pending

    assert (item.ref, item.stored, item.plan_key) == (CRD, stored, KEY)


def test_the_capability_of_a_recreated_crd_is_looked_at_and_not_removed() -> None:
    """The question may be the same as before."""
    stored = kept(crd_uid="gone", plan_key=plan_key(replace(CRD, uid="gone"), PROVIDER))
    done = plan([CRD], [stored], ScanSpec(), run(), PROVIDER)

    assert [item.stored for item in done.pending] == [stored]
    assert done.orphaned == ()


@pytest.mark.parametrize("owner", [None, "forged"])
def test_a_capability_without_the_right_owner_is_looked_at(owner: str | None) -> None:
    """It becomes the CRD's again, so that it goes when the CRD goes."""
    done = plan([CRD], [kept(crd_uid=owner)], ScanSpec(), run(), PROVIDER)

    assert counts(done)["pending"] == 1
    assert done.orphaned == ()


def test_a_crd_that_is_being_deleted_is_left_alone_with_its_capability() -> None:
    done = plan([replace(CRD, terminating=True)], [kept()], ScanSpec(), run(), PROVIDER)

    assert done.total == 0
    assert done.orphaned == ()


def test_narrowing_the_selector_orphans_nothing() -> None:
    """Every CRD of the cluster counts, not only those that match."""
    spec = ScanSpec(selector=Selector(include=["b.*"]))
    done = plan([CRD, ref("b.x")], [kept()], spec, run(), PROVIDER)

    assert done.orphaned == ()
    assert done.listed == 2
    assert done.total == 1


def test_a_capability_that_lost_its_owner_is_an_orphan_when_its_crd_is_gone() -> None:
    """After `kubectl delete crd --cascade=orphan`, and after a restore."""
    stored = kept(crd_uid=None)

    assert plan([], [stored], ScanSpec(), run(), PROVIDER).orphaned == (stored,)


@pytest.mark.parametrize(
    "changes", [{"crd_uid": None, "run_id": None, "plan_key": None}, {"others_own": True}]
)
def test_a_capability_that_is_not_capscans_is_no_orphan(changes: dict[str, Any]) -> None:
    """Somebody else wrote it, or something else that lives owns it."""
    assert plan([], [kept(**changes)], ScanSpec(), run(), PROVIDER).orphaned == ()


def test_failures_are_counted_by_reason() -> None:
    names = ["a.x", "b.x", "c.x"]
    stored = [
        kept(name=name, failed_run="r1", failed_reason=reason)
        for name, reason in zip(names, ["Timeout", "Timeout", None], strict=True)
    ]
    done = plan([ref(n) for n in names], stored, ScanSpec(), run(), PROVIDER)

    assert done.failed_by_reason == {"Timeout": 2, "Error": 1}


@pytest.mark.parametrize(
    "other",
    [replace(CRD, uid="u2"), replace(CRD, generation=2)],
    ids=["recreated", "spec changed"],
)
def test_a_changed_crd_has_another_plan_key(other: CrdRef) -> None:
    assert plan_key(other, PROVIDER) != KEY


def test_another_provider_has_another_plan_key() -> None:
    assert plan_key(CRD, "provider/2") != KEY


def test_labels_do_not_change_the_plan_key() -> None:
    assert plan_key(replace(CRD, labels={"a": "b"}), PROVIDER) == KEY


NAMES = st.sampled_from([f"{kind}.{group}" for kind in "abcd" for group in ("x", "capscan.dev")])
RUNS = st.sampled_from([None, "r0", "r1", "r1-r2"])

REFS = st.lists(
    st.builds(CrdRef, name=NAMES, uid=st.sampled_from("uvw"), generation=st.integers(1, 2)),
    unique_by=lambda crd: crd.name,
)


@st.composite
def clusters(draw: st.DrawFn) -> tuple[list[CrdRef], list[StoredRef], ScanSpec, Run]:
    listed = draw(REFS)
    stored = [
        StoredRef(
            name=crd.name,
            uid="c",
            crd_uid=draw(st.sampled_from([crd.uid, "gone", None])),
            plan_key=draw(st.sampled_from([None, "old", plan_key(crd, PROVIDER)])),
            run_id=draw(RUNS),
            failed_run=draw(RUNS),
            failed_reason="Timeout",
            edited=draw(st.booleans()),
        )
        for crd in draw(REFS)
    ]
    spec = ScanSpec(
        selector=Selector(include=draw(GLOBS), exclude=draw(st.one_of(st.just([]), GLOBS))),
        refresh=draw(st.sampled_from(Refresh)),
    )
    return listed, stored, spec, run(draw(st.sampled_from(["r1", "r1-r2"])))


Cluster = tuple[list[CrdRef], list[StoredRef], ScanSpec, Run]


@given(clusters(), st.randoms())
def test_the_order_of_listings_decides_nothing(cluster: Cluster, random: Any) -> None:
    listed, stored, spec, this = cluster
    before = plan(listed, stored, spec, this, PROVIDER)
    random.shuffle(listed)
    random.shuffle(stored)
    after = plan(listed, stored, spec, this, PROVIDER)

    assert replace(after, orphaned=()) == replace(before, orphaned=())
    assert set(after.orphaned) == set(before.orphaned)


@given(clusters())
def test_every_crd_that_matches_is_in_exactly_one_state(cluster: Cluster) -> None:
    listed, stored, spec, this = cluster
    done = plan(listed, stored, spec, this, PROVIDER)
    matching = select(
        *(crd.name for crd in listed),
        include=spec.selector.include,
        exclude=spec.selector.exclude,
    )

    assert done.total == sum(counts(done).values()) == len(matching)
    assert done.listed == len(listed)
    assert not {item.ref.name for item in done.pending} & done.failed.keys()


@given(clusters())
def test_pending_items_come_by_name(cluster: Cluster) -> None:
    names = [item.ref.name for item in plan(*cluster, PROVIDER).pending]

    assert names == sorted(names)


@given(clusters())
def test_only_capabilities_of_missing_crds_are_orphaned(cluster: Cluster) -> None:
    listed, stored, *_ = cluster
    names = {crd.name for crd in listed}

    assert set(plan(*cluster, PROVIDER).orphaned) == {
        s for s in stored if (s.crd_uid or s.run_id or s.failed_run) and s.name not in names
    }
