"""Labels on a Capability: only words of fixed vocabularies, never free text of an answer."""

from capscan.model import Capability
from capscan.model.meta import GROUP

COMPLEXITY = f"{GROUP}/complexity"
API_GROUP = f"{GROUP}/api-group"
CLOUD_PREFIX = f"cloud.{GROUP}"

_LABEL_CHARS_MAX = 63
_CLOUDS = {
    "alibaba cloud": "alibaba",
    "amazon web services": "aws",
    "aws": "aws",
    "azure": "azure",
    "digitalocean": "digitalocean",
    "gcp": "gcp",
    "google cloud": "gcp",
    "google cloud platform": "gcp",
    "hetzner": "hetzner",
    "hetzner cloud": "hetzner",
    "ibm cloud": "ibm",
    "microsoft azure": "azure",
    "openstack": "openstack",
    "oracle cloud": "oracle",
    "oracle cloud infrastructure": "oracle",
    "vmware vsphere": "vsphere",
    "vsphere": "vsphere",
}


def labels(capability: Capability) -> dict[str, str]:
    """`capscan.dev/complexity`, `capscan.dev/api-group`, and `cloud.capscan.dev/NAME` each."""
    found: dict[str, str] = {}
    if capability.resource and len(capability.resource.group) <= _LABEL_CHARS_MAX:
        found[API_GROUP] = capability.resource.group
    if capability.analysis:
        found[COMPLEXITY] = capability.analysis.complexity.value
        clouds = (_CLOUDS.get(provider.lower()) for provider in capability.analysis.providers)
        found |= {f"{CLOUD_PREFIX}/{cloud}": "true" for cloud in clouds if cloud}
    return found
