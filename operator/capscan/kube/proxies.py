"""Which proxy leads to the API server, by the rules that kubectl follows.

These are Go's rules (package golang.org/x/net/http/httpproxy). Python's own differ: they know no
networks such as 10.0.0.0/8 in NO_PROXY, and send requests to this machine through the proxy.
Everything here is pure; `kubeconfig.py` and `login.py` ask it.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_SCHEMES = frozenset({"http", "https", "socks5"})
"""The schemes that kubectl takes for a proxy."""


def proxy_of(server: str, environment: Mapping[str, str]) -> str | None:
    """Return the proxy that the environment names for this server, or None for the direct way.

    For https it is HTTPS_PROXY, for http HTTP_PROXY; the names in small letters count where those
    in capitals are empty. A server on this machine is always reached directly.
    """
    url = urlsplit(server)
    proxy = _first(environment, f"{url.scheme}_proxy")
    if not proxy or not url.hostname:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    port = str(url.port or _DEFAULT_PORTS.get(url.scheme, ""))
    # The check for localhost is the one that Go makes: with the letters as they were written.
    host = url.netloc.rpartition("@")[2].partition(":")[0]
    if host == "localhost" or not _needs_proxy(
        url.hostname, port, _first(environment, "no_proxy") or ""
    ):
        return None
    return proxy


def is_this_machine(server: str) -> bool:
    """Return whether requests to this server stay on this machine."""
    host = urlsplit(server).hostname or ""
    address = _address(host)
    return host == "localhost" or bool(address and address.is_loopback)


def refused_proxy(proxy: str) -> str | None:
    """Return what to write instead of this proxy where it cannot be used, else None."""
    try:
        url = urlsplit(proxy)
        usable = bool(url.hostname) and (url.port or 1) > 0
    except ValueError:
        return "it is no address; write http://HOST:PORT"
    if not usable or url.scheme not in _SCHEMES:
        return "it is no address of a proxy; write http://HOST:PORT"
    if url.scheme != "http":
        return f"a proxy by {url.scheme}:// cannot be used here; name one by http://HOST:PORT"
    return None


def _first(environment: Mapping[str, str], name: str) -> str | None:
    return environment.get(name.upper()) or environment.get(name)


def _needs_proxy(host: str, port: str, no_proxy: str) -> bool:
    address = _address(host)
    if address and address.is_loopback:
        return False
    return not any(
        _spares(entry.strip().lower(), host.lower(), port, address) for entry in no_proxy.split(",")
    )


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _spares(entry: str, host: str, port: str, address: Address | None) -> bool:
    """Return whether one entry of NO_PROXY means this host and this port."""
    if entry in ("", "*"):
        return entry == "*"
    if network := _network(entry):
        return address is not None and address in network
    name, wanted_port = _split_port(entry)
    if not name or wanted_port not in ("", port):
        return False
    if address or _address(name):
        return address == _address(name)
    name = name.removeprefix("*") if name.startswith("*.") else name
    return host.endswith(name if name.startswith(".") else f".{name}") or host == name


def _split_port(entry: str) -> tuple[str, str]:
    """Return name and port as Go's net.SplitHostPort does; without a port where it fails."""
    if entry.startswith("["):
        name, closed, rest = entry[1:].partition("]")
        return (name, rest[1:]) if closed and rest.startswith(":") else (entry, "")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    if "/" not in text:
        return None
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
