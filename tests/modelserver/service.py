"""What each request gets, decided at its arrival; nothing here waits or writes.

A completion meets, in this order: the shape of its body, outages, the key, the model and its
context, overload, random failures, faults that refuse, the limits. Whatever is refused is charged
nothing and refused at once. What passes holds a place in flight until `done`.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from tests.modelserver import anthropic, openai
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.buckets import Account
from tests.modelserver.cache import PromptCache
from tests.modelserver.faults import Fault, Faults
from tests.modelserver.ledger import Call
from tests.modelserver.outcomes import REFUSALS, refusal, said
from tests.modelserver.protocol import Ask, Dialect, Json, Refused, Reply, Standing, Usage, tokens

BASE = "/v1"
"""Where both APIs are, as with those who run them; nothing is found elsewhere."""

_MESSAGES = f"{BASE}/messages"
_COMPLETIONS = {_MESSAGES, f"{BASE}/chat/completions"}
_MODELS = f"{BASE}/models"

_DOWN = "<!DOCTYPE html><title>models.example.com | 521: Web server is down</title><p>x</p>"
_CUT = Fault(kind="cut_before_headers")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request, read to its end. `headers` find their names in any case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request gets: `reply` after `wait_s`, unless `fault` makes it something else."""

    reply: Reply
    wait_s: float = 0.0
    fault: Fault | None = None
    in_flight: bool = False
    prefix: tuple[str, ...] = ()
    """Kept in the cache once the answer is out."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    """One request with all that is known of it from the start."""

    dialect: Dialect
    incoming: Incoming
    call: Call
    now: float
    wall: datetime


class Service:
    """The state behind the port. `now` is seconds on one monotonic clock."""

    def __init__(self, behaviour: Behaviour, now: float) -> None:
        self._in_flight = 0
        self._serial = 0
        self.change(behaviour, now)

    def change(self, behaviour: Behaviour, now: float) -> None:
        """Behave like this from now on: with full buckets, and every count and seed anew."""
        self.behaviour = behaviour
        self._since = now
        self._accounts: defaultdict[tuple[str, str], Account] = defaultdict(
            lambda: Account(self.behaviour.limits)
        )
        self._faults = Faults(behaviour.faults)
        self._cache = PromptCache(behaviour.cache_ttl_s)
        # Apart, so that a failure more or less does not change anybody's latency.
        self._luck, self._latencies = Random(behaviour.seed), Random(behaviour.seed + 1)

    def take(self, incoming: Incoming, call: Call, now: float, wall: datetime) -> Plan:
        """Decide what a request gets, and note in `call` what is known of it."""
        self._serial += 1
        dialect = _dialect(incoming)
        call.protocol, call.key = dialect.NAME, dialect.key(incoming.headers)
        call.in_flight = self._in_flight + 1
        arrival = _Arrival(dialect, incoming, call, now, wall)
        try:
            plan = self._plan(arrival)
        except Refused as refused:
            plan = Plan(refused.reply)
        if plan.in_flight:
            self._in_flight += 1
        call.fault = plan.fault.kind if plan.fault else ""
        return replace(plan, reply=self._with_headers(plan.reply, arrival))

    def done(self, plan: Plan, now: float) -> None:
        """Take note that the answer is out, or that nobody waits for it any more."""
        if plan.in_flight:
            self._in_flight -= 1
            if plan.prefix:
                self._cache.keep(plan.prefix, now)

    def _plan(self, arrival: _Arrival) -> Plan:
        path, method = arrival.incoming.path, arrival.incoming.method
        if path in _COMPLETIONS and method == "POST":
            return self._completion(arrival)
        if f"{path}/".startswith(f"{_MODELS}/") and method == "GET":
            return self._models(arrival, path.removeprefix(_MODELS).removeprefix("/"))
        raise Refused(arrival.dialect.error(404))

    def _models(self, arrival: _Arrival, model: str) -> Plan:
        if down := self._down(arrival):
            return down
        self._check_key(arrival)
        fault = self._faults.due(model, "models")
        if fault and fault.kind in REFUSALS:
            raise Refused(refusal(fault, arrival.dialect, arrival.wall))
        if model and model not in self.behaviour.models:
            raise Refused(arrival.dialect.unknown_model(model))
        dialect = arrival.dialect
        body = dialect.model(model) if model else dialect.models(self.behaviour.models)
        return Plan(Reply(200, body), fault=fault)

    def _completion(self, arrival: _Arrival) -> Plan:
        dialect, call = arrival.dialect, arrival.call
        ask = dialect.read(self._body(arrival), arrival.incoming.headers, self.behaviour)
        call.name, call.model = ask.name, ask.model
        if down := self._down(arrival):
            return down
        self._check_key(arrival)
        self._check_model(arrival, ask)
        self._try_luck(dialect)
        fault = self._faults.due(ask.name, count=False)
        if fault and fault.kind in REFUSALS:
            self._faults.due(ask.name)
            raise Refused(refusal(fault, dialect, arrival.wall, ask))
        says = said(ask, fault)
        prefix = (dialect.NAME, call.key, ask.model, ask.prefix) if ask.prefix else ()
        usage = replace(self._input(ask, prefix, arrival.now), output=tokens(says.text))
        self._charge(arrival, ask, usage)
        self._faults.due(ask.name)
        body = dialect.completion(self._serial, ask, says, usage)
        if (number := self.behaviour.counts_as) is not None:
            body["usage"] = {
                key: number for key, count in body["usage"].items() if isinstance(count, int)
            }
        if (told := self.behaviour.counts) is not None:
            body["usage"] = {key: count for key, count in body["usage"].items() if key in told}
        reply = Reply(200, body)
        if says.stop == "filter":
            reply = dialect.filtered() or reply
        wait_s = self.behaviour.latency.draw(self._latencies, usage.output)
        return Plan(reply, wait_s, fault, in_flight=True, prefix=prefix)

    def _body(self, arrival: _Arrival) -> Json:
        if len(arrival.incoming.body) > self.behaviour.body_bytes_max:
            raise Refused(arrival.dialect.error(413))
        try:
            body = json.loads(arrival.incoming.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused(arrival.dialect.error(400, "The request body is not valid JSON"))
        return body

    def _down(self, arrival: _Arrival) -> Plan | None:
        elapsed_s = arrival.now - self._since
        for outage in self.behaviour.outages:
            if outage.lasts(elapsed_s):
                # A port that refuses can still meet what it accepted a moment before.
                fault = _CUT if outage.how in ("cut", "refuse") else None
                if outage.how == "521":
                    return Plan(Reply(521, {}, text=_DOWN))
                return Plan(arrival.dialect.error(503), fault=fault)
        return None

    def _check_key(self, arrival: _Arrival) -> None:
        if self.behaviour.keys and arrival.call.key not in self.behaviour.keys:
            raise Refused(arrival.dialect.error(401))

    def _check_model(self, arrival: _Arrival, ask: Ask) -> None:
        if ask.model not in self.behaviour.models:
            raise Refused(arrival.dialect.unknown_model(ask.model))
        bytes_max = self.behaviour.prompt_bytes_max
        if bytes_max is not None and ask.prompt_bytes > bytes_max:
            raise Refused(arrival.dialect.too_long(ask.input_tokens, bytes_max // 4))

    def _try_luck(self, dialect: Dialect) -> None:
        in_flight_max = self.behaviour.in_flight_max
        if in_flight_max is not None and self._in_flight >= in_flight_max:
            raise Refused(dialect.error(dialect.OVERLOADED))
        drawn = self._luck.random()
        if drawn < self.behaviour.failing:
            raise Refused(dialect.error(500))
        if drawn < self.behaviour.failing + self.behaviour.overloaded:
            raise Refused(dialect.error(dialect.OVERLOADED))

    def _input(self, ask: Ask, prefix: tuple[str, ...], now: float) -> Usage:
        of_prefix = min(tokens(ask.prefix), ask.input_tokens)
        if of_prefix < max(1, self.behaviour.cache_tokens_min):
            return Usage(ask.input_tokens)
        if self._cache.holds(prefix, now):
            return Usage(ask.input_tokens - of_prefix, cache_read=of_prefix)
        return Usage(ask.input_tokens - of_prefix, cache_created=of_prefix)

    def _charge(self, arrival: _Arrival, ask: Ask, usage: Usage) -> None:
        dialect, call = arrival.dialect, arrival.call
        account = self._accounts[dialect.NAME, call.key]
        charges = dialect.charges(ask, usage)
        if short := account.admit(charges, arrival.now):
            raise Refused(dialect.rate_limited(*short))
        call.output_tokens = charges.get("output_tokens", usage.output)
        call.input_tokens = charges.get("input_tokens", usage.input)

    def _with_headers(self, reply: Reply, arrival: _Arrival) -> Reply:
        dialect, call = arrival.dialect, arrival.call
        headers = dialect.id_headers(self._serial)
        if call.name and reply.status != 401:
            account = self._accounts[dialect.NAME, call.key]
            standing = Standing(
                account.buckets,
                arrival.now,
                arrival.wall,
                account.requests_admitted,
                self.behaviour,
            )
            headers |= dialect.limit_headers(standing)
        return replace(reply, headers=headers | reply.headers)


def _dialect(incoming: Incoming) -> Dialect:
    """Return the protocol by the path, or by the headers where both share the path."""
    if incoming.path == _MESSAGES or "anthropic-version" in incoming.headers:
        return anthropic
    return openai
