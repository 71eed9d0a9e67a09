"""API keys: single values of Secrets, in the operator's own namespace and nowhere else."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from capscan.core.errors import ProviderUnusable
from capscan.core.kube_errors import Forbidden, NotFound
from capscan.kube.client import KubeClient
from capscan.model import SecretKeyRef
from capscan.model.api_key import ALLOWED_CA, ALLOWED_ORIGIN, ALLOWED_PROXY, ApiKey, KeyBounds

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""Any other name, put into a path, could lead out of the namespace."""


class Secrets:
    """Reads keys, and keeps none of them."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def read(self, ref: SecretKeyRef) -> ApiKey:
        """Return the key, stripped of white space, with where it may go.

        Raises ProviderUnusable, with what to do.
        """
        if not _NAME.fullmatch(ref.name):
            raise ProviderUnusable(
                "SecretNotFound", f"No Secret can be called {ref.name!r}: see apiKeySecretRef.name"
            )
        where = f"Secret {self._namespace}/{ref.name}"
        try:
            body = await self._client.get(
                f"/api/v1/namespaces/{self._namespace}/secrets/{ref.name}"
            )
        except NotFound:
            raise ProviderUnusable(
                "SecretNotFound",
                f"There is no {where}. Create it: kubectl -n {self._namespace} create secret "
                f"generic {ref.name} --from-file={ref.key}=FILE",
            ) from None
        except Forbidden as error:
            raise ProviderUnusable(
                "SecretForbidden",
                f"The operator may not read {where}: allow get on it by name, in a Role "
                f"(docs/install.md shows one). The API server said: {error}",
            ) from error
        value = _value(body.get("data") or {}, ref, where)
        return ApiKey(value, f"{self._namespace}/{ref.name}", _bounds(body))


def _bounds(secret: Mapping[str, Any]) -> KeyBounds | None:
    """Return what the annotations allow; None where there is none of them."""
    found = (secret.get("metadata") or {}).get("annotations") or {}
    if not found.keys() & {ALLOWED_ORIGIN, ALLOWED_PROXY, ALLOWED_CA}:
        return None
    return KeyBounds(
        *(
            tuple(found.get(name, "").replace(",", " ").split())
            for name in (ALLOWED_ORIGIN, ALLOWED_PROXY, ALLOWED_CA)
        )
    )


def _value(data: dict[str, str], ref: SecretKeyRef, where: str) -> str:
    if ref.key not in data:
        # Not which keys it has: whoever may read providers need not know what is in Secrets.
        has = "Name one that it has" if data else "It is empty: give it one, and name that"
        raise ProviderUnusable(
            "SecretKeyMissing", f"{where} has no key {ref.key}. {has} in apiKeySecretRef.key"
        )
    try:
        value = base64.b64decode(data[ref.key], validate=True).decode("ascii").strip()
    except (binascii.Error, UnicodeDecodeError):
        value = ""
    if not value or not value.isprintable():
        raise ProviderUnusable(
            "SecretKeyMissing", f"{where} holds no API key under {ref.key}: it is empty or no text"
        )
    return value
