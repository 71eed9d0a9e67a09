"""An amount of what budgets and limits are about: tokens, and what they cost."""

from dataclasses import dataclass
from decimal import Decimal

from capscan.model import Usage

TOKENS_MAX = 10**18
"""More tokens count as so many: nobody has ever sent them."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of what a budget limits."""

    tokens: int = 0
    cost: Decimal = Decimal(0)

    @classmethod
    def of(cls, usage: Usage) -> "Amount":
        """Return the amount of a usage: tokens of prompt and answer together, and the cost."""
        return cls(min(usage.input_tokens + usage.output_tokens, TOKENS_MAX), usage.cost)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.cost + other.cost)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens - other.tokens, self.cost - other.cost)


NOTHING = Amount()
