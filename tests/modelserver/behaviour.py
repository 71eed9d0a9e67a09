"""What the fake can be told to do: plain values, from Python, a command line or POST /_control.

The order in which a request meets them is `service.py`'s; how the faults are written is
`transport.py`'s.
"""

from random import Random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tests.modelserver.faults import Fault

Share = Annotated[float, Field(ge=0, le=1)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(_Value):
    """So many a minute: refilled smoothly, or all at once with each window.

    `burst` is what a full bucket holds, a minute's worth unless said otherwise. `window_s` above 0
    makes it a fixed window: all of a window's share may come at once, and none after that.
    """

    per_minute: float
    burst: float | None = None
    window_s: float = 0.0

    @property
    def per_s(self) -> float:
        return self.per_minute / 60

    @property
    def capacity(self) -> float:
        """The most that can be taken at once."""
        if self.window_s:
            return self.per_s * self.window_s
        return self.per_minute if self.burst is None else self.burst


class Limits(_Value):
    """Of one account, which is one key of one protocol. None: no limit, and no headers for it."""

    requests: Rate | None = None
    tokens: Rate | None = None
    """OpenAI: prompt + max_tokens, charged on arrival, never refunded."""
    input_tokens: Rate | None = None
    """Anthropic: what was not read from the cache."""
    output_tokens: Rate | None = None
    """Anthropic: what is generated. Charged on arrival, since the fake knows its answer by then."""


class Latency(_Value):
    """How long an answer takes: lognormal with this mean and shape, plus a part per token."""

    mean_s: float = 0.0
    sigma: float = 0.0
    per_output_token_s: float = 0.0

    def draw(self, random: Random, output_tokens: int) -> float:
        # The mean of a lognormal is exp(mu + sigma^2 / 2).
        factor = random.lognormvariate(-(self.sigma**2) / 2, self.sigma) if self.sigma else 1.0
        return self.mean_s * factor + self.per_output_token_s * output_tokens


class Outage(_Value):
    """From `at_s` on, for so long; counted from when the behaviour was set.

    "503", "521" and "cut" meet what arrives, and let what is in flight go on; "refuse" closes the
    port and every connection, /_control among them. "521" is a page, as a gateway sends it.
    """

    at_s: float
    for_s: float
    how: Literal["503", "521", "cut", "refuse"] = "503"

    def lasts(self, elapsed_s: float) -> bool:
        return self.at_s <= elapsed_s < self.at_s + self.for_s


class Behaviour(_Value):
    """All that can be set. By default it takes any key and answers rightly and at once."""

    keys: tuple[str, ...] = ()
    """Accepted keys; none named: any key, or none at all."""
    models: tuple[str, ...] = ("claude-haiku-4-5", "gpt-5-mini", "qwen3:8b")
    latency: Latency = Latency()
    limits: Limits = Limits()
    in_flight_max: int | None = None
    """More at once is answered 529 or 503, at once."""
    failing: Share = 0.0
    """Share of requests answered 500. Like every refusal, it is charged to no bucket."""
    overloaded: Share = 0.0
    """Share of requests answered 529 or 503."""
    seed: int = 0
    outages: tuple[Outage, ...] = ()
    faults: tuple[Fault, ...] = ()
    """The first that fits a request is what happens to it."""
    openai_headers: Literal["full", "none", "azure", "groq"] = "full"
    response_formats: tuple[Literal["json_schema", "json_object"], ...] = (
        "json_schema",
        "json_object",
    )
    """What an OpenAI server knows beside text."""
    unsupported: tuple[str, ...] = ()
    """Body parameters that an OpenAI server refuses, such as max_tokens."""
    schema_bounds: bool = True
    """Whether schemas may bound the length of lists and texts."""
    system_role: bool = True
    """Whether the system prompt may have its own place; the templates of some models have none."""
    tool_choices: tuple[Literal["tool", "any", "auto"], ...] = ("tool", "any", "auto")
    """How tools may be offered over Anthropic's protocol; none named: not at all."""
    cache_marks: bool = True
    """Whether parts of a message may be marked for the cache."""
    counts: tuple[str, ...] | None = None
    """What answers tell of their usage; None: all of it."""
    counts_as: int | None = None
    """The number that answers tell for each of their counts; None: the right one."""
    prompt_bytes_max: int | None = None
    """Longer prompts do not fit the model's context."""
    body_bytes_max: int = 32 * 1024 * 1024
    cache_tokens_min: int = 1024
    """Shorter prefixes are not cached, which is what the providers do as well."""
    cache_ttl_s: float = 300.0
