"""What can go wrong, as one tree.

CapscanError
├── ItemError                 one CRD's failure: it becomes a value in the run, with a reason
│   ├── InferenceError        what a model provider did
│   │   ├── ProviderUnavailable   nobody there: cut off, 502, 504, 520       (retryable)
│   │   │   └── ProviderUnreachable   no connection: nothing was sent        (retryable)
│   │   ├── ProviderOverloaded    there, but too busy: 503, 529              (retryable)
│   │   ├── ProviderFailed        it broke over this request: 500            (retryable)
│   │   ├── CircuitOpen           it fails so much that it is not asked for a moment   (retryable)
│   │   │   └── LimitReached          an administrator allows no more now    (retryable)
│   │   ├── RateLimited           429: it was not looked at                  (retryable)
│   │   ├── InferenceTimeout      no answer in time                          (retryable)
│   │   │   └── ItemTimeout           the item's own time is used up             (retryable)
│   │   ├── InvalidAnswer         an answer that is not an analysis          (retryable)
│   │   ├── AnswerRefused         the model, or a filter before it, declined
│   │   ├── ContextTooLong        the question does not fit the model
│   │   └── RequestRejected       asking again will not help
│   │       ├── RequestSingledOut     unless it is not this request's fault      (retryable)
│   │       └── RoomRefused           with less room for the answer it may be taken
│   ├── CrdUnreadable         the API server does not hand out this CRD
│   ├── DigestFailed          its schema cannot be shortened
│   ├── StoreRejected         the API server refused the Capability
│   └── InternalError         a bug of capscan or of a provider's code
├── ScanError                 the run cannot go on; the scan says so in a condition
│   ├── MissingPermission     names the RBAC rule to add
│   ├── MissingKind           capscan's own CRDs are not (or no longer) installed
│   ├── StatusRejected        the API server does not take the status
│   ├── InvalidBudget         a limit in money, and a provider that says no prices
│   ├── ProviderUnusable      the InferenceProvider is missing, or its key, its model, its address
│   └── ObjectGone            the object was deleted, or recreated under its name
├── WrongSettings             the operator's flags, environment or file, with what to write instead
└── KubeError                 what the Kubernetes API answered: its tree is in kube_errors.py

Errors say what happened. What follows from them is decided in few places; everybody else translates
an error or hands it on.

- `core/retry.py`: whether an item is tried again and when, and whether its request was looked at.
- `core/limits/sample.py`: what an error says of the provider.
- `inference/asking.py` and `inference/accounts/gate.py`: which requests are sent again within one
  attempt: shortened, repaired, or not looked at by the provider.
- `inference/accounts/keeper.py`: which errors make a provider unusable for everybody.
- `core/conditions.py`, in `Stall.by`: how a scan reads that an error has stalled.
- `kube/patience.py`: how long an absent API server is waited for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line raises some of these, and has no time for the models
    from capscan.model.completion import ObservedLimits, Usage


class CapscanError(Exception):
    """The root of everything that capscan raises on purpose."""


class ItemError(CapscanError):
    """One CRD could not be analysed. `reason` is CamelCase and part of the API."""

    reason = "Error"
    retryable = False

    @property
    def message(self) -> str:
        """One sentence for a person."""
        return str(self) or self.reason


class InferenceError(ItemError):
    """A provider's failure to answer one request."""

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        observed: ObservedLimits | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """Seconds that the provider asked to wait, where it said so."""
        self.usage = usage
        """What the request cost all the same, where that is known."""
        self.observed = observed
        """What the response said about the account's limits."""


class ProviderUnavailable(InferenceError):
    """Connection cut, 502, 504, 520 to 530, and what gateways say in other words."""

    reason = "ProviderUnavailable"
    retryable = True


class ProviderUnreachable(ProviderUnavailable):
    """Connection refused, no such host: nothing was sent, so that no question can be the cause."""


class ProviderOverloaded(InferenceError):
    """503, and Anthropic's 529: too much at once, from us or from everybody."""

    reason = "ProviderOverloaded"
    retryable = True


class ProviderFailed(InferenceError):
    """500: the provider is there, and broke over this request."""

    reason = "ProviderFailed"
    retryable = True


