"""The status of a scan, written under a lock."""

import pytest

from capscan.core.errors import MissingPermission, ObjectGone, StatusRejected
from capscan.kube.kinds import scan_status
from capscan.model import CapabilityScan, ScanStatus
from tests.kube.apiserver import refusal
from tests.kube.stored_scan import Api, Scan, Writer, methods, says

pytestmark = pytest.mark.anyio


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


async def test_a_field_that_is_no_longer_rendered_is_removed(
    api: Api, scan: Scan, writer: Writer
) -> None:
    await writer.update(says("hello"))
    await writer.update(lambda _: ScanStatus())

    assert api[0].seen[-1].body["status"] == {"message": None}
    assert scan.body["status"] == {"observedGeneration": -1}


async def test_writes_follow_each_other_without_reading(api: Api, writer: Writer) -> None:
    for n in range(3):
        await writer.update(says(str(n)))

    assert methods(api) == ["PATCH", "PATCH", "PATCH"]


async def test_a_garbled_status_is_put_right(scan: Scan, writer: Writer) -> None:
    scan.touch(status={"phase": "Dancing", "foo": 1})
    await writer.update(says("hello"))

    assert scan.body["status"] == {"observedGeneration": -1, "message": "hello"}


async def test_a_deleted_scan_is_gone(api: Api, writer: Writer) -> None:
    api[0].script = [refusal(404)]

    with pytest.raises(ObjectGone):
        await writer.update(says("hello"))


async def test_a_scan_that_was_deleted_before_the_read_is_gone(api: Api, writer: Writer) -> None:
    api[0].script = [refusal(409), refusal(404)]

    with pytest.raises(ObjectGone):
        await writer.update(says("hello"))


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


async def test_a_status_that_cannot_be_read_again_is_rejected(api: Api, writer: Writer) -> None:
    """The error is the one of a refused write, which callers know how to wait for."""
    api[0].script = [refusal(409), refusal(400, "etcdserver: mvcc: database space exceeded")]

    with pytest.raises(StatusRejected, match="space exceeded"):
        await writer.update(says("hello"))
