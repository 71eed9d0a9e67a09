"""What holds of every version of a status, whatever users, other writers and crashes do."""

from collections.abc import Callable
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from capscan.model import CapabilityScan
from tests.fakes import crd, name_of
from tests.scan.cluster import Cluster
from tests.versions import Json, flaws
from tests.virtual import BACKEND

CRDS = 12
SPECS = st.fixed_dictionaries(
    {
        "parallelism": st.integers(1, 5),
        "refresh": st.sampled_from(["Always", "IfChanged"]),
        "suspend": st.sampled_from([False, False, True]),
        "rescan": st.sampled_from(["", "1", "2", "3"]),
        "progressInterval": st.sampled_from(["500ms", "2s"]),
        "maxFailedPercent": st.sampled_from([100, 10]),
        "selector": st.sampled_from(
            [{}, {"exclude": [name_of(0), name_of(3)]}, {"include": ["kind000*"]}]
        ),
    }
)
FORGED: list[Json | None] = [
    None,
    {"progress": {"total": 3, "completed": 3}, "observedGeneration": 99},
    {"phase": "Completed", "inFlight": ["x" * 60 * 1024]},
    {
        "conditions": [
            {
                "type": type_,
                "status": "True",
                "observedGeneration": 99,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "reason": "Forged",
                "message": "It is so.",
            }
            for type_ in ("Ready", "Complete", "Stalled")
        ]
    },
]
Step = tuple[str, Any]
STEPS = st.one_of(
    st.tuples(st.just("edit"), SPECS),
    st.tuples(st.just("annotate"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("overwrite"), st.sampled_from(FORGED)),
    st.tuples(st.just("add"), st.integers(0, CRDS + 4)),
    st.tuples(st.just("delete"), st.integers(0, CRDS + 4)),
    st.tuples(st.just("crash"), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 1.0, 4.0, 30.0])),
)


class Play:
    """One scan, what is done to it, and every version that comes of it."""

    def __init__(self) -> None:
        self.cluster = Cluster({"parallelism": 2}, crds=CRDS, failing=(1, 4))
        self.versions: list[Json] = []
        self.others: set[int] = set()

    async def run(self, steps: list[Step]) -> None:
        """All steps, each operator until it crashes; at last there is peace and no suspend."""
        calm = {"parallelism": 5, "rescan": "last"}
        rest = [*steps, ("edit", calm), ("wait", 120.0)]
        while rest:
            async with self.cluster.operator() as controller:
                self.cluster.sink.on_write = self._recorded(controller.observe)
                while rest and (step := rest.pop(0))[0] != "crash":
                    await self._do(*step)
                # What was forged would be taken for true by who comes next.
                await anyio.sleep(3)

    async def _do(self, what: str, how: Any) -> None:
        cluster = self.cluster
        match what:
            case "wait":
                await anyio.sleep(how)
                return
            case "add":
                cluster.crds.add(crd(name_of(how)))
                return
            case "delete":
                cluster.crds.by_name.pop(name_of(how), None)
                return
            case "edit":
                cluster.edit(how)
            case "annotate":
                cluster.annotate(how)
            case "overwrite":
                cluster.overwrite(how)
        self.others.add(int(cluster.sink.scan.metadata.resource_version))
        self._record(cluster.sink.scan)

    def _recorded(
        self, observe: Callable[[CapabilityScan], None]
    ) -> Callable[[CapabilityScan], None]:
        def seen(scan: CapabilityScan) -> None:
            self._record(scan)
            observe(scan)

        return seen

    def _record(self, scan: CapabilityScan) -> None:
        metadata = scan.metadata
        self.versions.append(
            {
                "metadata": {
                    "uid": metadata.uid,
                    "generation": metadata.generation,
                    "resourceVersion": metadata.resource_version,
                },
                "spec": scan.spec.to_wire(),
                "status": scan.raw_status,
            }
        )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, max_size=12))
def test_every_version_of_a_status_is_consistent_and_no_count_falls(steps: list[Step]) -> None:
    play = Play()
    anyio.run(play.run, steps, backend=BACKEND[0], backend_options=BACKEND[1])
    last = play.versions[-1]

    assert flaws(play.versions, play.others) == []
    assert last["status"]["observedGeneration"] == last["metadata"]["generation"]
    assert last["status"]["lastHandledRescan"] == "last"
    assert "completionTime" in last["status"]["run"]
