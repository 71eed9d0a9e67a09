"""Where a provider may be: checks of the addresses that somebody wrote into an InferenceProvider.

The checks do no I/O. The address that a name resolves to is checked when a connection is made, in
`transport.py`.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

import httpx2

from capscan.core.errors import ProviderUnusable

INVALID = "InvalidProvider"
"""The reason of a provider whose spec cannot be right."""

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data.ec2.internal"}
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")
)
"""AWS over IPv6, Alibaba Cloud, Azure, Oracle Cloud. Those of other clouds are link-local."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_SUFFIXES = (".svc", ".cluster.local", ".local", ".internal", ".localhost")


def checked_base_url(url: str) -> str:
    """Return the URL without its last slash.

    Raises ProviderUnusable where it cannot be one, or must not be asked.
    """
    parts = _split(url, "spec.baseURL")
    if parts.query or parts.fragment:
        raise ProviderUnusable(
            INVALID,
            "spec.baseURL must end with its path, without ? or #. Azure needs no api-version with "
            "https://NAME.openai.azure.com/openai/v1",
        )
    return url.strip().rstrip("/")


def checked_proxy_url(url: str) -> str | None:
    """Return the URL of the proxy; None where none is set. Raises ProviderUnusable."""
    if not url:
        return None
    _split(url, "spec.proxyURL")
    return url.strip()


def is_forbidden(address: str) -> bool:
    """Return whether this is a link-local address or that of a cloud's metadata service.

    Whoever reaches those from a pod gets the node's credentials. False for what is no address.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner:
            return is_forbidden(str(inner))
        found = ipaddress.IPv6Address(int(found))  # without the zone
    return found.is_link_local or found in _METADATA_ADDRESSES


def forbidden(host: str) -> ProviderUnusable:
    """Return the error that says that this host is forbidden."""
    return ProviderUnusable(
        INVALID,
        f"the InferenceProvider leads to {host}, a link-local address or a cloud's metadata "
        "service, where capscan asks nothing: name another in spec.baseURL",
    )


def is_in_the_clear(url: str) -> bool:
    """Return whether plain HTTP leads to a host that is neither private nor inside a cluster."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "http":
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_LOCAL_SUFFIXES)


def _split(url: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ProviderUnusable(INVALID, f"{field} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ProviderUnusable(INVALID, f"{field} must begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise ProviderUnusable(
            INVALID,
            f"{field} holds a user name or a password, which everybody who may read "
            "InferenceProviders would see; API keys belong in spec.apiKeySecretRef",
        )
    if any(ord(char) <= 32 or ord(char) == 127 for char in url.strip()):
        raise ProviderUnusable(INVALID, f"{field} has white space in it")
    if is_forbidden(host) or host.rstrip(".").lower() in _METADATA_NAMES:
        raise forbidden(host)
    try:
        _ = httpx2.URL(url.strip()).host  # which decodes xn-- only when it is asked for
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise ProviderUnusable(
            INVALID, f"{field} leads nowhere: {error}. Is {host} a name or an address?"
        ) from error
    return parts
