"""Tests with await in them run on asyncio, in real time: their sockets are real."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
