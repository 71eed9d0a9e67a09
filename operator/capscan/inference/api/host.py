"""What a host means, in whatever way it is written, and the hosts that no question goes to.

Nothing here does I/O: a name is judged as a name. What it resolves to is judged by `transport.py`,
by the same `is_forbidden`.
"""

import ipaddress
import re
from collections.abc import Iterator

_METADATA_NAMES = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.goog",
        "metadata.google.internal",
        "metadata.packet.net",
        "metadata.platformequinix.com",
        "metadata.tencentyun.com",
        "rancher-metadata",
        "rancher-metadata.rancher.internal",
    }
)
_METADATA_IPV4 = frozenset(
    int(ipaddress.IPv4Address(text))
    for text in (
        "169.254.169.254",  # nearly all clouds
        "169.254.170.2",  # AWS, for containers
        "169.254.170.23",  # AWS, for Pods
        "169.254.0.23",  # Tencent
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure
        "192.0.0.192",  # Oracle
    )
)
_METADATA_IPV6 = frozenset(
    ipaddress.IPv6Address(text)
    for text in (
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS, for Pods
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
    )
)
_IPV4_AT_THE_END = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "::ffff:0:0/96",  # RFC 4291, IPv4-mapped
        "::/96",  # RFC 4291, IPv4-compatible
        "::ffff:0:0:0/96",  # RFC 7915, IPv4-translated
        "64:ff9b::/96",  # RFC 6052, NAT64
        "64:ff9b:1::/48",  # RFC 8215, NAT64 of a network's own
    )
)
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The third quarter of an address whose last one is an IPv4 address: RFC 5214."""
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*")
_NUMERIC = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+")
_CLUSTER_SUFFIXES = (".svc", ".svc.cluster.local")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def normalised(host: str) -> str:
    """Return one spelling for all that mean the same host: lower case, no dot at the end, and an
    address as `ipaddress` writes it, whatever inet_aton(3) would take for it.

    `host` is in ASCII: names of other scripts are encoded before. Raises ValueError where it ends
    in a number and yet is no address: no resolver knows such a name.
    """
    bare = host.lower().rstrip(".")
    if address := _address(bare):
        return str(address)
    if _NUMERIC.fullmatch(bare.rpartition(".")[2]):
        raise ValueError("it ends in a number, and is no address")
    return bare


def is_forbidden(host: str) -> bool:
    """Return whether this is a cloud's metadata service or a link-local address, by name or by
    address, in any spelling.

    Whoever reaches those from a Pod gets the node's credentials.
    """
    bare = host.lower().rstrip(".")
    address = _address(bare)
    if address is None:
        return bare in _METADATA_NAMES
    if isinstance(address, ipaddress.IPv4Address):
        return _is_forbidden_ipv4(int(address))
    return (
        address.is_link_local
        or address in _METADATA_IPV6
        # Behind any prefix: a network's own NAT64 has one that nobody else knows.
        or int(address) & 0xFFFF_FFFF in _METADATA_IPV4
        or any(_is_forbidden_ipv4(inner) for inner in _embedded(address))
    )


def is_near(host: str) -> bool:
    """Return whether this is the Pod itself or a Service of the cluster, to which plain HTTP is
    usual. A short name is not known to be one.
    """
    bare = host.lower().rstrip(".")
    address = _address(bare)
    if address is None:
        return bare == "localhost" or bare.endswith((".localhost", *_CLUSTER_SUFFIXES))
    mapped = getattr(address, "ipv4_mapped", None)
    return any(one.is_loopback or one.is_unspecified for one in (address, mapped) if one)


def _address(host: str) -> Address | None:
    try:
        found = ipaddress.ip_address(host.partition("%")[0])  # without the zone
    except ValueError:
        return _inet_aton(host)
    return found


def _inet_aton(host: str) -> ipaddress.IPv4Address | None:
    """Return what inet_aton(3) makes of it: up to four parts, decimal, octal or hexadecimal, of
    which the last one fills all bytes that are left.
    """
    parts = host.split(".")
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        return None
    *high, last = map(_number, parts)
    if any(number > 255 for number in high) or last >= 256 ** (4 - len(high)):
        return None
    return ipaddress.IPv4Address(last + sum(n << (24 - 8 * i) for i, n in enumerate(high)))


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    return int(text, 8 if text[0] == "0" else 10)


def _is_forbidden_ipv4(address: int) -> bool:
    return address >> 16 == 0xA9FE or address in _METADATA_IPV4


def _embedded(address: ipaddress.IPv6Address) -> Iterator[int]:
    """Yield the IPv4 addresses that an IPv6 address may stand for."""
    number = int(address)
    last = number & 0xFFFF_FFFF
    if any(address in network for network in _IPV4_AT_THE_END):
        yield last
    if number >> 32 & 0xFFFF_FFFF in _ISATAP:
        yield last
    if address in _SIX_TO_FOUR:
        yield number >> 80 & 0xFFFF_FFFF
    if address in _TEREDO:
        yield number >> 64 & 0xFFFF_FFFF  # the server
        yield last ^ 0xFFFF_FFFF  # the client
    if address in _LOCAL_NAT64:
        # RFC 6052 puts it behind prefixes of 48, 56 and 64 bits around an octet that is zero.
        digits = number.to_bytes(16, "big")
        bare = digits[:8] + digits[9:]
        for start in (6, 7, 8):
            yield int.from_bytes(bare[start : start + 4], "big")
