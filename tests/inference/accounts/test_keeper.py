"""An InferenceProvider at work against a model server that behaves badly over real HTTP."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import anyio
import pytest

from capscan.core.answer.question import Question
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import (
    AnswerRefused,
    CircuitOpen,
    ContextTooLong,
    InferenceTimeout,
    InvalidAnswer,
    MissingPermission,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnusable,
    RequestSingledOut,
    ServerError,
)
from capscan.core.notice import Notice
from capscan.core.provider.diagnosis import NEVER
from capscan.inference.accounts.account import Account
from capscan.inference.accounts.connection import Connections
from capscan.inference.accounts.keeper import AccountKeeper
from capscan.inference.asking import ANSWER_TOKENS_MAX, THINKING_TOKENS_MAX
from capscan.model import Circuit, InferenceProvider, ProviderStatus, SecretKeyRef, Usage
from tests.builders import crd
from tests.fakes import FreeSlot, flight
from tests.inference.spent import spent
from tests.modelserver.answers import WRONG
from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.faults import Fault
from tests.modelserver.server import ModelServer

pytestmark = pytest.mark.anyio

KEY = "sk-right"
MODELS = {"Anthropic": "claude-haiku-4-5", "OpenAI": "gpt-5-mini"}
NAME = "widgets.example.com"
WIDGETS = digest_crd(parse_crd(crd("widgets", group="example.com")))


class Sink:
    """The status of one provider, with every version that it ever had."""

    def __init__(self) -> None:
        self.versions: list[ProviderStatus] = []
        self.refused: MissingPermission | None = None

    def observe(self, seen: InferenceProvider) -> bool:  # noqa: ARG002
        return True

    async def update(self, render: Callable[[ProviderStatus], ProviderStatus]) -> bool:
        if self.refused:
            raise self.refused
        before = self.versions[-1] if self.versions else ProviderStatus()
        if (wanted := render(before)) != before:
            self.versions.append(wanted)
        return wanted != before

    @property
    def ready(self) -> tuple[str, str]:
        """Status and reason of the condition, as they now are."""
        conditions = self.versions[-1].conditions
        assert conditions is not None
        return conditions[0].status, conditions[0].reason


@dataclass
class Case:
    """One provider, its Secret, and the slot that its questions come from."""

    server: ModelServer
    keeper: AccountKeeper
    sink: Sink
    keys: list[str | Exception]
    notices: list[Notice]
    deleted: anyio.Event
    slot: FreeSlot = field(default_factory=FreeSlot)

    async def ask(self, name: str = "widgets", broke_at_s: float = math.inf) -> Usage:
        """Ask about one CRD; what the answer cost."""
        body = parse_crd(crd(name, group="example.com"))
        question = Question(digest_crd(body), "all", 1, broke_at_s)
        completion = await self.keeper.complete(question, flight(self.slot))
        assert completion.analysis.capabilities
        return completion.usage

    @property
    def sent(self) -> int:
        """Questions that reached the server, refused ones too."""
        return self.server.ledger.count(
            lambda call: call.path.endswith(("/messages", "/chat/completions"))
        )


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again; the test has a deadline."""
    while not holds():  # noqa: ASYNC110
        await anyio.sleep(0.01)


def provider(url: str, generation: int = 1, **spec: Any) -> InferenceProvider:
    protocol = spec.get("protocol", "Anthropic")
    plain = {"protocol": protocol, "model": MODELS[protocol], "baseURL": f"{url}/v1"}
    return InferenceProvider.from_wire(
        {
            "metadata": {"name": "model", "uid": "u1", "generation": generation},
            "spec": plain | {"apiKeySecretRef": {"name": "key"}} | spec,
        }
    )


