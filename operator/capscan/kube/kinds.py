"""The kinds whose objects the operator watches: listing them, and the writers of their status.

kopf watches them (`handlers.py`); `watching.py` keeps that watch alive.
"""

from collections.abc import Callable

from capscan.core.kube_errors import Forbidden
from capscan.kube.client import KubeClient
from capscan.kube.permissions import RbacRule
from capscan.kube.status import StatusWriter
from capscan.kube.transport import Json
from capscan.model import CapabilityScan, InferenceProvider, ProviderStatus, ScanStatus
from capscan.model.meta import GROUP, VERSION

SCANS = "capabilityscans"
PROVIDERS = "inferenceproviders"


async def list_kind(
    client: KubeClient, plural: str, take: Callable[[Json], None]
) -> tuple[list[str], str]:
    """Call `take` with every object of a kind; return their UIDs, and the version of the listing.
    Raises Forbidden, and NotFound while the kind is not installed.
    """

    def taken(body: Json) -> str:
        take(body)
        return _uid(body["metadata"])

    return await client.list_objects(f"/apis/{GROUP}/{VERSION}/{plural}", taken)


async def list_uids(client: KubeClient, plural: str) -> tuple[list[str], str]:
    """Return the same without reading the objects. Raises Forbidden, NotFound."""
    return await client.list_metadata_at(f"/apis/{GROUP}/{VERSION}/{plural}", _uid)


async def check_watch(client: KubeClient, plural: str) -> None:
    """Raise MissingPermission where the objects of a kind may not be watched. Raises NotFound."""
    try:
        await client.check_watch(f"/apis/{GROUP}/{VERSION}/{plural}")
    except Forbidden as error:
        effect = ", so that it sees them change late, by listing them again and again"
        rule = RbacRule(GROUP, plural, "watch")
        raise rule.missing(error, verb="watch", effect=effect) from error


def scan_status(client: KubeClient, scan: CapabilityScan) -> StatusWriter[ScanStatus]:
    """Return the writer of this scan's status."""
    return StatusWriter(client, scan, plural=SCANS, model=ScanStatus)


def provider_status(
    client: KubeClient, provider: InferenceProvider
) -> StatusWriter[ProviderStatus]:
    """Return the writer of this provider's status."""
    return StatusWriter(client, provider, plural=PROVIDERS, model=ProviderStatus)


def _uid(metadata: Json) -> str:
    uid: str = metadata["uid"]
    return uid
