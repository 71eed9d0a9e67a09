"""Listing the objects of a kind of capscan's."""

from typing import Any

import pytest

from capscan.core.kube_errors import NotServed
from capscan.kube.kinds import SCANS, list_kind
from tests.kube.apiserver import ok, refusal
from tests.kube.stored_scan import Api, Scan

pytestmark = pytest.mark.anyio


async def test_scans_are_listed_whole(api: Api, scan: Scan) -> None:
    body = {"metadata": {"resourceVersion": "12"}, "items": [scan.body]}
    api[0].script = [ok(body)]

    told: list[Any] = []

    found = await list_kind(api[1], SCANS, told.append)

    assert found == ([scan.body["metadata"]["uid"]], "12")
    assert told == [scan.body]


async def test_a_listing_of_a_kind_that_is_not_installed_fails(api: Api) -> None:
    api[0].script = [refusal(404, name="")]

    with pytest.raises(NotServed):
        await list_kind(api[1], SCANS, print)
