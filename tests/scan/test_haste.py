"""Specs that come faster than they can be obeyed, or contradict themselves."""

import anyio
import pytest

from capscan.model import Phase
from tests.fakes import name_of
from tests.scan.cluster import Cluster

pytestmark = pytest.mark.anyio


async def test_after_fifty_edits_in_five_seconds_the_last_one_is_obeyed() -> None:
    cluster = Cluster({"parallelism": 4})
    async with cluster.operator():
        for n in range(50):
            cluster.edit({"parallelism": 4, "selector": {"exclude": [name_of(n % 20)]}})
            await anyio.sleep(0.1)
        began = len({s.run.id for _, s in cluster.sink.versions if s.run})
        await anyio.sleep(60)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.summary == "19/19"
    assert cluster.status.observed_generation == 51
    assert cluster.condition("Complete").observed_generation == 51
    # An edit that comes while the one before is still being obeyed makes no run of its own.
    assert began < 50
    assert set(cluster.provider.asked.values()) == {1}


async def test_a_selector_that_excludes_what_it_includes_says_so() -> None:
    cluster = Cluster({"selector": {"include": ["kind*"], "exclude": ["kind*"]}})
    async with cluster.operator():
        await anyio.sleep(10)

    assert cluster.phase() is Phase.COMPLETED
    assert cluster.status.message is not None
    assert cluster.status.message.startswith("0 of 20 CRDs match the selector")
    assert "exclude wins over include" in cluster.status.message
