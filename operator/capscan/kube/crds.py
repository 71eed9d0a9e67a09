"""CustomResourceDefinitions: listed by metadata, read one at a time.

What is read is handed on as bytes to whoever digests it; changes are watched by `crd_watch.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from capscan.core.crd.digested import DigestedCrd
from capscan.core.errors import CrdUnreadable, MissingPermission
from capscan.core.kube_errors import Forbidden, Invalid, NotFound, ServerError
from capscan.kube.client import KubeClient
from capscan.kube.permissions import RbacRule
from capscan.model import CrdRef

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class CrdSource:
    """The cluster's CRDs: the port `scan.ports.Crds`."""

    def __init__(
        self, client: KubeClient, digest: Callable[[bytes], Awaitable[DigestedCrd]]
    ) -> None:
        """`digest` parses and digests a CRD, and raises DigestFailed."""
        self._client = client
        self._digest = digest

    async def list_refs(self) -> list[CrdRef]:
        """Return every CRD of the cluster, by metadata alone. Raises MissingPermission."""
        try:
            return await self._client.list_metadata(PATH, ref_of)
        except Forbidden as error:
            raise missing("list", "get, list", error) from error

    async def read(self, name: str) -> DigestedCrd:
        """Read one CRD and digest it. Raises NotFound, also where it is being deleted,
        CrdUnreadable, DigestFailed, MissingPermission.
        """
        try:
            raw = await self._client.get_bytes(f"{PATH}/{name}")
        except Forbidden as error:
            raise missing("get", "get, list", error) from error
        except (ServerError, Invalid) as error:
            raise CrdUnreadable(str(error)) from error
        found = await self._digest(raw)
        if found.is_being_deleted:
            raise NotFound(f"{name} is being deleted")
        return found


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
