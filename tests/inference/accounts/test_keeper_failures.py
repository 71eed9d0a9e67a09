"""What fails one question, and what it costs then."""

from contextlib import suppress

import anyio
import pytest

from capscan.core.errors import (
    AnswerRefused,
    ContextTooLong,
    InferenceTimeout,
    InvalidAnswer,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
    ProviderUnusable,
    RequestSingledOut,
)
from capscan.model import Usage
from tests.inference.accounts.keepers import WIDGETS, case, faulty
from tests.modelserver.behaviour import Behaviour

pytestmark = pytest.mark.anyio


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
async def test_each_fault_of_the_server_raises_its_own_error(
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
async def test_a_request_that_is_given_up_counts_with_its_usual_usage(limit: str) -> None:
    """Sent is paid: the server reads the prompt, and nobody says what it took."""
    timeout = "1s" if limit == "request" else "1m"
    async with case(faulty("hang"), requestTimeout=timeout) as one:
        with anyio.move_on_after(1.0 if limit == "item" else 10.0), suppress(InferenceTimeout):
            await one.ask()

        assert one.sent == 1
        assert one.slot.usages == [one.keeper.estimate(WIDGETS)]


async def test_a_question_refused_for_its_key_counts_as_a_request() -> None:
    async with case() as one:
        await one.ask()
        await one.server.change(keys=("sk-other",))
        with pytest.raises(ProviderUnusable):
            await one.ask()

        assert one.slot.usages[-1] == Usage(requests=1)


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


async def test_several_crds_turned_down_in_a_row_make_the_provider_unusable() -> None:
    """A right that was taken away, and the look needs another one. None of them is lost."""
    async with case(faulty("status", status=403, names="widgets*")) as one:
        await one.ask("gadgets")
        for name in ("widgets1", "widgets2"):
            with pytest.raises(RequestSingledOut):
                await one.ask(name)
        with pytest.raises(ProviderUnusable, match=r"asked about widgets3\.example\.com"):
            await one.ask("widgets3")
        await one.until_ready("False", "InvalidCredentials")


async def test_a_refused_key_is_never_blamed_on_one_question() -> None:
    async with case() as one:
        await one.ask("gadgets")
        await one.server.change(keys=("sk-other",))
        with pytest.raises(ProviderUnusable):
            await one.ask("widgets")
        await one.until_ready("False", "InvalidCredentials")
