"""Runs the operator on a real control plane, as the ServiceAccount of the manifests."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installation import account_kubeconfig, install
from tests.kubectl import Kubectl
from tests.modelserver.behaviour import Behaviour, Latency
from tests.modelserver.process import ModelServerProcess, running
from tests.operator.cluster import MODEL_KEY, Cluster
from tests.operator.process import Operator

_numbers = itertools.count()


@pytest.fixture
def cluster(installed: Kubectl) -> Iterator[Cluster]:
    """The cluster with capscan's kinds and RBAC; CRDs and scans are this test's own."""
    with Cluster(installed, f"t{os.getpid()}x{next(_numbers)}.example.com") as cluster:
        yield cluster
        cluster.remove()


@pytest.fixture
def installed_again(installed: Kubectl) -> Iterator[None]:
    """Put kinds and rights back after a test that takes them away, however it ends."""
    yield
    install(installed)


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[Operator]:
    """The operator, which the test starts; it is stopped after the test."""
    operator = Operator(account_kubeconfig(cluster.kubectl, tmp_path), tmp_path)
    yield operator
    operator.close()


@pytest.fixture
def model() -> Iterator[ModelServerProcess]:
    """A model server that answers after 50 ms, and to MODEL_KEY alone."""
    with running(Behaviour(keys=(MODEL_KEY,), latency=Latency(mean_s=0.05))) as server:
        yield server
