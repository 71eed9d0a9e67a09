"""What the status of a provider says, and what is told in an Event."""

import anyio
import pytest

from capscan.core.errors import (
    MissingPermission,
)
from tests.inference.accounts.keepers import KEY, case, until
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.faults import Fault

pytestmark = pytest.mark.anyio


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
        await one.until_ready("True", "Usable")

        assert one.notices == []


async def test_a_status_that_may_not_be_written_is_written_when_it_may() -> None:
    async with case() as one:
        one.sink.refused = MissingPermission("The operator may not patch it.")
        await one.ask()
        assert not one.sink.versions
        one.sink.refused = None
        with anyio.fail_after(30):
            await until(lambda: bool(one.sink.versions))

        assert one.sink.ready == ("True", "Usable")


async def test_a_look_that_takes_long_is_announced() -> None:
    """Nobody wonders whether the operator has seen the provider at all."""
    async with case(Behaviour(faults=(Fault(kind="hang", on="models"),))) as one:
        await one.until_ready("Unknown", "Checking")

        assert one.sink.versions[-1].observed_generation == 1
