"""Holds a key to what the annotations of its Secret allow.

Whoever may edit an InferenceProvider decides where its key goes. Whoever owns the Secret may bound
that: then the key goes to the origins named there, and through no proxy and under no CA bundle that
is not named there too, because either lets somebody else read what is sent to the right address.
"""

import re
from collections.abc import Iterator

from capscan.core.errors import ProviderUnusable
from capscan.core.text import shorten
from capscan.inference.api.address import BASE_URL, PROXY_URL, origin_of
from capscan.inference.api.trust import bundle_sha256
from capscan.model.api_key import ALLOWED_CA, ALLOWED_ORIGIN, ALLOWED_PROXY, ApiKey
from capscan.model.provider import ProviderSpec

REASON = "KeyNotAllowed"

_ORIGIN = re.compile(r"https?://[^/?#@\\]+/?", re.IGNORECASE)
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})", re.IGNORECASE)
_SHOWN_CHARS_MAX = 200


def check_bounds(key: ApiKey, spec: ProviderSpec, base_url: str) -> None:
    """Raise ProviderUnusable where the key may not be sent as `spec` asks.

    `base_url` is where requests go: that of the spec, or the provider's own.
    """
    if key.bounds is None:
        return
    allowed = list(_origins(key, ALLOWED_ORIGIN, key.bounds.origins))
    if (origin := origin_of(base_url)) not in allowed:
        wish = f"Set {BASE_URL} to one of those, or let" if allowed else "It names none: let"
        raise _refused(
            key, f"goes only where {ALLOWED_ORIGIN} says{_listed(allowed)}, and not to {origin}. "
            f"{wish} whoever owns the Secret add {origin} there",
        )  # fmt: skip
    if spec.proxy_url.strip():
        proxies = list(_origins(key, ALLOWED_PROXY, key.bounds.proxies))
        if (proxy := origin_of(spec.proxy_url, PROXY_URL)) not in proxies:
            raise _refused(
                key, f"goes through no proxy but those of {ALLOWED_PROXY}{_listed(proxies)}, and "
                f"not through {proxy}. Set {PROXY_URL} to one of those or take it out, or let "
                f"whoever owns the Secret add {proxy} there",
            )  # fmt: skip
    if spec.ca_bundle.strip():
        digest = bundle_sha256(spec.ca_bundle)
        if digest not in _bundles(key, key.bounds.bundles):
            raise _refused(
                key, f"goes nowhere under a spec.caBundle but those of {ALLOWED_CA}. Take "
                "spec.caBundle out, or let whoever owns the Secret check the bundle and add its "
                f"SHA-256 there: {digest}",
            )  # fmt: skip


def _origins(key: ApiKey, annotation: str, written: tuple[str, ...]) -> Iterator[str]:
    for number, one in enumerate(written, start=1):
        try:
            if not _ORIGIN.fullmatch(one):
                raise ValueError
            yield origin_of(one, annotation)
        except (ProviderUnusable, ValueError):
            # It is not quoted: it may be anything, even a key in the wrong place.
            raise _refused(
                key, f"goes nowhere: number {number} in {annotation} is no origin. Let whoever "
                "owns the Secret write scheme, host and port there, without a path, such as "
                "https://api.example.com",
            ) from None  # fmt: skip


def _bundles(key: ApiKey, written: tuple[str, ...]) -> Iterator[str]:
    for number, one in enumerate(written, start=1):
        match = _SHA256.fullmatch(one)
        if not match:
            raise _refused(
                key, f"goes nowhere: number {number} in {ALLOWED_CA} is no SHA-256. Let whoever "
                "owns the Secret write there what `sha256sum ca.crt` prints first",
            )  # fmt: skip
        yield match[1].lower()


def _listed(allowed: list[str]) -> str:
    return f" ({shorten(', '.join(allowed), _SHOWN_CHARS_MAX)})" if allowed else ""


def _refused(key: ApiKey, what: str) -> ProviderUnusable:
    return ProviderUnusable(REASON, f"the key in Secret {key.secret} {what}")
