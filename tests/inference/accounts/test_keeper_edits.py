"""What an edit or a deletion of a provider means for those who ask."""

import anyio
import pytest

from capscan.core.errors import ProviderUnusable
from capscan.model import Usage
from tests.inference.accounts.keepers import case, provider, until
from tests.modelserver.behaviour import Behaviour, Latency, Limits, Rate

pytestmark = pytest.mark.anyio


async def test_a_mended_spec_is_obeyed_at_once() -> None:
    async with case(model="claude-0") as one:
        with pytest.raises(ProviderUnusable):
            await one.ask()
        await one.until_ready("False", "ModelNotFound")
        one.keeper.observe(provider(one.server.url, generation=2))
        await one.ask()
        await one.until_ready("True", "Usable")

        assert one.sink.versions[-1].observed_generation == 2
        told = [(notice.reason, notice.warning) for notice in one.notices]
        assert told == [("ModelNotFound", True), ("Usable", False)]


async def test_an_answer_to_the_old_spec_says_nothing_of_the_edited_one() -> None:
    slow = Behaviour(latency=Latency(mean_s=1.5))
    with anyio.fail_after(20):
        async with case(slow) as one:
            async with anyio.create_task_group() as group:
                group.start_soon(one.ask)
                await until(lambda: one.sent > 0)
                one.keeper.observe(provider("http://169.254.169.254", generation=2))
                await one.until_ready("False", "InvalidProvider")
                question = one.server.ledger.completions()[-1]
                assert question.status == 0, "its answer is on the way yet"
                updates = one.sink.updates
            await until(lambda: one.sink.updates > updates)

            assert one.sink.ready == ("False", "InvalidProvider")


async def test_an_edit_during_a_look_is_looked_at_as_soon_as_that_ends() -> None:
    async with case() as one:
        await one.secret.until_read()
        one.keeper.observe(provider(one.server.url, generation=2))
        with anyio.fail_after(2):
            await one.ask()
        await until(lambda: one.sink.versions[-1].observed_generation == 2)

        assert one.sink.ready == ("True", "Usable")


async def test_what_the_gate_has_learnt_outlives_an_edit() -> None:
    limited = Behaviour(limits=Limits(requests=Rate(per_minute=600)))
    async with case(limited) as one:
        await one.ask()
        assert one.keeper.pace("all", 1).items_per_s == pytest.approx(10)
        edited = provider(one.server.url, generation=2, limits={"maxInFlight": 3})
        one.keeper.observe(edited)
        await one.keeper.ready()

        pace = one.keeper.pace("all", 1)
        assert pace.permits == 3
        assert pace.items_per_s == pytest.approx(10)
        assert one.sent == 1


@pytest.mark.parametrize("edits", [1, 3])
async def test_questions_that_wait_are_answered_after_the_last_of_several_edits(edits: int) -> None:
    async with case(model="claude-0") as one:
        answers: list[Usage] = []

        async def ask() -> None:
            answers.append(await one.ask())

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            for n in range(edits):
                await one.secret.until_read(n + 1)
                one.keeper.observe(provider(one.server.url, generation=2 + n))

        assert len(answers) == 1


async def test_nobody_waits_for_a_provider_that_was_deleted() -> None:
    async with case() as one, anyio.create_task_group() as group:

        async def ask() -> None:
            with pytest.raises(ProviderUnusable, match="was deleted"):
                await one.ask()

        group.start_soon(ask)
        await one.secret.until_read()
        one.deleted.set()
