"""One running operator for all tests, and the summary of what was seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.installation import account_kubeconfig
from tests.kubectl import Kubectl
from tests.operator import conftest as of_the_operator
from tests.operator.process import Operator
from tests.servers import environment
from tests.servers.scanning import start

cluster = of_the_operator.cluster

SEEN = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the tests say."""
    config.stash[SEEN] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print it before the closing line."""
    if config.stash[SEEN]:
        terminalreporter.write_sep("-", "what was seen")
        for line in config.stash[SEEN]:
            terminalreporter.write_line(line)


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say a line of what was seen, under the test's name."""
    seen = request.config.stash[SEEN]
    seen.append(f"{request.node.name}")
    return lambda line: seen.append(f"    {line}")


@pytest.fixture(scope="session", autouse=True)
def operator(installed: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """It runs for the whole session: each test has a group, a provider and a scan of its own."""
    folder = tmp_path_factory.mktemp("operator")
    operator = Operator(account_kubeconfig(installed, folder), folder)
    start(operator)
    yield operator
    operator.close()


@pytest.fixture(scope="session")
def servers_python() -> Path:
    """The Python that the servers' packages are installed for."""
    if not environment.there():
        pytest.skip("the servers are not installed here: make test-servers")
    return environment.python()


@pytest.fixture(scope="session")
def nginx() -> Path:
    """The program nginx."""
    program = environment.nginx()
    if program is None:
        pytest.skip("nginx is not installed here, and could not be taken from Debian's package")
    return program
