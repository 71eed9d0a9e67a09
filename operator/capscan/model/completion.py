"""Completion: the answer to one question, what it cost, and what the response said of limits."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from capscan.model.capability import Analysis


@dataclass(frozen=True, slots=True)
class Usage:
    """What requests cost, as the provider counted it, or by an estimate where it did not.

    `input_tokens` are all of the prompt's, `cached_input_tokens` those of them that came from the
    provider's cache; `cost` is in the currency of the account's pricing, 0 where it has none.
    """

    requests: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )

    def __sub__(self, before: Usage) -> Usage:
        return Usage(
            self.requests - before.requests,
            self.input_tokens - before.input_tokens,
            self.cached_input_tokens - before.cached_input_tokens,
            self.output_tokens - before.output_tokens,
            self.cost - before.cost,
        )


NO_USAGE = Usage()


@dataclass(frozen=True, slots=True)
class ObservedLimit:
    """One limit as a response's headers tell it. A field that they do not tell is None."""

    limit: int | None = None
    remaining: int | None = None
    reset_s: float | None = None
    """Seconds from the response until `remaining` is `limit` again."""


@dataclass(frozen=True, slots=True)
class ObservedLimits:
    """What one response said about the account's limits, per minute.

    `input_tokens` is also where a provider that has one limit for prompt and answer together
    (OpenAI) tells it.
    """

    requests: ObservedLimit | None = None
    input_tokens: ObservedLimit | None = None
    output_tokens: ObservedLimit | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a provider, already checked for shape and bounds."""

    analysis: Analysis
    provider: str
    """Who answered. It is not who was asked where the circuit of that provider is open."""
    model: str
    identity: str
    """The identity of who was asked, at that moment: an InferenceProvider may be edited in
    mid-run."""
    usage: Usage = NO_USAGE
    """What this answer cost, repairs included."""
    prompt_version: int | None = None
    """Version of the prompt that the question was put in; None where no model was asked."""
