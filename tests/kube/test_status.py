"""The status of a scan, written under a lock."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from capscan.core.errors import MissingPermission, NotServed, ObjectGone, StatusRejected
from capscan.kube.client import KubeClient
from capscan.kube.kinds import SCANS, list_kind, scan_status
from capscan.kube.status import CONFLICTS_MAX, StatusWriter
from capscan.model import CapabilityScan, Phase, ScanStatus
from tests.kube.apiserver import ApiServer, Seen, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]
Writer = StatusWriter[ScanStatus]

PATH = "/apis/capscan.dev/v1alpha1/capabilityscans"


class Scan:
    """One CapabilityScan on the server, with the server's rules about resourceVersions."""

    def __init__(self, status: dict[str, Any] | None = None) -> None:
        self.body: dict[str, Any] = {
            "metadata": {"name": "all", "uid": "u1", "generation": 1, "resourceVersion": "10"},
            "spec": {},
            "status": status or {},
        }

    def touch(self, **changes: Any) -> None:
        """Somebody else writes."""
        version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
        metadata = {**self.body["metadata"], "resourceVersion": version}
        self.body = {**self.body, **changes, "metadata": metadata}

    def recreate(self) -> None:
        """Deleted, and created again under its name."""
        metadata = {**self.body["metadata"], "uid": "u2", "resourceVersion": "99"}
        self.body = {"metadata": metadata, "spec": {}}

    async def __call__(self, seen: Seen) -> web.Response:
        if seen.method == "GET" and seen.path == f"{PATH}/all":
            return ok(self.body)
        if (seen.method, seen.path) != ("PATCH", f"{PATH}/all/status"):
            return refusal(405)
        if isinstance(seen.body, list):
            test, add = seen.body
            if test["value"] != self.body["metadata"]["uid"]:
                return refusal(
                    422, "the server rejected our request due to an error in our request"
                )
            self.touch(status=add["value"])
            return ok(self.body)
        if seen.body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            return refusal(409)
        status = {**self.body["status"], **seen.body["status"]}
        self.touch(status={key: value for key, value in status.items() if value is not None})
        return ok(self.body)


def says(message: str) -> Callable[[ScanStatus], ScanStatus]:
    return lambda previous: previous.model_copy(update={"message": message})


@pytest.fixture
def scan(api: Api) -> Scan:
    """The scan that the server has."""
    api[0].handler = one = Scan({"observedGeneration": -1})
    return one


@pytest.fixture
def writer(api: Api, scan: Scan) -> Writer:
    """A writer that has seen it."""
    return scan_status(api[1], CapabilityScan.from_wire(scan.body))


def methods(api: Api) -> list[str]:
    return [seen.method for seen in api[0].seen]


async def test_only_the_difference_is_sent_with_the_version_it_was_made_from(
    api: Api, scan: Scan, writer: Writer
) -> None:
    assert await writer.update(says("hello"))

    (seen,) = api[0].seen
    assert seen.body == {"metadata": {"resourceVersion": "10"}, "status": {"message": "hello"}}
    assert scan.body["status"] == {"observedGeneration": -1, "message": "hello"}


async def test_where_nothing_differs_nothing_is_sent(api: Api, writer: Writer) -> None:
    await writer.update(says("hello"))

    assert not await writer.update(says("hello"))
    assert methods(api) == ["PATCH"]


async def test_what_is_no_longer_said_is_removed(api: Api, scan: Scan, writer: Writer) -> None:
    await writer.update(says("hello"))
    await writer.update(lambda _: ScanStatus())

    assert api[0].seen[-1].body["status"] == {"message": None}
    assert scan.body["status"] == {"observedGeneration": -1}


async def test_writes_follow_each_other_without_reading(api: Api, writer: Writer) -> None:
    for n in range(3):
        await writer.update(says(str(n)))

    assert methods(api) == ["PATCH", "PATCH", "PATCH"]