@asynccontextmanager
async def case(
    behaviour: Behaviour | None = None, *, left: ProviderStatus | None = None, **spec: Any
) -> AsyncIterator[Case]:
    """`left` is the status that an earlier operator wrote."""
    keys: list[str | Exception] = [KEY]
    sink, notices = Sink(), list[Notice]()

    async def read_key(_: SecretKeyRef) -> str:
        key = keys[-1]
        await anyio.sleep(0.05)
        if isinstance(key, Exception):
            raise key
        return key

    plain = behaviour or Behaviour()
    async with (
        ModelServer(plain.model_copy(update={"keys": plain.keys or (KEY,)})) as server,
        anyio.create_task_group() as group,
    ):
        seen = provider(server.url, **spec).model_copy(update={"status": left or ProviderStatus()})
        account = Account("model", seen.spec, Connections(), read_key)
        keeper = AccountKeeper(
            seen,
            account,
            sink,
            on_change=lambda _: None,
            tell=lambda _, notice: notices.append(notice),
            look_around=str,
            now=lambda: datetime.now(UTC),
        )
        deleted = anyio.Event()

        async def keep() -> None:
            async with anyio.create_task_group() as life:
                life.start_soon(keeper.run)
                await deleted.wait()
                life.cancel_scope.cancel()

        group.start_soon(keep)
        yield Case(server, keeper, sink, keys, notices, deleted)
        group.cancel_scope.cancel()


def faulty(kind: str, **fields: Any) -> Behaviour:
    return Behaviour(faults=(Fault.model_validate({"kind": kind, **fields}),))


@pytest.fixture(params=list(MODELS))
def protocol(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


# -- what can be put right within one question


async def test_a_question_is_one_request_and_its_cost_is_known(protocol: str) -> None:
    pricing = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
    async with case(protocol=protocol, pricing=pricing) as one:
        usage = await one.ask()

        assert (one.sent, usage.requests) == (1, 1)
        assert usage.cost == Decimal(usage.input_tokens + 5 * usage.output_tokens) / 10**6
        assert one.slot.usages[0] == usage


async def test_what_a_server_does_not_count_is_estimated(protocol: str) -> None:
    """Or no budget would ever hold there."""
    pricing = {"inputPerMillionTokens": "1", "outputPerMillionTokens": "5"}
    async with case(Behaviour(counts=()), protocol=protocol, pricing=pricing) as one:
        usage = await one.ask()

        assert usage == one.keeper.estimate(WIDGETS)
        assert usage.cost > 0
        assert one.slot.usages[0] == usage


@pytest.mark.parametrize(
    ("counted", "other", "told"),
    [
        ("input_tokens", "output_tokens", ("input_tokens", "prompt_tokens")),
        ("output_tokens", "input_tokens", ("output_tokens", "completion_tokens")),
    ],
)
async def test_what_a_server_does_count_is_believed(
    protocol: str, counted: str, other: str, told: tuple[str, ...]
) -> None:
    """Some leave out the prompt's tokens where their cache had it."""
    uncached = Behaviour(cache_tokens_min=10**6)
    async with case(uncached, protocol=protocol) as one:
        whole = await one.ask()
    async with case(uncached.model_copy(update={"counts": told}), protocol=protocol) as one:
        partly, estimate = await one.ask(), one.keeper.estimate(WIDGETS)

    assert getattr(partly, counted) == getattr(whole, counted) != getattr(estimate, counted)
    assert getattr(partly, other) == getattr(estimate, other)


async def test_the_account_s_limits_are_charged_the_estimate_too(protocol: str) -> None:
    """And not for ever what an answer might have taken at most."""
    limits = {"outputTokensPerMinute": ANSWER_TOKENS_MAX}
    async with case(Behaviour(counts=()), protocol=protocol, limits=limits) as one:
        with anyio.fail_after(10):
            for _ in range(4):
                await one.ask()


async def test_an_answer_that_was_cut_off_took_all_that_it_could(protocol: str) -> None:
    behaviour = faulty("max_tokens").model_copy(update={"counts": ()})
    async with case(behaviour, protocol=protocol) as one:
        with pytest.raises(InvalidAnswer) as invalid:
            await one.ask()

        tokens = spent(invalid.value).output_tokens
        assert tokens == ANSWER_TOKENS_MAX + THINKING_TOKENS_MAX


@pytest.mark.parametrize("wrong", WRONG)
async def test_no_wrong_answer_is_kept(protocol: str, wrong: str) -> None:
    """It is read all the same, or asked for again, once."""
    async with case(faulty("wrong", wrong=wrong, times=1), protocol=protocol) as one:
        await one.ask()

        assert one.sent <= 2


async def test_an_answer_that_stays_wrong_fails_and_what_it_cost_is_counted(protocol: str) -> None:
    async with case(faulty("wrong", wrong="missing_field"), protocol=protocol) as one:
        with pytest.raises(InvalidAnswer) as invalid:
            await one.ask()

        assert one.sent == spent(invalid.value).requests == 2
        assert [usage.requests for usage in one.slot.usages] == [1, 1]


async def test_a_digest_that_is_too_long_is_cut_once(protocol: str) -> None:
    async with case(faulty("too_long", times=1), protocol=protocol) as one:
        await one.ask()

        assert one.sent == 2


@pytest.mark.parametrize("kind", ["stale", "close_after"])
async def test_connections_that_the_server_closes_are_no_failure(protocol: str, kind: str) -> None:
    async with case(faulty(kind, times=1), protocol=protocol) as one:
        for _ in range(3):
            await one.ask()


async def test_a_server_that_knows_no_schemas_is_asked_in_words_and_remembered() -> None:
    async with case(Behaviour(response_formats=()), protocol="OpenAI") as one:
        await one.ask()
        first = one.sent
        await one.ask()

        assert 1 < first <= 3
        assert one.sent == first + 1


# -- what fails one question


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (faulty("refusal"), AnswerRefused),
        (faulty("content_filter"), AnswerRefused),
        (faulty("too_long"), ContextTooLong),
        (faulty("status", status=500), ProviderFailed),
        (faulty("status", status=502), ProviderUnavailable),
        (faulty("status", status=503), ProviderOverloaded),
        (faulty("cut_before_headers"), ProviderUnavailable),
        (faulty("cut_in_body"), ProviderUnavailable),
        (faulty("not_json"), InvalidAnswer),
        (faulty("huge"), InvalidAnswer),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value.faults[0].kind,
)
async def test_each_trouble_has_its_error(
    protocol: str, behaviour: Behaviour, error: type[Exception]
) -> None:
    async with case(behaviour, protocol=protocol) as one:
        with anyio.fail_after(10), pytest.raises(error):
            await one.ask()

        assert one.sink.ready == ("True", "Usable")


