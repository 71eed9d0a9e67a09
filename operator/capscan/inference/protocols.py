"""The protocols by the names that an InferenceProvider gives them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pydantic import SecretStr

from capscan.core.ratelimit_headers import observed_limits, retry_after_s
from capscan.inference.anthropic import AnthropicApi
from capscan.inference.openai import OpenAIApi
from capscan.inference.protocol import ModelApi
from capscan.model import ApiProtocol, ObservedLimits, ProviderSpec


def open_api(spec: ProviderSpec, key: str | None) -> ModelApi:
    """Nothing is sent yet. Raises ProviderUnusable where address or certificates will not do."""
    api_key = None if key is None else SecretStr(key)
    match spec.protocol:
        case ApiProtocol.ANTHROPIC:
            return AnthropicApi.open(spec, api_key, read_limits)
        case ApiProtocol.OPENAI:
            return OpenAIApi.open(spec, api_key, read_limits)


def read_limits(headers: Mapping[str, str]) -> tuple[ObservedLimits | None, float | None]:
    """What a response said about the account's limits, and how long it asks to wait."""
    now = datetime.now(UTC)
    return observed_limits(headers, now), retry_after_s(headers, now)
