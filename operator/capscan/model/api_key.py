"""An API key, and where whoever owns its Secret lets it go."""

from dataclasses import dataclass, field

ALLOWED_ORIGIN = "capscan.dev/allowed-origin"
ALLOWED_PROXY = "capscan.dev/allowed-proxy"
ALLOWED_CA = "capscan.dev/allowed-ca"


@dataclass(frozen=True, slots=True)
class KeyBounds:
    """What the annotations of a Secret name, as they are written there."""

    origins: tuple[str, ...] = ()
    """Where the key may be sent: scheme, host and port."""
    proxies: tuple[str, ...] = ()
    """The proxies that it may be sent through."""
    bundles: tuple[str, ...] = ()
    """The SHA-256 of each spec.caBundle that may say who the other side is."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key in a Secret."""

    value: str = field(repr=False)
    secret: str = ""
    """The Secret's namespace and name."""
    bounds: KeyBounds | None = None
    """None where the Secret bounds nothing: the InferenceProvider alone decides."""