@pytest.mark.parametrize("kind", ["hang", "slow_body"])
async def test_nobody_waits_longer_than_the_timeout(protocol: str, kind: str) -> None:
    """For an answer that never comes, or one that comes a byte a second."""
    async with case(faulty(kind), protocol=protocol, requestTimeout="1s") as one:
        with anyio.fail_after(5), pytest.raises(InferenceTimeout, match="requestTimeout"):
            await one.ask()


@pytest.mark.parametrize("limit", ["request", "item"])
async def test_what_is_given_up_is_reckoned_at_what_it_usually_takes(limit: str) -> None:
    """Sent is paid: the server reads the prompt, and nobody says what it took."""
    timeout = "1s" if limit == "request" else "1m"
    async with case(faulty("hang"), requestTimeout=timeout) as one:
        with anyio.move_on_after(1.0 if limit == "item" else 10.0), suppress(InferenceTimeout):
            await one.ask()

        assert one.sent == 1
        assert one.slot.usages == [one.keeper.estimate(WIDGETS)]


async def test_what_is_refused_for_its_key_is_a_request_all_the_same() -> None:
    async with case() as one:
        await one.ask()
        await one.server.change(keys=("sk-other",))
        with pytest.raises(ProviderUnusable):
            await one.ask()

        assert one.slot.usages[-1] == Usage(requests=1)


# -- what is wrong with the account


@pytest.mark.parametrize(
    ("behaviour", "spec", "reason"),
    [
        (Behaviour(keys=("sk-other",)), {}, "InvalidCredentials"),
        (Behaviour(), {"model": "gpt-0"}, "ModelNotFound"),
        (faulty("no_quota"), {}, "InsufficientQuota"),
        (faulty("html"), {}, "InvalidProvider"),
        (faulty("redirect"), {}, "InvalidProvider"),
    ],
    ids=["key", "model", "quota", "html", "redirect"],
)
async def test_what_only_an_administrator_can_mend_ends_all_asking(
    protocol: str, behaviour: Behaviour, spec: dict[str, Any], reason: str
) -> None:
    """At most one question finds it out; whoever comes next is told without one."""
    async with case(behaviour, protocol=protocol, **spec) as one:
        for _ in range(3):
            with pytest.raises(ProviderUnusable) as unusable:
                await one.ask()
            assert unusable.value.reason == reason
        await anyio.sleep(0.1)

        assert one.sent <= 1
        assert one.sink.ready == ("False", reason)
        assert KEY not in str(unusable.value)


