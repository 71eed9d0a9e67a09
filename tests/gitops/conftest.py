"""The tools where they are built already; building takes too long for an ordinary test run."""

from pathlib import Path

import pytest

from tests.gitops import tools


@pytest.fixture(scope="session")
def built() -> Path:
    """The Go program; the test is skipped where there is none."""
    program = tools.program()
    if not program.exists():
        pytest.skip("kstatus, Flux and Argo CD are not built here: make test-gitops")
    return program
