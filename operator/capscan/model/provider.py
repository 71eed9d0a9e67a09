"""InferenceProvider: one account at a model provider, with its limits.

Endpoint and key stand in one object that administrators own: whoever may create scans can name
it, and never send its key elsewhere.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from capscan.model.allowed_scans import AllowedScans
from capscan.model.base import Count, Duration, Time, Wire
from capscan.model.meta import Condition, ObjectMeta, parts_of
from capscan.model.money import Amount, Limit
from capscan.model.spent import RECENT_RUNS_MAX, PaidRun, Today

ObjectName = Annotated[str, Field(min_length=1, max_length=253)]
Rate = Annotated[int, Field(ge=1, le=1_000_000_000)]


class ApiProtocol(StrEnum):
    """The HTTP API a provider speaks."""

    ANTHROPIC = "Anthropic"
    OPENAI = "OpenAI"


class Circuit(StrEnum):
    """Whether questions are let through to a provider."""

    CLOSED = "Closed"
    OPEN = "Open"
    HALF_OPEN = "HalfOpen"


class SecretKeyRef(Wire):
    """One key of a Secret in the operator's own namespace."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        default="api-key", description="The key in its data."
    )


class FallbackRef(Wire):
    """An InferenceProvider that stands in for another."""

    name: ObjectName = Field(description="Name of the InferenceProvider.")


class Limits(Wire):
    """What the account allows. What is not given is learnt from responses."""

    max_in_flight: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None, description="At most so many requests at once, over all scans."
    )
    requests_per_minute: Rate | None = Field(default=None, description="Requests a minute.")
    input_tokens_per_minute: Rate | None = Field(
        default=None,
        description="Prompt tokens a minute; with protocol OpenAI, prompt and answer together.",
    )
    output_tokens_per_minute: Rate | None = Field(
        default=None, description="Answer tokens a minute, where they are limited apart."
    )
    headroom_percent: Annotated[int, Field(ge=0, le=90)] = Field(
        default=0,
        description="The share of the configured limits that is left to others, maxInFlight "
        "included.",
    )
    max_tokens_per_day: Annotated[int, Field(ge=1, le=1_000_000_000_000)] | None = Field(
        default=None,
        description="Prompt and answer tokens a day, in UTC, over all scans. Once they are used up "
        "scans wait for the next day, or until this is raised.",
    )
    max_cost_per_day: Limit | None = Field(
        default=None,
        description="Money a day, in UTC, over all scans, by spec.pricing and in its currency, "
        "such as 25.00. Once it is used up scans wait for the next day, or until this is raised.",
    )


class CircuitBreaker(Wire):
    """When to stop asking a provider that fails."""

    failure_percent: Annotated[int, Field(ge=1, le=100)] = Field(
        default=60, description="More failures than this among the last requests open the circuit."
    )
    minimum_requests: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=10,
        description="Out of so many of the last requests, or twice as many. Three in a row that "
        "found nobody there, with nothing else under way, open it too.",
    )
    open_for: Duration = Field(
        default=timedelta(seconds=2), description="How long it stays open before one request tries."
    )


class Pricing(Wire):
    """What the account pays, in any one currency, as decimal numbers such as "3.00"."""

    input_per_million_tokens: Amount = Field(
        default="0", description="Price of a million prompt tokens."
    )
    cached_input_per_million_tokens: Amount | None = Field(
        default=None,
        description="Price of a million prompt tokens that came from the provider's cache; that of "
        "other prompt tokens unless said otherwise.",
    )
    output_per_million_tokens: Amount = Field(
        default="0", description="Price of a million answer tokens."
    )