class CircuitOpen(InferenceError):
    """Nothing was sent: the provider fails so much that it is left alone for a moment."""

    reason = "CircuitOpen"
    retryable = True

    def __init__(self, message: str, *, retry_in_s: float) -> None:
        super().__init__(message)
        self.retry_in_s = retry_in_s
        """Seconds until somebody may try."""


class LimitReached(CircuitOpen):
    """Nothing was sent: an administrator's limit on this provider is reached. Nobody stands in for
    a provider that has spent what it may.
    """

    reason = "DailyLimitReached"

    def __init__(self, message: str, *, retry_in_s: float, most: Usage) -> None:
        super().__init__(message, retry_in_s=retry_in_s)
        self.most = most
        """What the request may take at most."""


class RateLimited(InferenceError):
    """429. The request was not looked at; the gate repeats it, and raises this after many times."""

    reason = "RateLimited"
    retryable = True

    def __init__(
        self,
        message: str = "",
        *,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        observed: ObservedLimits | None = None,
        of_concurrency: bool = False,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, usage=usage, observed=observed)
        self.of_concurrency = of_concurrency
        """Whether the limit is on requests at once, and not on their rate."""


class InferenceTimeout(InferenceError):
    """No answer in time."""

    reason = "Timeout"
    retryable = True


class ItemTimeout(InferenceTimeout):
    """The time that a scan gives one item is used up, which says nothing of the provider."""


class InvalidAnswer(InferenceError):
    """An answer came, but not an analysis."""

    reason = "InvalidAnswer"
    retryable = True


class AnswerRefused(InferenceError):
    """The model declined to answer, or a content filter stepped in."""

    reason = "AnswerRefused"


class ContextTooLong(InferenceError):
    """The question is longer than the model reads."""

    reason = "ContextTooLong"


class RequestRejected(InferenceError):
    """The provider refused this request and would refuse it again."""

    reason = "RequestRejected"


class RequestSingledOut(RequestRejected):
    """The provider turned this request down in words that are for all, and answers others. Once
    more may show whose fault it is.
    """

    retryable = True


class RoomRefused(RequestRejected):
    """The provider refused the room that was asked for the answer; with less it may answer."""

    def __init__(
        self,
        message: str = "",
        *,
        tokens_max: int | None = None,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        observed: ObservedLimits | None = None,
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s, usage=usage, observed=observed)
        self.tokens_max = tokens_max
        """The tokens that the provider would allow for the answer; None where it does not say."""


class CrdUnreadable(ItemError):
    """The API server answers the read of this CRD with an error, again and again."""

    reason = "CrdUnreadable"
    retryable = True


class DigestFailed(ItemError):
    """The CRD was read and cannot be shortened: it takes too long, or too much memory, or is no
    JSON that can be read. The same CRD would fail in the same way.
    """

    reason = "DigestFailed"


class StoreRejected(ItemError):
    """The API server refused to store the Capability."""

    reason = "StoreRejected"


class InternalError(ItemError):
    """An exception that nobody foresaw; the log has its traceback."""

    reason = "InternalError"


class ScanError(CapscanError):
    """The run as a whole cannot go on. `reason` becomes the reason of the Stalled condition."""

    reason = "Error"


class MissingPermission(ScanError):
    """The operator's account lacks an RBAC rule."""

    reason = "MissingPermission"


class MissingKind(ScanError):
    """One of capscan's own CRDs is not installed."""

    reason = "MissingKind"


class StatusRejected(ScanError):
    """The API server does not take the status: its CRDs may be older than the operator."""

    reason = "StatusRejected"


class ProviderUnusable(ScanError):
    """No question can be asked before somebody mends the InferenceProvider, its Secret or its
    account; `reason` says which.
    """

    def __init__(
        self, reason: str, message: str, *, otherwise: RequestSingledOut | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.otherwise = otherwise
        """The error of this one question if the provider turns out to answer others; None where the
        refusal cannot be about one question."""


class InvalidBudget(ScanError):
    """A limit on what cannot be measured."""

    reason = "InvalidBudget"


class ObjectGone(ScanError):
    """The object whose status this is no longer exists."""

    reason = "ObjectGone"


class WrongSettings(CapscanError):
    """Settings that will not do; the message has one line for each."""
