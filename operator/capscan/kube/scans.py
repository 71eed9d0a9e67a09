"""CapabilityScan objects: listed, and their status written under a lock.

A write is a function from the newest status to the wanted one. The difference goes out with the
resourceVersion it was computed from; on a conflict the object is read and the function applied
again. A lost response needs no special care: the repeat conflicts, the re-read shows our own
write, and the difference is empty.
"""

from collections.abc import Callable

from capscan.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MissingPermission,
    NotFound,
    ScanGone,
    ServerError,
    StatusRejected,
)
from capscan.core.status import merge_patch
from capscan.kube.client import KubeClient
from capscan.kube.transport import Json
from capscan.model import CapabilityScan, ScanStatus
from capscan.model.scan import GROUP, VERSION

PATH = f"/apis/{GROUP}/{VERSION}/capabilityscans"

Render = Callable[[ScanStatus], ScanStatus]


async def list_scans(client: KubeClient) -> list[Json]:
    """Every CapabilityScan. Raises NotFound while the kind is not installed, Forbidden."""
    return await client.list_objects(PATH)


class StatusWriter:
    """Writes the status of one CapabilityScan, and of no other that takes its name later."""

    def __init__(self, client: KubeClient, scan: CapabilityScan) -> None:
        self._client = client
        self._scan = scan
        self._path = f"{PATH}/{scan.metadata.name}"

    def observe(self, scan: CapabilityScan) -> bool:
        """Take a version that a watch brought; False if a newer one is known already."""
        if _version(scan) < _version(self._scan):
            return False
        self._scan = scan
        return True

    async def update(self, render: Render) -> bool:
        """Make the status what `render` says of the newest one; whether anything was sent.

        Raises ScanGone, MissingPermission.
        """
        while True:
            scan = self._scan
            patch = merge_patch(scan.raw_status, render(scan.status).to_wire())
            if not patch:
                return False
            try:
                self.observe(await self._patch(scan, patch))
            except Conflict:
                await self._read_again()
            else:
                return True

    async def _patch(self, scan: CapabilityScan, patch: Json) -> CapabilityScan:
        metadata = {"resourceVersion": scan.metadata.resource_version}
        try:
            body = await self._client.merge_patch(
                f"{self._path}/status", {"metadata": metadata, "status": patch}
            )
            return CapabilityScan.from_wire(body)
        except NotFound as error:
            raise ScanGone(str(error)) from error
        except Forbidden as error:
            raise _missing_permission("capabilityscans/status", "patch", error) from error
        except (Invalid, ServerError) as error:
            raise StatusRejected(
                f"The API server does not take the status: {error}. Are its CRDs older than the "
                "operator? kubectl apply -k crds/"
            ) from error

    async def _read_again(self) -> None:
        try:
            body = await self._client.get(self._path)
        except NotFound as error:
            raise ScanGone(str(error)) from error
        except Forbidden as error:
            raise _missing_permission("capabilityscans", "get, list, watch", error) from error
        scan = CapabilityScan.from_wire(body)
        if scan.metadata.uid != self._scan.metadata.uid:
            raise ScanGone(f"{self._path} was deleted and created again")
        self.observe(scan)


def _version(scan: CapabilityScan) -> int:
    """resourceVersions of one kind are ordered integers (KEP-5504)."""
    return int(scan.metadata.resource_version)


def _missing_permission(resource: str, verbs: str, error: Forbidden) -> MissingPermission:
    return MissingPermission(
        f"The operator may not {verbs} {resource}. Add to its ClusterRole: apiGroups [{GROUP}], "
        f"resources [{resource}], verbs [{verbs}]. The API server said: {error}"
    )
