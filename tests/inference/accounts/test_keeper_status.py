"""What the status of a provider says, and what is told in an Event."""

import anyio
import pytest

from capscan.core.errors import MissingPermission
from tests.inference.accounts.keepers import KEY, case, until
from tests.modelserver.behaviour import Behaviour
from tests.modelserver.faults import Fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("key", "told"), [(KEY, ("Usable", False)), ("sk-other", ("InvalidCredentials", True))]
)
async def test_after_a_restart_a_mended_fault_is_announced_and_a_lasting_one_once_more(
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


async def test_after_a_restart_a_provider_that_is_still_usable_is_not_announced() -> None:
    async with case() as one:
        await one.ask()
        left = one.sink.versions[-1]

    async with case(left=left) as one:
        await one.ask()
        await one.until_ready("True", "Usable")

        assert one.notices == []


async def test_a_status_that_was_refused_is_written_once_that_is_allowed() -> None:
    async with case() as one:
        one.sink.refused = MissingPermission("The operator may not patch it.")
        await one.ask()
        assert not one.sink.versions
        one.sink.refused = None
        with anyio.fail_after(30):
            await until(lambda: bool(one.sink.versions))

        assert one.sink.ready == ("True", "Usable")


async def test_the_status_says_that_a_long_look_is_under_way() -> None:
    """Nobody wonders whether the operator has seen the provider at all."""
    async with case(Behaviour(faults=(Fault(kind="hang", on="models"),))) as one:
        await one.until_ready("Unknown", "Checking")

        assert one.sink.versions[-1].observed_generation == 1
