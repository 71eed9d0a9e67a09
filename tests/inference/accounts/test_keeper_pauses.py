"""What a keeper does after its pauses, in virtual time."""

from typing import Any

import anyio
import pytest

from capscan.core.errors import ProviderOverloaded, ProviderUnusable
from capscan.core.provider.diagnosis import RECHECK_S
from tests import virtual
from tests.inference.accounts.keepers import case_without_sockets, faulty

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND


async def test_a_fault_that_only_questions_find_is_shown_until_one_is_answered() -> None:
    """The free check finds nothing wrong with an account that has nothing left to spend."""
    async with case_without_sockets(faulty("no_quota", times=1)) as one:
        with pytest.raises(ProviderUnusable):
            await one.ask()
        looks = one.looks
        await anyio.sleep(RECHECK_S[0] + 1)
        assert one.looks == looks + 1
        assert one.sink.ready == ("False", "InsufficientQuota")

        await one.ask()
        await one.until_ready("True", "Usable")


async def test_a_circuit_that_nobody_is_left_to_close_is_closed_by_a_look() -> None:
    """Else a provider without scans stays as it was in its last outage."""
    async with case_without_sockets(faulty("status", status=503, times=3)) as one:
        for _ in range(3):
            with pytest.raises(ProviderOverloaded):
                await one.ask()
        await one.until_ready("False", "CircuitOpen")
        await one.until_ready("True", "Usable")

        assert one.sent == 3
        assert anyio.current_time() == pytest.approx(RECHECK_S[0], abs=1)
