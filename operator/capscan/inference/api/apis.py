"""Opens the API that an InferenceProvider's protocol stands for."""

from collections.abc import Mapping
from typing import Protocol

import httpx2
from pydantic import SecretStr

from capscan.inference.api.anthropic import AnthropicApi
from capscan.inference.api.openai import OpenAIApi
from capscan.inference.api.protocol import ModelApi, ReadLimits
from capscan.model.provider import ApiProtocol, ProviderSpec


class _Open(Protocol):
    def __call__(
        self,
        spec: ProviderSpec,
        api_key: SecretStr | None,
        read_limits: ReadLimits,
        transport: httpx2.AsyncBaseTransport | None = None,
        /,
    ) -> ModelApi: ...


_APIS: Mapping[ApiProtocol, _Open] = {
    ApiProtocol.ANTHROPIC: AnthropicApi.open,
    ApiProtocol.OPENAI: OpenAIApi.open,
}


def open_api(
    spec: ProviderSpec,
    api_key: SecretStr | None,
    read_limits: ReadLimits,
    transport: httpx2.AsyncBaseTransport | None = None,
) -> ModelApi:
    """Return a client of the protocol; nothing is sent yet. `transport` replaces the network.

    Raises ProviderUnusable.
    """
    return _APIS[spec.protocol](spec, api_key, read_limits, transport)
