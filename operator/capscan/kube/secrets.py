"""API keys: single values of Secrets, in the operator's own namespace and nowhere else."""

import base64
import binascii
import re

from capscan.core.errors import Forbidden, NotFound, ProviderUnusable
from capscan.kube.client import KubeClient
from capscan.model import SecretKeyRef

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""Any other name, put into a path, could lead out of the namespace."""


class Secrets:
    """Reads keys, and keeps none of them."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def read(self, ref: SecretKeyRef) -> str:
        """Return the key, stripped of white space. Raises ProviderUnusable, with what to do."""
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
        return _value(body.get("data") or {}, ref, where)


def _value(data: dict[str, str], ref: SecretKeyRef, where: str) -> str:
    if ref.key not in data:
        has = f"it has {', '.join(sorted(data))}" if data else "it is empty"
        raise ProviderUnusable(
            "SecretKeyMissing",
            f"{where} has no key {ref.key}: {has}. Name one in apiKeySecretRef.key",
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