async def test_after_a_conflict_the_wish_is_rendered_anew(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """From the status that is there now."""
    scan.touch(status={"observedGeneration": -1, "phase": "Scanning"})
    rendered: list[ScanStatus] = []

    def render(previous: ScanStatus) -> ScanStatus:
        rendered.append(previous)
        return previous.model_copy(update={"message": "hello"})

    assert await writer.update(render)
    assert methods(api) == ["PATCH", "GET", "PATCH"]
    assert [status.phase for status in rendered] == [None, Phase.SCANNING]
    assert scan.body["status"]["phase"] == "Scanning"
    assert scan.body["status"]["message"] == "hello"


def overtaken(scan: Scan) -> Callable[[Seen], Awaitable[web.Response]]:
    """The server, with a writer that is faster between each read and each write."""

    async def answer(seen: Seen) -> web.Response:
        found = await scan(seen)
        if seen.method == "GET":
            scan.touch(status={"phase": "Dancing", "message": "mine"})
        return found

    scan.touch()
    return answer


async def test_who_always_loses_the_race_writes_it_whole(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """Under no lock but the UID: nothing that another one wrote is left, and nothing waits."""
    api[0].handler = overtaken(scan)

    assert await writer.update(says("hello"))
    assert methods(api) == ["PATCH", "GET"] * CONFLICTS_MAX + ["PATCH"]
    assert api[0].seen[-1].body[0] == {"op": "test", "path": "/metadata/uid", "value": "u1"}
    assert scan.body["status"]["message"] == "hello"
    assert "phase" not in scan.body["status"]
    assert not await writer.update(says("hello"))


async def test_while_that_goes_on_one_conflict_is_enough(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """Each of them takes as long as a write; and the lock is back once nobody else writes."""
    api[0].handler = overtaken(scan)
    await writer.update(says("hello"))
    api[0].seen.clear()

    scan.touch()
    await writer.update(says("again"))
    assert methods(api) == ["PATCH", "GET", "PATCH"]
    await writer.update(says("calm"))
    assert api[0].seen[-1].body["metadata"]["resourceVersion"]


async def test_nor_is_a_namesake_written_to_whole(api: Api, scan: Scan, writer: Writer) -> None:
    answer = overtaken(scan)

    async def recreated_at_last(seen: Seen) -> web.Response:
        if isinstance(seen.body, list):
            scan.recreate()
        return await answer(seen)

    api[0].handler = recreated_at_last

    with pytest.raises(ObjectGone, match="created again"):
        await writer.update(says("hello"))
    assert "status" not in scan.body or scan.body["status"] == {
        "phase": "Dancing",
        "message": "mine",
    }


async def test_a_whole_status_that_is_refused_is_told(api: Api, scan: Scan, writer: Writer) -> None:
    answer = overtaken(scan)

    async def refuses(seen: Seen) -> web.Response:
        return refusal(422, "too long") if isinstance(seen.body, list) else await answer(seen)

    api[0].handler = refuses

    with pytest.raises(StatusRejected, match="too long"):
        await writer.update(says("hello"))


async def test_a_garbled_status_is_put_right(scan: Scan, writer: Writer) -> None:
    scan.touch(status={"phase": "Dancing", "foo": 1})
    await writer.update(says("hello"))

    assert scan.body["status"] == {"observedGeneration": -1, "message": "hello"}


async def test_a_lost_response_costs_no_second_write(api: Api, scan: Scan, writer: Writer) -> None:
    """The write went through, its answer did not: the repeat conflicts, and all is as wanted."""
    server = api[0]

    async def loses_one(seen: Seen) -> web.Response:
        server.handler = scan
        await scan(seen)
        return refusal(504)

    server.handler = loses_one

    assert not await writer.update(says("hello"))
    assert methods(api) == ["PATCH", "PATCH", "GET"]
    assert scan.body["metadata"]["resourceVersion"] == "11"
    assert scan.body["status"]["message"] == "hello"


async def test_a_deleted_scan_is_gone(api: Api, writer: Writer) -> None:
    api[0].script = [refusal(404)]

    with pytest.raises(ObjectGone):
        await writer.update(says("hello"))


async def test_a_scan_that_was_deleted_before_the_read_is_gone(api: Api, writer: Writer) -> None:
    api[0].script = [refusal(409), refusal(404)]

    with pytest.raises(ObjectGone):
        await writer.update(says("hello"))


async def test_a_namesake_is_not_written_to(scan: Scan, writer: Writer) -> None:
    scan.recreate()
    before = scan.body

    with pytest.raises(ObjectGone, match="created again"):
        await writer.update(says("hello"))
    assert scan.body == before


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ([403], r"\[capabilityscans/status\], verbs \[patch\]"),
        ([409, 403], r"\[capabilityscans\], verbs \[get"),
    ],
    ids=["write", "read"],
)
async def test_a_missing_permission_names_the_rule_to_add(
    api: Api, writer: Writer, script: list[int], rule: str
) -> None:
    api[0].script = [refusal(status, "user u cannot") for status in script]

    with pytest.raises(MissingPermission, match=rule) as caught:
        await writer.update(says("hello"))
    assert "user u cannot" in str(caught.value)


async def test_a_status_that_is_refused_names_the_likely_cause(api: Api) -> None:
    api[0].script = [refusal(422, "status.phase: Unsupported value")]
    writer = scan_status(api[1], CapabilityScan.from_wire(Scan().body))

    with pytest.raises(StatusRejected, match=r"Unsupported value.*kubectl apply -k crds/"):
        await writer.update(says("hello"))


async def test_what_cannot_be_read_again_is_told(api: Api, writer: Writer) -> None:
    """As what is refused is: whoever writes knows how to wait with it."""
    api[0].script = [refusal(409), refusal(400, "etcdserver: mvcc: database space exceeded")]

    with pytest.raises(StatusRejected, match="space exceeded"):
        await writer.update(says("hello"))


async def test_a_spec_beyond_reading_keeps_no_status_from_being_written(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """As a newer operator's is, after a downgrade."""
    scan.body["spec"] = {"refresh": "Weekly"}
    scan.touch()

    assert await writer.update(says("hello"))
    assert methods(api) == ["PATCH", "GET", "PATCH"]


async def test_an_older_version_from_the_watch_is_not_taken(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """The watch is behind one's own writes; taking it would end in a conflict."""
    old = CapabilityScan.from_wire(scan.body)
    await writer.update(says("hello"))

    assert not writer.observe(old)
    assert writer.observe(CapabilityScan.from_wire(scan.body))
    await writer.update(says("again"))
    assert methods(api) == ["PATCH", "PATCH"]


async def test_versions_are_compared_as_numbers(scan: Scan, writer: Writer) -> None:
    """ "9" comes before "10"."""
    scan.body["metadata"]["resourceVersion"] = "9"

    assert not writer.observe(CapabilityScan.from_wire(scan.body))


async def test_a_newer_version_from_the_watch_saves_a_conflict(
    api: Api, scan: Scan, writer: Writer
) -> None:
    scan.touch()
    writer.observe(CapabilityScan.from_wire(scan.body))
    await writer.update(says("hello"))

    assert methods(api) == ["PATCH"]


async def test_scans_are_listed_whole(api: Api, scan: Scan) -> None:
    body = {"metadata": {"resourceVersion": "12"}, "items": [scan.body]}
    api[0].script = [ok(body)]

    found = await list_kind(api[1], SCANS)

    assert found == ([scan.body], "12")


async def test_without_its_kind_there_is_no_listing(api: Api) -> None:
    api[0].script = [refusal(404, name="")]

    with pytest.raises(NotServed):
        await list_kind(api[1], SCANS)
