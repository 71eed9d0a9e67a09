"""The kinds whose objects the operator watches: listing them, and the writers of their status.

kopf watches them (`handlers.py`); `watching.py` keeps that watch alive.
"""

from capscan.core.errors import Forbidden
from capscan.kube.client import KubeClient
from capscan.kube.permissions import RbacRule
from capscan.kube.status import StatusWriter
from capscan.kube.transport import Json
from capscan.model import CapabilityScan, InferenceProvider, ProviderStatus, ScanStatus
from capscan.model.meta import GROUP, VERSION

SCANS = "capabilityscans"
PROVIDERS = "inferenceproviders"


async def list_kind(client: KubeClient, plural: str) -> tuple[list[Json], str]:
    """Return every object of a kind, and the version of the listing. Raises Forbidden, and NotFound
    while the kind is not installed.
    """
    return await client.list_objects(f"/apis/{GROUP}/{VERSION}/{plural}")


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