async def test_a_base_url_with_a_wrong_path_is_told(protocol: str) -> None:
    """As one that lacks or doubles a part is: the server is there, the API is not."""
    async with case(protocol=protocol) as one:
        await one.ask()
        wrong = provider(f"{one.server.url}/elsewhere", generation=2, protocol=protocol)
        one.keeper.observe(wrong)
        with anyio.fail_after(10), pytest.raises(ProviderUnusable) as unusable:
            await one.ask()

        assert unusable.value.reason == "InvalidProvider"
        assert "knows no such path (404); is spec.baseURL right" in str(unusable.value)


async def test_an_account_at_fault_has_no_pace() -> None:
    """A provider that falls back to it is not said to."""
    async with case(model="claude-0") as one:
        with pytest.raises(ProviderUnusable) as unusable:
            await one.ask()
        pace = one.keeper.pace("all", 1)

        assert (pace.returns, pace.obstacle) == (False, str(unusable.value))


async def test_a_host_that_does_not_exist_may_come_back() -> None:
    """DNS fails now and then: the account is not at fault."""
    async with case(baseURL="http://no-such-host.invalid:1") as one:
        with anyio.fail_after(10), pytest.raises(ProviderUnavailable) as away:
            await one.ask()
        assert "no-such-host.invalid" in str(away.value)

        assert one.sink.ready == ("False", "ProviderUnavailable")


async def test_an_address_of_the_cloud_s_metadata_is_refused() -> None:
    async with case(baseURL="http://169.254.169.254/v1") as one:
        with pytest.raises(ProviderUnusable) as unusable:
            await one.ask()

        assert unusable.value.reason == "InvalidProvider"


async def test_a_mended_spec_is_obeyed_at_once() -> None:
    async with case(model="claude-0") as one:
        with pytest.raises(ProviderUnusable):
            await one.ask()
        one.keeper.observe(provider(one.server.url, generation=2))
        await one.ask()
        await anyio.sleep(0.1)

        assert one.sink.ready == ("True", "Usable")
        assert one.sink.versions[-1].observed_generation == 2
        told = [(notice.reason, notice.warning) for notice in one.notices]
        assert told == [("ModelNotFound", True), ("Usable", False)]


@pytest.mark.parametrize(
    ("key", "told"), [(KEY, ("Usable", False)), ("sk-other", ("InvalidCredentials", True))]
)
async def test_what_was_mended_while_no_operator_ran_is_told_and_what_was_not_once_more(
    key: str, told: tuple[str, bool]
) -> None:
    """What the one before left in the status is what users heard last."""
    async with case(Behaviour(keys=("sk-other",))) as one:
        await until(lambda: bool(one.notices))
        left = one.sink.versions[-1]

    async with case(Behaviour(keys=(key,)), left=left) as two:
        with anyio.fail_after(5):
            await until(lambda: bool(two.notices))

        assert [(notice.reason, notice.warning) for notice in two.notices] == [told]


async def test_what_was_usable_and_still_is_is_not_told() -> None:
    async with case() as one:
        await one.ask()
        left = one.sink.versions[-1]

    async with case(left=left) as one:
        await one.ask()
        await anyio.sleep(0.1)

        assert one.notices == []


async def test_an_answer_of_before_an_edit_says_nothing_of_after_it() -> None:
    slow = Behaviour(latency=Latency(mean_s=1.5))
    with anyio.fail_after(20):
        async with case(slow) as one:
            async with anyio.create_task_group() as group:
                group.start_soon(one.ask)
                await until(lambda: one.sent > 0)
                one.keeper.observe(provider(one.server.url, generation=2, model="claude-0"))
                await until(lambda: one.sink.ready == ("False", "ModelNotFound"))
                assert one.keeper._asking == 1
            await anyio.sleep(0.2)

            assert one.sink.ready == ("False", "ModelNotFound")


