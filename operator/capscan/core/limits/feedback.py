"""What a request that came back teaches of its account: the next state of `admission.py`.

Its usage settles what was reserved. Headers and refusals correct the rates. A failure feeds the
breaker or, where that has nothing to say, the limit of permits.
"""

import math
from dataclasses import replace

from capscan.core.limits import aimd, learned_rate, quota
from capscan.core.limits import breaker as breakers
from capscan.core.limits import bucket as buckets
from capscan.core.limits import climb as climbs
from capscan.core.limits.admission import BACKOFF_S, Admission, Permit, moved
from capscan.core.limits.aimd import Permits
from capscan.core.limits.learned_rate import LearnedRate
from capscan.core.limits.sample import ABSENCES, FAILURES, Sample, Signal, plausible
from capscan.model import ObservedLimits
from capscan.model.provider import ApiProtocol, Circuit

BACKOFF_S_MAX = 60.0
CALIBRATION_MIN, CALIBRATION_MAX = 0.05, 20.0
"""The bounds of actual tokens per estimated one: what one odd request can teach is limited."""
FAILURES_BY_CHANCE = 2
"""So many failures among the requests that the breaker looks at are chance. With more of them the
limit of permits may be falling already."""

PATIENCE_S = 300.0
"""So long after a question first failed in a way that the question itself may cause, the provider
is taken to be away. After that its attempts are spent, or such a question would never fail."""

MAY_BE_THE_QUESTION = frozenset({Signal.FAILED, Signal.GONE})
"""Failures that one question may cause: the provider breaks over it, or takes too long for the
gateway before it."""


