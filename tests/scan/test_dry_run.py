"""Dry runs: what would be asked is said, and nothing is."""

from datetime import timedelta
from decimal import Decimal

import anyio
import pytest

from capscan.model import Phase
from tests.fakes import crd, name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio

DRY = {"dryRun": True}


async def test_a_dry_run_says_what_would_be_asked_and_asks_nothing() -> None:
    cluster = Cluster(DRY)
    async with cluster.operator():
        await anyio.sleep(60)

    found = cluster.status.estimate
    assert found is not None
    assert (found.crds, found.items, found.requests) == (20, 20, 20)
    assert (found.input_tokens, found.output_tokens) == (60_000, 8000)
    assert Decimal(found.cost or 0) == Decimal("0.3")
    assert found.duration == timedelta(seconds=6)
    assert cluster.status.message == (
        "Dry run: 20 of 20 CRDs would be asked about: 20 requests, about 60k prompt and 8k answer "
        "tokens, at a cost of 0.30, in 6s; set spec.dryRun to false to begin."
    )
    assert not cluster.provider.asked
    assert not cluster.store.written


async def test_the_status_of_a_dry_run_does_not_look_as_if_crds_were_analysed() -> None:
    cluster = Cluster(DRY)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert (cluster.condition("Complete").status, cluster.condition("Complete").reason) == (
        "True",
        "DryRun",
    )
    assert "Ready" not in {condition.type for condition in cluster.status.conditions or ()}
    assert all(status.progress is None for _, status in cluster.sink.versions)
    assert cluster.status.throughput_per_minute is None


async def test_switching_dry_run_off_begins_a_run_that_keeps_nothing_of_it() -> None:
    cluster = Cluster(DRY)
    async with cluster.operator():
        await anyio.sleep(60)
        cluster.edit({})
        await anyio.sleep(60)

    assert cluster.summary == "20/20"
    assert cluster.provider.asked.total() == 20
    assert cluster.status.estimate is None
    assert cluster.status.last_run is None
    assert cluster.condition("Ready").status == "True"


async def test_after_a_run_only_what_changed_is_counted_and_ready_stays() -> None:
    cluster = Cluster()
    async with cluster.operator():
        await anyio.sleep(60)
        written = len(cluster.store.written)
        cluster.crds.add(crd(name_of(3), generation=2))  # the same digest
        cluster.crds.add(crd(name_of(4), generation=2, schema={"type": "object"}))
        cluster.crds.delete(name_of(5))
        cluster.edit(DRY)
        await anyio.sleep(60)

    found = cluster.status.estimate
    assert found is not None
    assert (found.crds, found.items) == (19, 1)
    assert len(cluster.store.written) == written
    assert not cluster.store.removed
    ready = cluster.condition("Ready")
    assert (ready.status, ready.observed_generation) == ("True", 1)
    assert cluster.status.last_run is not None
    assert cluster.status.last_run.id == "t1"


async def test_a_dry_run_without_anything_to_ask_says_so() -> None:
    cluster = Cluster(DRY | {"selector": {"include": ["nothing"]}})
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.status.message == (
        "Dry run: none of 0 CRDs would be asked about; set spec.dryRun to false to begin."
    )


async def test_a_dry_run_that_is_over_stays_over() -> None:
    cluster = Cluster(DRY | {"follow": True})
    async with cluster.operator():
        await anyio.sleep(60)
    before = cluster.status
    async with cluster.operator():
        cluster.crds.add(crd(name_of(900)))
        cluster.news.change()
        await anyio.sleep(600)

    assert cluster.status == before


async def test_a_dry_run_that_was_killed_is_done_again() -> None:
    cluster = Cluster(DRY)
    cluster.crds.delay_s = 5
    async with cluster.operator():
        await anyio.sleep(2)
    async with cluster.operator():
        await anyio.sleep(60)

    assert cluster.run_id == "t1"
    assert cluster.status.estimate is not None
    assert not cluster.provider.asked
