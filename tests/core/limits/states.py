"""States of an account for tests, and requests that go and come back."""

from capscan.core.limits import admission, feedback
from capscan.core.limits.admission import Admission, Rules, TokenEstimate
from capscan.core.limits.sample import Sample, Signal
from capscan.model import Limits, Usage
from capscan.model.provider import ApiProtocol, CircuitBreaker

OPENAI, ANTHROPIC = ApiProtocol.OPENAI, ApiProtocol.ANTHROPIC
UNLIMITED = Limits()
ITEM = TokenEstimate(1000, 500)
ANSWERED = Sample(Signal.ANSWERED, Usage(1, 2000, 0, 100))
DOWN = Sample(Signal.FAILED)


def rules(
    limits: Limits = UNLIMITED,
    protocol: ApiProtocol = OPENAI,
    *,
    adaptive: bool = True,
) -> Rules:
    return Rules(protocol, limits, adaptive, CircuitBreaker())


def opened(limits: Limits = UNLIMITED, protocol: ApiProtocol = OPENAI) -> Admission:
    return admission.opened(rules(limits, protocol), 0.0)


def answered(state: Admission, sample: Sample = ANSWERED, now_s: float = 0.0) -> Admission:
    """Return the state after one request that went and came back at one instant."""
    state, permit = admission.admitted(state, ITEM, now_s)
    return feedback.returned(state, permit, sample, now_s)
