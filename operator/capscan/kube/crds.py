"""CustomResourceDefinitions: listed by metadata, read one at a time."""

from typing import Any

from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import (
    CrdUnreadable,
    Forbidden,
    Invalid,
    MissingPermission,
    ServerError,
)
from capscan.kube.client import KubeClient
from capscan.model import Crd, CrdRef

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class CrdSource:
    """The cluster's CRDs."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def list_refs(self) -> list[CrdRef]:
        """Every CRD of the cluster, by metadata alone. Raises MissingPermission."""
        try:
            return await self._client.list_metadata(PATH, ref_of)
        except Forbidden as error:
            raise missing("list", "get, list", error) from error

    async def read(self, name: str) -> Crd:
        """One CRD in full. Raises NotFound, CrdUnreadable, MissingPermission."""
        try:
            return parse_crd(await self._client.get(f"{PATH}/{name}"))
        except Forbidden as error:
            raise missing("get", "get, list", error) from error
        except (ServerError, Invalid) as error:
            raise CrdUnreadable(str(error)) from error


def ref_of(metadata: dict[str, Any]) -> CrdRef:
    """What a plan goes by."""
    return CrdRef(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        labels=metadata.get("labels") or {},
    )


def missing(verb: str, verbs: str, error: Forbidden, effect: str = "") -> MissingPermission:
    """The right to `verb` CRDs, and its `effect`; `verbs` are all that is needed of them."""
    return MissingPermission(
        f"The operator may not {verb} CustomResourceDefinitions{effect}. Add to its ClusterRole: "
        f"apiGroups [apiextensions.k8s.io], resources [customresourcedefinitions], verbs [{verbs}]."
        f" The API server said: {error}"
    )