async def test_a_status_that_may_not_be_written_is_written_when_it_may() -> None:
    async with case() as one:
        one.sink.refused = MissingPermission("The operator may not patch it.")
        await one.ask()
        assert not one.sink.versions
        one.sink.refused = None
        with anyio.fail_after(30):
            await until(lambda: bool(one.sink.versions))

        assert one.sink.ready == ("True", "Usable")


async def test_a_rotated_key_is_noticed_by_the_first_question_that_it_fails() -> None:
    async with case() as one:
        await one.ask()
        one.keys.append("sk-new")
        await one.server.change(keys=["sk-new"])
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one.ask)

        assert {condition.status for version in one.sink.versions
                for condition in version.conditions or ()
                if condition.type == "Ready"} == {"Unknown", "True"}  # fmt: skip


async def test_a_key_that_is_rotated_to_a_wrong_one_says_what_mends_it() -> None:
    """To the question that was under way as to all that follow."""
    async with case() as one:
        await one.ask()
        one.keys.append("sk-wrong")
        await one.server.change(keys=["sk-new"])
        for _ in range(2):
            with pytest.raises(ProviderUnusable, match="Put a valid key into the Secret"):
                await one.ask()
        await anyio.sleep(0.1)

        assert one.sink.ready == ("False", "InvalidCredentials")


async def test_a_look_that_takes_long_is_announced() -> None:
    """Nobody wonders whether the operator has seen the provider at all."""
    async with case(Behaviour(faults=(Fault(kind="hang", on="models"),))) as one:
        await anyio.sleep(0.2)

        assert one.sink.ready == ("Unknown", "Checking")
        assert one.sink.versions[-1].observed_generation == 1


async def test_an_edit_during_a_look_is_looked_at_as_soon_as_that_ends() -> None:
    async with case() as one:
        await anyio.sleep(0.02)
        one.keeper.observe(provider(one.server.url, generation=2))
        with anyio.fail_after(2):
            await one.ask()
        await anyio.sleep(0.1)

        assert one.sink.versions[-1].observed_generation == 2
        assert one.sink.ready == ("True", "Usable")


async def test_what_the_gate_has_learnt_outlives_an_edit() -> None:
    async with case() as one:
        await one.ask()
        edited = provider(one.server.url, generation=2, limits={"maxInFlight": 3})
        one.keeper.observe(edited)
        await one.ask()

        statistics = one.keeper.statistics()
        assert statistics is not None
        assert (statistics.requests, statistics.permits) == (2, 3)


async def test_a_fault_that_only_questions_find_is_shown_until_one_is_answered() -> None:
    """The free check finds nothing wrong with an account that has nothing left to spend."""
    async with case(faulty("no_quota", times=1)) as one:
        with pytest.raises(ProviderUnusable):
            await one.ask()
        one.keeper._diagnosis = replace(
            one.keeper._diagnosis, due_s=0.0
        )  # as if the pause were over
        one.keeper._changed.set()
        await anyio.sleep(0.2)
        assert one.sink.ready == ("False", "InsufficientQuota")

        await one.ask()
        await anyio.sleep(0.2)
        assert one.sink.ready == ("True", "Usable")


async def test_a_secret_that_cannot_be_read_now_is_no_end() -> None:
    """The API server answered 500: its KMS is away, say."""
    async with case() as one:
        one.keys[:] = [ServerError("the KMS is away")]
        one.keeper.look_again()
        await anyio.sleep(0.2)
        with pytest.raises(ProviderUnusable, match="the KMS is away"):
            await one.ask()
        one.keys.append(KEY)
        one.keeper.look_again()
        await anyio.sleep(0.2)
        await one.ask()


@pytest.mark.parametrize("edits", [1, 3])
async def test_nobody_is_forgotten_who_waits_while_the_spec_is_edited(edits: int) -> None:
    async with case(model="claude-0") as one:
        answers: list[Usage] = []

        async def ask() -> None:
            answers.append(await one.ask())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            for n in range(edits):
                await anyio.sleep(0.02)
                one.keeper.observe(provider(one.server.url, generation=2 + n))

        assert len(answers) == 1


async def test_nobody_waits_for_a_provider_that_was_deleted() -> None:
    async with case() as one, anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(ProviderUnusable, match="was deleted"):
                await one.ask()

        group.start_soon(ask)
        await anyio.sleep(0.01)
        one.deleted.set()