def returned(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Return the state after a request came back: its permit is free, what it said is believed.

    It raises nothing, whatever numbers the sample has.
    """
    sample = plausible(sample)
    state = _settled(state, permit, sample, now_s)
    state = _observed(state, permit, sample.observed, now_s)
    if sample.signal is Signal.REFUSED:
        state = _refused(state, permit, sample, now_s)
    elif sample.signal is Signal.CROWDED:
        state = _crowded(state, permit, sample, now_s)
    elif sample.signal in (Signal.ANSWERED, Signal.DECLINED):
        state = _recovered(state, permit, now_s)
    state = _judged(state, permit, sample, now_s)
    state = _climbed(state, permit, sample, now_s)
    return replace(state, in_flight=state.in_flight - 1)


def freed(state: Admission, permit: Permit, now_s: float) -> Admission:
    """Return the state after a request of which nothing is known but that it is over."""
    if permit.probe and permit.openings == state.breaker.openings:
        state = replace(state, breaker=breakers.on_abandoned(state.breaker, now_s))
    return replace(state, in_flight=state.in_flight - 1)


def costs_no_attempt(state: Admission, permit: Permit, sample: Sample, now_s: float) -> bool:
    """Return whether a failure tells of an outage and not of its question, which is asked again
    without having spent an attempt. `state` is the one after the failure was taken in.

    An outage is one whatever status tells it, while nobody is answered.
    """
    signal = sample.signal
    if state.breaker.circuit is Circuit.CLOSED:
        return False
    if not permit.probe and signal not in (Signal.UNREACHED, Signal.GONE):
        return False
    if signal in MAY_BE_THE_QUESTION:
        waited_s = now_s - min(sample.broke_at_s, now_s)
        return waited_s < PATIENCE_S and not _is_the_question(state, sample)
    return signal in (Signal.UNREACHED, Signal.OVERLOADED)


def relieved(state: Admission) -> Admission:
    """Return the state after the provider was found to be there, other than by a request.

    The circuit closes. Permits grow from one all the same.
    """
    return replace(state, breaker=breakers.relieved(state.breaker))


def reopened(state: Admission, now_s: float) -> Admission:
    """Return the state in which no pause holds that a 429 asked for: somebody may have seen to it
    that the account may be asked again.
    """
    learned = state.learned
    if learned.bucket and learned.bucket.at_s > now_s:
        learned = replace(learned, bucket=buckets.earning(learned.bucket, now_s))
    return replace(
        state, closed_until_s=min(state.closed_until_s, now_s), backoff_s=BACKOFF_S, learned=learned
    )


def _settled(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Correct the reservation, and the estimates of later requests, by what was used."""
    if sample.signal in (Signal.REFUSED, Signal.CROWDED, Signal.UNREACHED):
        return replace(
            state,
            requests=quota.give(state.requests, 1.0, now_s),
            input_tokens=quota.give(state.input_tokens, permit.input_cost, now_s),
            output_tokens=quota.give(state.output_tokens, permit.output_cost, now_s),
        )
    usage, estimate = sample.usage, permit.estimate
    if not usage.output_tokens or not usage.input_tokens:
        return state
    # A repaired answer took several requests; what one takes is what is reserved.
    per = max(1, usage.requests)
    state = replace(
        state,
        input_factor=_calibrated(
            state.input_factor, usage.input_tokens / per, estimate.input_tokens
        ),
        output_factor=_calibrated(
            state.output_factor, usage.output_tokens / per, estimate.output_tokens_max
        ),
        output_tokens=quota.give(
            state.output_tokens, permit.output_cost - usage.output_tokens, now_s
        ),
    )
    if state.rules.protocol is ApiProtocol.OPENAI:
        return state
    # Prompt tokens from the cache do not count against Anthropic's limit.
    charged = usage.input_tokens - usage.cached_input_tokens
    unused = permit.input_cost - charged
    return replace(state, input_tokens=quota.give(state.input_tokens, unused, now_s))


def _observed(
    state: Admission, permit: Permit, observed: ObservedLimits | None, now_s: float
) -> Admission:
    if observed is None:
        return state
    told = (observed.requests, observed.input_tokens, observed.output_tokens)
    before = (state.requests, state.input_tokens, state.output_tokens)
    requests, input_tokens, output_tokens = (
        each if limit is None else quota.observe(each, limit, permit.sent_at_s, taken, now_s)
        for each, limit, taken in zip(before, told, permit.taken, strict=True)
    )
    return replace(state, requests=requests, input_tokens=input_tokens, output_tokens=output_tokens)


def _refused(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Close for everybody, and go slower afterwards."""
    asked_s = sample.retry_after_s
    again = permit.sent_at_s > state.closed_at_s
    if asked_s is not None:
        until_s, backoff_s = now_s + asked_s, state.backoff_s
    elif again:
        pause_s = min(state.backoff_s, learned_rate.pause_s(state.learned))
        until_s, backoff_s = now_s + pause_s, min(2 * state.backoff_s, BACKOFF_S_MAX)
    else:
        until_s, backoff_s = state.closed_until_s, state.backoff_s
    state = replace(
        state,
        closed_until_s=max(state.closed_until_s, until_s),
        closed_at_s=now_s if again else state.closed_at_s,
        backoff_s=backoff_s,
    )
    if any(each.told_per_s for each in (state.requests, state.input_tokens, state.output_tokens)):
        return replace(
            state,
            requests=quota.refused(state.requests, permit.sent_at_s, now_s),
            input_tokens=quota.refused(state.input_tokens, permit.sent_at_s, now_s),
            output_tokens=quota.refused(state.output_tokens, permit.sent_at_s, now_s),
            learned=LearnedRate(),
        )
    return replace(state, learned=_learned(state, permit, asked_s, until_s, now_s))


def _crowded(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Let the request wait for a permit, which is fewer from now on.

    What others wait for is an end of those under way, whatever the response says. Only where none
    of ours is, somebody else uses the account, and all that can be done is to try again later.
    """
    if state.in_flight > 1 or permit.sent_at_s <= state.closed_at_s:
        return state
    pause_s = min(state.backoff_s, sample.retry_after_s or BACKOFF_S_MAX)
    return replace(
        state,
        closed_until_s=max(state.closed_until_s, now_s + pause_s),
        closed_at_s=now_s,
        backoff_s=min(2 * state.backoff_s, BACKOFF_S_MAX),
    )


def _learned(
    state: Admission, permit: Permit, asked_s: float | None, until_s: float, now_s: float
) -> LearnedRate:
    """Return what a 429 without headers teaches. A wait in whole seconds was rounded up."""
    if asked_s is not None and asked_s % 1.0:
        behind = round(state.requests.taken - permit.taken[0])
        return learned_rate.refused_for(state.learned, asked_s, behind, now_s)
    pause_s = 0.0 if asked_s else max(0.0, until_s - now_s)
    return learned_rate.refused(state.learned, permit.sent_at_s, now_s, pause_s)


def _recovered(state: Admission, permit: Permit, now_s: float) -> Admission:
    reopened = permit.sent_at_s >= state.closed_until_s
    return replace(
        state,
        backoff_s=BACKOFF_S if reopened else state.backoff_s,
        healthy_at_s=max(state.healthy_at_s, permit.sent_at_s),
        requests=quota.recovered(state.requests, now_s),
        input_tokens=quota.recovered(state.input_tokens, now_s),
        output_tokens=quota.recovered(state.output_tokens, now_s),
        learned=learned_rate.on_success(state.learned, now_s),
    )


def _judged(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Feed the breaker or, where that has nothing to say, the limit of permits."""
    signal = sample.signal
    if permit.openings != state.breaker.openings:
        # What was sent before the circuit opened says nothing of what is now.
        return state
    if permit.probe:
        return _probed(state, permit, signal, now_s)
    if signal is Signal.CROWDED:
        return replace(state, permits=_fed(state, permit, signal, now_s))
    if signal in (Signal.REFUSED, Signal.ABANDONED) or _is_the_question(state, sample):
        return state
    failed = signal in FAILURES
    breaker = breakers.on_result(
        state.breaker,
        state.rules.breaker,
        failed=failed,
        absent=_is_absent(state, sample),
        absences_max=breakers.ABSENCES_MAX if state.in_flight == 1 else breakers.STRANGERS_MAX,
        now_s=now_s,
    )
    if breaker.circuit is Circuit.OPEN:
        # The failures that opened the circuit must not have lowered the limit as well.
        permits = aimd.restarted(state.permits_good)
        return replace(state, breaker=breaker, permits=permits)
    permits = _fed(state, permit, signal, now_s)
    chance = breaker.failures <= FAILURES_BY_CHANCE and not permits.ramping
    good = permits if chance else state.permits_good
    return replace(state, breaker=breaker, permits=permits, permits_good=good)


def _is_absent(state: Admission, sample: Sample) -> bool:
    """Return whether a failure says that nobody is there: alone an absence does, and while others
    are under way the first failure of a question.
    """
    if state.in_flight == 1:
        return sample.signal in ABSENCES
    return sample.signal in MAY_BE_THE_QUESTION and sample.broke_at_s == math.inf


def _is_the_question(state: Admission, sample: Sample) -> bool:
    """Return whether the provider broke over a question again, and not over others sent since.

    The last questions of a run are often such, and nothing else is asked beside them.
    """
    return sample.signal in MAY_BE_THE_QUESTION and sample.broke_at_s < state.healthy_at_s


def _probed(state: Admission, permit: Permit, signal: Signal, now_s: float) -> Admission:
    """Take in the probe. Even a 429 shows that the provider is there."""
    if signal is Signal.ABANDONED:
        return replace(state, breaker=breakers.on_abandoned(state.breaker, now_s))
    failed = signal in FAILURES
    breaker = breakers.on_probe(state.breaker, state.rules.breaker, failed=failed, now_s=now_s)
    if failed:
        return replace(state, breaker=breaker)
    return replace(state, breaker=breaker, permits=_fed(state, permit, signal, now_s))


def _fed(state: Admission, permit: Permit, signal: Signal, now_s: float) -> Permits:
    if signal is Signal.ANSWERED:
        return aimd.on_success(state.permits, state.in_flight, permit.sent_at_s, now_s)
    if signal is Signal.CROWDED:
        return aimd.on_crowd(state.permits, state.in_flight, permit.sent_at_s, now_s)
    if signal in (Signal.OVERLOADED, Signal.LATE):
        return aimd.on_overload(state.permits, state.in_flight, permit.sent_at_s, now_s)
    return state.permits


def _climbed(state: Admission, permit: Permit, sample: Sample, now_s: float) -> Admission:
    """Let an answer tell whether it pays to ask a server close by more at once."""
    if state.climb is None or sample.signal is not Signal.ANSWERED:
        return state
    took_s, work = now_s - permit.sent_at_s, float(sample.usage.output_tokens)
    climb = climbs.answered(state.climb, permit.level, took_s, work, now_s, full=permit.full)
    return replace(state, climb=climb)


def _calibrated(known: float | None, actual: float, estimated: int) -> float | None:
    if estimated <= 0:
        return known
    factor = max(CALIBRATION_MIN, min(actual / estimated, CALIBRATION_MAX))
    return factor if known is None else moved(known, factor)
