"""What is wrong with an account: who is told, and how it is mended."""

from typing import Any

import anyio
import pytest

from capscan.core.errors import ProviderUnavailable, ProviderUnusable
from capscan.core.kube_errors import ServerError
from tests.inference.accounts.keepers import KEY, case, faulty, provider
from tests.modelserver.behaviour import Behaviour

pytestmark = pytest.mark.anyio


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
async def test_after_a_fault_of_the_account_nothing_more_is_asked(
    protocol: str, behaviour: Behaviour, spec: dict[str, Any], reason: str
) -> None:
    """At most one question finds it out; whoever comes next is told without one."""
    async with case(behaviour, protocol=protocol, **spec) as one:
        for _ in range(3):
            with pytest.raises(ProviderUnusable) as unusable:
                await one.ask()
            assert unusable.value.reason == reason
        await one.until_ready("False", reason)

        assert one.sent <= 1
        assert KEY not in str(unusable.value)


async def test_the_error_for_a_wrong_path_asks_whether_the_base_url_is_right(protocol: str) -> None:
    """As one that lacks or doubles a part is: the server is there, the API is not."""
    async with case(protocol=protocol) as one:
        await one.ask()
        wrong = provider(f"{one.server.url}/elsewhere", generation=2, protocol=protocol)
        one.keeper.observe(wrong)
        with anyio.fail_after(10), pytest.raises(ProviderUnusable) as unusable:
            await one.ask()

        assert unusable.value.reason == "InvalidProvider"
        assert "knows no such path (404: Not Found); is spec.baseURL right" in str(unusable.value)


async def test_an_account_at_fault_has_no_pace() -> None:
    """So nobody says that it stands in for a provider that falls back to it."""
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

        await one.until_ready("False", "ProviderUnavailable")


async def test_an_address_of_a_metadata_service_is_refused() -> None:
    async with case(baseURL="http://169.254.169.254/v1") as one:
        with pytest.raises(ProviderUnusable) as unusable:
            await one.ask()

        assert unusable.value.reason == "InvalidProvider"


async def test_a_secret_that_cannot_be_read_now_is_no_end() -> None:
    """The API server answered 500: its KMS is away, say."""
    async with case() as one:
        one.secret.keys[:] = [ServerError("the KMS is away")]
        one.keeper.look_again()
        await one.until_ready("False", "ApiServerError")
        with pytest.raises(ProviderUnusable, match="the KMS is away"):
            await one.ask()
        one.secret.keys.append(KEY)
        one.keeper.look_again()
        await one.until_ready("True", "Usable")
        await one.ask()


async def test_a_rotated_key_is_noticed_by_the_first_question_that_it_fails() -> None:
    async with case() as one:
        await one.ask()
        one.secret.keys.append("sk-new")
        await one.server.change(keys=["sk-new"])
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one.ask)

        assert {condition.status for version in one.sink.versions
                for condition in version.conditions or ()
                if condition.type == "Ready"} == {"Unknown", "True"}  # fmt: skip


async def test_a_key_that_is_rotated_to_a_wrong_one_says_what_mends_it() -> None:
    """The question under way is told, and so are all that follow."""
    async with case() as one:
        await one.ask()
        one.secret.keys.append("sk-wrong")
        await one.server.change(keys=["sk-new"])
        for _ in range(2):
            with pytest.raises(ProviderUnusable, match="Put a valid key into the Secret"):
                await one.ask()
        await one.until_ready("False", "InvalidCredentials")
