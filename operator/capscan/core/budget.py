"""What a run may use, and whether it has: all of its requests count, failed ones too."""

from decimal import Decimal

from capscan.core.conditions import Stall
from capscan.core.pricing import shown
from capscan.model import Budget, Usage


def used_up(budget: Budget, usage: Usage) -> Stall | None:
    """Why nothing more may be asked; None while something may. What is in flight when a limit is
    reached finishes, so a run may use that much more.
    """
    tokens = usage.input_tokens + usage.output_tokens
    if budget.max_tokens and tokens >= budget.max_tokens:
        return Stall(
            "BudgetReached",
            f"This run has used {tokens} of {budget.max_tokens} tokens. What is settled stays; "
            "raise spec.budget.maxTokens to go on.",
        )
    limit = Decimal(budget.max_cost or 0)
    if limit and usage.cost >= limit:
        return Stall(
            "BudgetReached",
            f"This run has cost {shown(usage.cost)} of {budget.max_cost}. What is settled stays; "
            "raise spec.budget.maxCost to go on.",
        )
    return None
