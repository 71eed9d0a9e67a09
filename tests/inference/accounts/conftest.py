"""Fixtures for the tests of accounts."""

import pytest

from tests.inference.accounts.keepers import MODELS


@pytest.fixture(params=list(MODELS))
def protocol(request: pytest.FixtureRequest) -> str:
    """Each protocol in turn."""
    name: str = request.param
    return name
