"""CustomResourceDefinitions: listed by metadata, read one at a time.

Reading one in full is parsed by `core/crd/parsing.py`; changes are watched by `crd_watch.py`.
"""

from typing import Any

from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import (
    CrdUnreadable,
    Forbidden,
    Invalid,
    MissingPermission,
    NotFound,
    ServerError,
)
from capscan.kube.client import KubeClient
from capscan.kube.permissions import RbacRule
from capscan.model import Crd, CrdRef

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class CrdSource:
    """The cluster's CRDs: the port `scan.ports.Crds`."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list_refs(self) -> list[CrdRef]:
        """Return every CRD of the cluster, by metadata alone. Raises MissingPermission."""
        try:
            return await self._client.list_metadata(PATH, ref_of)
        except Forbidden as error:
            raise missing("list", "get, list", error) from error

    async def read(self, name: str) -> Crd:
        """Return one CRD in full. Raises NotFound, also where it is being deleted, CrdUnreadable,
        MissingPermission.
        """
        try:
            body = await self._client.get(f"{PATH}/{name}")
            if "deletionTimestamp" in body["metadata"]:
                raise NotFound(f"{name} is being deleted")
            return parse_crd(body)
        except Forbidden as error:
            raise missing("get", "get, list", error) from error
        except (ServerError, Invalid) as error:
            raise CrdUnreadable(str(error)) from error


def ref_of(metadata: dict[str, Any]) -> CrdRef:
    """Return the part of a CRD's metadata that planning needs."""
    return CrdRef(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        labels=metadata.get("labels") or {},
        terminating="deletionTimestamp" in metadata,
    )


def missing(verb: str, verbs: str, error: Forbidden, effect: str = "") -> MissingPermission:
    """Return the error of not being allowed to `verb` CRDs, and the `effect` of that. `verbs` are
    all that the reader of CRDs needs.
    """
    rule = RbacRule("apiextensions.k8s.io", "customresourcedefinitions", verbs)
    return rule.missing(error, verb=verb, what="CustomResourceDefinitions", effect=effect)
