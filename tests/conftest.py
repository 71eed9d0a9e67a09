"""What every test may ask for: a real control plane, and kubectl for it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from capscan.localplane.console import Console
from capscan.localplane.plane import ORDER, Plane
from capscan.localplane.programs import KUBECTL, find_programs
from tests.kubectl import Kubectl

PLANES = {"plane", "own_plane", "programs"}
"""Fixtures whose tests run the real programs."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the clock of the first test starts: cold, it takes minutes."""
    wanted = any(PLANES & set(getattr(item, "fixturenames", ())) for item in session.items)
    if wanted and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():
            find_programs([*ORDER, KUBECTL], Console())


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane that is up for the whole session. Leave it as you found it."""
    plane = Plane(tmp_path_factory.mktemp("plane") / "data", Console(io.StringIO()))
    try:
        plane.up()
        yield plane
    finally:
        plane.down()


@pytest.fixture(scope="session")
def kubectl(plane: Plane) -> Kubectl:
    """`kubectl("get", "crds")` as the administrator."""
    info = plane.info()
    return Kubectl(info.kubectl, info.kubeconfig)


@pytest.fixture
def programs() -> None:
    """The test starts a control plane by itself."""