class ProviderSpec(Wire):
    """One account, one model."""

    protocol: ApiProtocol = Field(
        description="The API it speaks. OpenAI stands for every compatible server: Ollama, vLLM, "
        "LiteLLM, Azure, Groq and others."
    )
    model: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="The model, as the provider calls it."
    )
    base_url: Annotated[str, Field(max_length=2048)] = Field(
        default="",
        alias="baseURL",
        description="Where the API is, such as http://ollama.ai.svc:11434/v1; the provider's own "
        "public address unless said otherwise.",
    )
    ca_bundle: Annotated[str, Field(max_length=1_048_576)] = Field(
        default="",
        description="Certificates to trust for it instead of the system's: PEM in base64.",
    )
    proxy_url: Annotated[str, Field(max_length=2048)] = Field(
        default="",
        alias="proxyURL",
        description="An HTTP proxy to reach it through; none unless one is named here.",
    )
    api_key_secret_ref: SecretKeyRef | None = Field(
        default=None,
        description="Where the API key is: a Secret in the operator's own namespace. Local servers "
        "often need none. The Secret's annotation capscan.dev/allowed-origin names the origins "
        "that the key may be sent to; where it is set, the key goes nowhere else.",
    )
    limits: Limits = Field(default=Limits(), description="What the account allows.")
    adaptive: bool = Field(
        default=True,
        description="Find out how many requests at once the provider takes, up to "
        "limits.maxInFlight; false tries no more and no fewer than that, once it answers.",
    )
    request_timeout: Duration = Field(
        default=timedelta(seconds=60), description="How long one request may take."
    )
    circuit_breaker: CircuitBreaker = Field(
        default=CircuitBreaker(), description="When to stop asking a provider that fails."
    )
    pricing: Pricing | None = Field(
        default=None, description="What tokens cost; without it no cost is shown."
    )
    fallback_ref: FallbackRef | None = Field(
        default=None,
        description="Another InferenceProvider that is asked while this one's circuit is open.",
    )
    allowed_scans: AllowedScans | None = Field(
        default=None,
        description="The CapabilityScans that may ask it, also where it stands in for another; all "
        "unless said otherwise.",
    )
    minimum_run_interval: Duration | None = Field(
        default=None,
        description="The least time between two runs of one scan that ask it. A run that comes "
        "sooner waits before its first question, also where the scan was deleted and created "
        "again under its name.",
    )


class LastRateLimit(Wire):
    """The newest answer 429."""

    time: Time = Field(description="When it came.")
    message: Annotated[str, Field(max_length=512)] = Field(description="What it said.")
    retry_after: Duration | None = Field(
        default=None, description="How long it asked to wait, where it did."
    )


class ProviderStatus(Wire):
    """What the operator knows of the account."""

    observed_generation: int = Field(
        default=-1, description="The generation that the rest of the status speaks of."
    )
    circuit: Circuit | None = Field(
        default=None, description="Closed: requests go through. Open: none do. HalfOpen: one tries."
    )
    in_flight_limit: Count | None = Field(
        default=None, description="Requests at once that the provider is trusted with now."
    )
    last_rate_limit: LastRateLimit | None = Field(
        default=None, description="The newest answer 429 (too many requests)."
    )
    today: Today | None = Field(
        default=None, description="What its requests took today, over all scans."
    )
    recent_runs: Annotated[list[PaidRun], Field(max_length=RECENT_RUNS_MAX)] | None = Field(
        default=None,
        description="The newest runs that asked, one for each scan; only with "
        "spec.minimumRunInterval.",
    )
    conditions: list[Condition] | None = Field(
        default=None,
        description="Ready, and why not: Stalled waits for somebody to mend it, Reconciling "
        "heals by itself.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )


class InferenceProvider(Wire):
    """An InferenceProvider as it was last seen."""

    metadata: ObjectMeta
    spec: ProviderSpec
    status: ProviderStatus = ProviderStatus()
    raw_status: dict[str, Any] = Field(default={}, exclude=True)
    """The status to the letter: the difference to a wanted one is computed from it."""

    @classmethod
    def from_wire(cls, body: dict[str, Any]) -> "InferenceProvider":
        """Parse the object. Raises pydantic's ValidationError where its metadata or spec cannot be
        read; a status that somebody else wrote over counts as none.
        """
        return cls(**parts_of(body, ProviderSpec, ProviderStatus))
