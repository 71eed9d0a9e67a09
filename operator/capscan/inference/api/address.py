"""Where a provider may be: checks of the addresses that somebody wrote into an InferenceProvider.

The checks do no I/O. What a host means is known by `host.py`; the address that a name resolves to
is checked when a connection is made, in `transport.py`.
"""

from urllib.parse import urlsplit

import httpx2

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.host import is_forbidden, is_near, normalised
from capscan.model.provider import ProviderSpec

INVALID = "InvalidProvider"
"""The reason of a provider whose spec cannot be right."""

BASE_URL, PROXY_URL = "spec.baseURL", "spec.proxyURL"
_PORTS = {"http": 80, "https": 443}


def checked_base_url(url: str) -> str:
    """Return the URL without its last slash.

    Raises ProviderUnusable where it cannot be one, or must not be asked.
    """
    _checked(url, BASE_URL)
    return url.strip().rstrip("/")


def checked_proxy_url(url: str) -> str | None:
    """Return the URL of the proxy; None where none is set. Raises ProviderUnusable."""
    if not url.strip():
        return None
    _checked(url, PROXY_URL)
    return url.strip()


def forbidden(host: str, field: str = BASE_URL) -> ProviderUnusable:
    """Return the error that says that this host is forbidden; `field` leads to it."""
    return ProviderUnusable(
        INVALID,
        f"the InferenceProvider leads to {host}, a link-local address or a cloud's metadata "
        f"service, where capscan asks nothing: name another in {field}",
    )


def origin_of(url: str, field: str = BASE_URL) -> str:
    """Return scheme, host and port, the same for all ways to write them; the port of the scheme
    is left out. Raises ProviderUnusable.
    """
    parsed = _checked(url, field)
    host = normalised(parsed.raw_host.decode("ascii"))
    port = parsed.port or _PORTS[parsed.scheme]
    shown = f"[{host}]" if ":" in host else host
    return f"{parsed.scheme}://{shown}" + ("" if port == _PORTS[parsed.scheme] else f":{port}")


def is_in_the_clear(base_url: str, proxy_url: str = "") -> bool:
    """Return whether plain HTTP leads away from this Pod and from the Services of the cluster.

    Both addresses were checked before. A proxy sees what it forwards over plain HTTP.
    """
    if httpx2.URL(base_url).scheme != "http":
        return False
    return not all(is_near(httpx2.URL(url).host) for url in (base_url, proxy_url) if url)


def warning_about(spec: ProviderSpec) -> str:
    """Return what a usable provider is to be warned of; empty where there is nothing."""
    try:
        base_url, proxy_url = spec.base_url.strip(), spec.proxy_url.strip()
        if not base_url or not is_in_the_clear(base_url, proxy_url):
            return ""
        way = f" through {origin_of(proxy_url, PROXY_URL)}" if proxy_url else ""
        what = "The API key goes" if spec.api_key_secret_ref else "Questions and answers go"
        return (
            f"{what} unencrypted to {origin_of(base_url)}{way}: "
            f"write https:// in {BASE_URL}, or the name of a Service that ends in .svc."
        )
    except (ProviderUnusable, httpx2.InvalidURL, UnicodeError):
        return ""  # the verdict says what is wrong with it


def _checked(url: str, field: str) -> httpx2.URL:
    """Return the URL as the client reads it, which is what is dialled. Raises ProviderUnusable."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ProviderUnusable(INVALID, f"{field} is no URL: {error}") from error
    if parts.scheme not in _PORTS or not host:
        raise ProviderUnusable(INVALID, f"{field} must begin with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise ProviderUnusable(
            INVALID,
            f"{field} holds a user name or a password, which everybody who may read "
            "InferenceProviders would see; API keys belong in spec.apiKeySecretRef",
        )
    if any(ord(char) <= 32 or ord(char) == 127 for char in text):
        raise ProviderUnusable(INVALID, f"{field} has white space in it")
    if "?" in text or "#" in text:  # even an empty one would swallow the path of each request
        raise ProviderUnusable(
            INVALID,
            f"{field} must end with its path, without ? or #. Azure needs no api-version with "
            "https://NAME.openai.azure.com/openai/v1",
        )
    if is_forbidden(host):
        raise forbidden(host, field)
    if "%" in parts.netloc or "\\" in text:
        raise ProviderUnusable(
            INVALID, f"{field} leads nowhere: {host} has a mark that no host has (% or \\)"
        )
    return _parsed(text, host, field)


def _parsed(text: str, host: str, field: str) -> httpx2.URL:
    try:
        parsed = httpx2.URL(text)
        _ = parsed.host  # which decodes xn-- only when it is asked for
        dialled = normalised(parsed.raw_host.decode("ascii"))
    except (httpx2.InvalidURL, ValueError) as error:
        raise ProviderUnusable(
            INVALID, f"{field} leads nowhere: {error}. Is {host} a name or an address?"
        ) from error
    if not dialled:
        raise ProviderUnusable(INVALID, f"{field} must begin with http:// or https:// and a host")
    if is_forbidden(dialled):
        raise forbidden(host, field)
    return parsed


_PATHS = {
    "azure.com": "/openai/v1",
    "googleapis.com": "/v1beta/openai",
    "openrouter.ai": "/api/v1",
}


def usual_path(base_url: str) -> str:
    """Return the path that a base URL at this host usually has; /v1 at most hosts."""
    host = f".{urlsplit(base_url).hostname or ''}"
    return next((path for name, path in _PATHS.items() if host.endswith(f".{name}")), "/v1")
