"""What an API of a model must offer: one prompt in, one reply out, no retry; and a free check.

`anthropic.py` and `openai.py` implement it; `asking.py` makes an analysis out of the replies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from capscan.core.answer.prompt import Prompt
from capscan.core.errors import InferenceError
from capscan.model import Usage
from capscan.model.completion import ObservedLimits

ReadLimits = Callable[[Mapping[str, str]], tuple[ObservedLimits | None, float | None]]
"""From a response's headers to the account's limits, and the seconds it asks to wait."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model wrote, not yet read."""

    answer: str | Mapping[str, Any]
    """Text, or the object that a tool was called with."""
    usage: Usage
    observed: ObservedLimits | None = None
    truncated: bool = False
    """It ran into its limit of tokens."""
    doubtful: bool = False
    """It ended in a way that nobody knows here: only what is whole counts."""
    thoughts: str = ""
    """What the model thought aloud, which may hold the answer where `answer` holds none."""


class Renegotiated(InferenceError):
    """The server does not know a part of the request, and another request can do without it.

    Nothing was answered. The next request goes at once, and without that part.
    """

    reason = "RequestRejected"
    retryable = True

    @classmethod
    def after(cls, error: InferenceError) -> "Renegotiated":
        """Return the error with all that the refusal said."""
        return cls(error.message, usage=error.usage, observed=error.observed)


class ModelApi(Protocol):
    """One account and model, over one HTTP API."""

    @property
    def address(self) -> str:
        """The provider's address, the same for all ways to write it."""
        ...

    async def send(self, prompt: Prompt, *, max_output_tokens: int) -> Reply:
        """Send exactly one request. Raises InferenceError, ProviderUnusable."""
        ...

    async def check(self) -> bool:
        """Look at the account without spending anything; silent where that is inconclusive. Return
        whether the server says of itself that it answers few requests at a time.

        Raises ProviderUnusable, or InferenceError where nobody answers.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
