"""CRDs, listed by metadata and read one at a time."""

import pytest

from capscan.core.crd.digested import DigestedCrd, digest_bytes
from capscan.core.errors import MissingPermission
from capscan.core.kube_errors import NotFound
from capscan.kube.client import KubeClient
from capscan.kube.crds import PATH, CrdSource
from capscan.model import CrdRef
from tests import builders
from tests.kube.apiserver import ApiServer, ok, refusal

pytestmark = pytest.mark.anyio

Api = tuple[ApiServer, KubeClient]


async def digest(raw: bytes) -> DigestedCrd:
    """Digest a CRD in this process."""
    return digest_bytes(raw)


async def test_a_listing_of_crds_gives_references(api: Api) -> None:
    server, client = api
    server.script = [
        ok(
            {
                "metadata": {},
                "items": [
                    {
                        "metadata": {
                            "name": "a.x",
                            "uid": "u1",
                            "generation": 3,
                            "labels": {"team": "db"},
                        }
                    },
                    {"metadata": {"name": "b.x", "uid": "u2"}},
                ],
            }
        )
    ]

    assert await CrdSource(client, digest).list_refs() == [
        CrdRef("a.x", "u1", 3, {"team": "db"}),
        CrdRef("b.x", "u2", 0),
    ]


async def test_a_crd_is_read_in_full(api: Api) -> None:
    server, client = api
    server.script = [ok(builders.crd("widgets"))]
    found = await CrdSource(client, digest).read("widgets.example.com")

    assert server.seen[0].path == f"{PATH}/widgets.example.com"
    assert (found.crd.kind, found.crd.version) == ("Widget", "v1")
    assert "How large it is." in found.digest.text


async def test_a_crd_that_is_gone_is_not_found(api: Api) -> None:
    server, client = api
    server.script = [refusal(404, name="widgets.example.com")]

    with pytest.raises(NotFound):
        await CrdSource(client, digest).read("widgets.example.com")


async def test_a_missing_permission_names_the_rule_to_add(api: Api) -> None:
    server, client = api
    server.script = [refusal(403, "user u cannot") for _ in range(2)]
    crds = CrdSource(client, digest)

    for verb, call in (("list", crds.list_refs()), ("get", crds.read("a.x"))):
        with pytest.raises(MissingPermission, match=f"may not {verb} .*customresourcedefinitions"):
            await call