# -- one question that is turned down


@pytest.mark.parametrize("status", [403, 404])
async def test_one_crd_that_is_turned_down_leaves_the_others_alone(
    protocol: str, status: int
) -> None:
    """A gateway that dislikes its text: the look finds nothing, others are answered."""
    behaviour = faulty("status", status=status, names="widgets.*")
    async with case(behaviour, protocol=protocol) as one:
        await one.ask("gadgets")
        with pytest.raises(RequestSingledOut, match=f"this request down .{status}. and answers"):
            await one.ask("widgets")
        await one.ask("gizmos")

        assert one.sink.ready == ("True", "Usable")
        assert one.slot.usages[1] == Usage(requests=1)


async def test_several_crds_that_are_turned_down_in_a_row_mean_all() -> None:
    """A right that was taken away, and the look needs another one. None of them is lost."""
    async with case(faulty("status", status=403, names="widgets*")) as one:
        await one.ask("gadgets")
        for name in ("widgets1", "widgets2"):
            with pytest.raises(RequestSingledOut):
                await one.ask(name)
        with pytest.raises(ProviderUnusable, match=r"asked about widgets3\.example\.com"):
            await one.ask("widgets3")
        await until(lambda: one.sink.ready == ("False", "InvalidCredentials"))


async def test_a_key_that_is_refused_in_so_many_words_is_no_question_of_one() -> None:
    async with case() as one:
        await one.ask("gadgets")
        await one.server.change(keys=("sk-other",))
        with pytest.raises(ProviderUnusable):
            await one.ask("widgets")
        await until(lambda: one.sink.ready == ("False", "InvalidCredentials"))


# -- the circuit


async def test_who_need_not_wait_is_sent_away_while_the_circuit_is_open() -> None:
    async with case(faulty("status", status=503, times=15)) as one:
        for _ in range(10):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
            statistics = one.keeper.statistics()
            if statistics and statistics.circuit is Circuit.OPEN:
                break
        body = parse_crd(crd("widgets", group="example.com"))
        question = Question(digest_crd(body), "all", 1)
        before = one.sent
        with pytest.raises(CircuitOpen) as away:
            await one.keeper.complete(question, flight(one.slot), wait_while_open=False)

        assert one.sent == before
        assert 0 < away.value.retry_in_s <= 2


@pytest.mark.parametrize(
    ("broke_at_s", "circuit"), [(0.0, Circuit.CLOSED), (math.inf, Circuit.OPEN)]
)
async def test_what_breaks_the_provider_again_leaves_the_circuit_closed(
    broke_at_s: float, circuit: Circuit
) -> None:
    """Where another question, sent after the first time, was answered."""
    async with case(faulty("status", status=500, names="widgets.*")) as one:
        await one.ask("gadgets")
        for _ in range(10):
            with pytest.raises(ProviderFailed):
                await one.ask(broke_at_s=broke_at_s)
        statistics = one.keeper.statistics()

        assert statistics is not None
        assert statistics.circuit is circuit


async def test_a_circuit_that_nobody_is_left_to_close_is_closed_by_a_look() -> None:
    """Else a provider without scans stays as it was in its last outage."""
    async with case(faulty("status", status=503, times=3)) as one:
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
        await until(lambda: one.sink.ready == ("False", "CircuitOpen"))
        await until(lambda: one.keeper._diagnosis.due_s < NEVER)
        one.keeper._diagnosis = replace(
            one.keeper._diagnosis, due_s=0.0
        )  # as if the pause were over
        one.keeper._changed.set()
        await until(lambda: one.sink.ready == ("True", "Usable"))

        assert one.sent == 3


async def test_while_somebody_waits_a_look_closes_no_circuit() -> None:
    """Answers may fail where a look finds nothing wrong: a question tells."""
    async with (
        case(faulty("status", status=503), circuitBreaker={"openFor": "1h"}) as one,
        anyio.create_task_group() as group,
    ):
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
        group.start_soon(one.ask)
        await until(lambda: one.keeper.statistics().waiting == 1)  # type: ignore[union-attr]
        one.keeper.look_again()
        await anyio.sleep(0.2)

        assert one.sink.ready == ("False", "CircuitOpen")
        group.cancel_scope.cancel()
