"""What a writer of a status does where others write the same status."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from capscan.core.errors import ObjectGone, StatusRejected
from capscan.kube.status import CONFLICTS_MAX
from capscan.model import CapabilityScan, Phase, ScanStatus
from tests.kube.apiserver import Seen, refusal
from tests.kube.stored_scan import Api, Scan, Writer, methods, says

pytestmark = pytest.mark.anyio


async def test_after_a_conflict_the_status_is_rendered_again(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """It is rendered from the status that is there now."""
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
    """Return the server with another writer that writes between each read and each write."""

    async def answer(seen: Seen) -> web.Response:
        found = await scan(seen)
        if seen.method == "GET":
            scan.touch(status={"phase": "Dancing", "message": "mine"})
        return found

    scan.touch()
    return answer


async def test_a_writer_that_always_loses_the_race_writes_the_status_whole(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """It writes under no lock but the UID, and replaces all that the other one wrote."""
    api[0].handler = overtaken(scan)

    assert await writer.update(says("hello"))
    assert methods(api) == ["PATCH", "GET"] * CONFLICTS_MAX + ["PATCH"]
    assert api[0].seen[-1].body[0] == {"op": "test", "path": "/metadata/uid", "value": "u1"}
    assert scan.body["status"]["message"] == "hello"
    assert "phase" not in scan.body["status"]
    assert not await writer.update(says("hello"))


async def test_while_others_write_without_a_lock_one_conflict_is_enough(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """Each conflict costs a request. Once nobody else writes, the lock is used again."""
    api[0].handler = overtaken(scan)
    await writer.update(says("hello"))
    api[0].seen.clear()

    scan.touch()
    await writer.update(says("again"))
    assert methods(api) == ["PATCH", "GET", "PATCH"]
    await writer.update(says("calm"))
    assert api[0].seen[-1].body["metadata"]["resourceVersion"]


async def test_a_namesake_is_not_written_to_without_the_lock_either(
    api: Api, scan: Scan, writer: Writer
) -> None:
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


async def test_a_whole_status_that_is_refused_is_rejected(
    api: Api, scan: Scan, writer: Writer
) -> None:
    answer = overtaken(scan)

    async def refuses(seen: Seen) -> web.Response:
        return refusal(422, "too long") if isinstance(seen.body, list) else await answer(seen)

    api[0].handler = refuses

    with pytest.raises(StatusRejected, match="too long"):
        await writer.update(says("hello"))


async def test_a_lost_response_costs_no_second_write(api: Api, scan: Scan, writer: Writer) -> None:
    """The write went through and its answer was lost: the repeat conflicts, and nothing differs any
    more.
    """
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


async def test_a_namesake_is_not_written_to(scan: Scan, writer: Writer) -> None:
    scan.recreate()
    before = scan.body

    with pytest.raises(ObjectGone, match="created again"):
        await writer.update(says("hello"))
    assert scan.body == before


async def test_a_spec_that_cannot_be_read_keeps_no_status_from_being_written(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """After a downgrade the spec may be one that only a newer operator can read."""
    scan.body["spec"] = {"refresh": "Weekly"}
    scan.touch()

    assert await writer.update(says("hello"))
    assert methods(api) == ["PATCH", "GET", "PATCH"]


async def test_an_older_version_from_the_watch_is_not_taken(
    api: Api, scan: Scan, writer: Writer
) -> None:
    """The watch may be behind the writer's own writes; taking its version would end in a
    conflict.
    """
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
