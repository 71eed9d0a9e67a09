"""Everything here runs in virtual time."""

from typing import Any

import pytest

from tests import virtual


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual.BACKEND
