"""What every test may ask for: a real control plane, and kubectl for it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from capscan.localplane.console import Console
from capscan.localplane.plane import ORDER, Plane
from capscan.localplane.programs import KUBECTL, find_programs
from tests.installation import install
from tests.kubectl import Kubectl

PLANES = {"plane", "own_plane", "programs"}
"""Fixtures whose tests run the real programs."""

# The machine may be busy with other things.
settings.register_profile("capscan", deadline=None, derandomize=True)
settings.load_profile("capscan")


def _runs_programs(item: pytest.Item) -> bool:
    return not PLANES.isdisjoint(getattr(item, "fixturenames", ()))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes seconds first, so that at the end no worker waits long for another."""
    items.sort(key=lambda item: (not item.get_closest_marker("slow"), not _runs_programs(item)))


@pytest.hookimpl(tryfirst=True)  # before the worker reports that it is ready for tests
def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the programs before the clock of the first test starts: it may take minutes.

    One worker builds, the others wait for it.
    """
    first = os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"
    wanted = first and any(map(_runs_programs, session.items))
    if wanted and not session.config.option.collectonly:
        capture = session.config.pluginmanager.getplugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():
            find_programs([*ORDER, KUBECTL], Console())


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane that is up for the whole session. A test leaves it as it found it."""
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


@pytest.fixture(scope="session")
def installed(kubectl: Kubectl) -> Kubectl:
    """kubectl for a cluster on which capscan is installed."""
    install(kubectl)
    return kubectl


@pytest.fixture
def programs() -> None:
    """The test starts a control plane by itself."""
