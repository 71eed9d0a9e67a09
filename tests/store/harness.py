"""What the contract suite needs of a store besides its ports: somebody else who meddles."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

import anyio.lowlevel

from capscan.kube.client import KubeClient
from capscan.kube.config import ClusterSettings
from capscan.scan.ports import Store
from capscan.store.capabilities import CapabilityStore
from capscan.store.ports import Catalogue, NamedCapability
from tests.fake_cluster import FakeStore
from tests.kubectl import Kubectl


class Meddler(Protocol):
    """Another user of the cluster."""

    def edit(self, name: str) -> None:
        """Change the analysis."""

    def label(self, name: str) -> None:
        """Add a label of one's own."""

    def labels(self, name: str) -> set[str]:
        """Return the keys of all labels."""

    def delete(self, name: str) -> None:
        """Delete the object."""


class WholeStore(Store, Catalogue, Protocol):
    """All that a store is for: runs write it, and readers list it."""


class StoreInMemory(FakeStore):
    """A FakeStore for readers too."""

    async def list_all(self) -> AsyncGenerator[NamedCapability]:
        for name, kept in list(self.by_name.items()):
            await anyio.lowlevel.checkpoint()
            yield NamedCapability(name, kept.capability)


@dataclass
class InMemory:
    """Meddles with a FakeStore."""

    store: FakeStore

    def edit(self, name: str) -> None:
        self.store.edit(name)

    def label(self, name: str) -> None:
        self.store.by_name[name].labels.add("team")

    def labels(self, name: str) -> set[str]:
        return self.store.by_name[name].labels

    def delete(self, name: str) -> None:
        self.store.delete(name)


@dataclass
class OnTheCluster:
    """Meddles with kubectl."""

    kubectl: Kubectl

    def edit(self, name: str) -> None:
        patch = {"analysis": {"description": "Edited by hand."}}
        self.kubectl(
            "patch", "capabilities.capscan.dev", name, "--type=merge", "-p", json.dumps(patch)
        )

    def label(self, name: str) -> None:
        self.kubectl("label", "capabilities.capscan.dev", name, "team=db")

    def labels(self, name: str) -> set[str]:
        body = json.loads(self.kubectl("get", "capabilities.capscan.dev", name, "-o", "json"))
        return set(body["metadata"]["labels"])

    def delete(self, name: str) -> None:
        self.kubectl("delete", "capabilities.capscan.dev", name)


@dataclass
class Case:
    """A store under test."""

    store: WholeStore
    meddler: Meddler


async def connected(kubectl: Kubectl) -> KubeClient:
    """A client of the cluster, as its administrator."""
    client = KubeClient(ClusterSettings(kubeconfig=str(kubectl.kubeconfig)))
    await client.connect()
    return client


def on_the_cluster(client: KubeClient, kubectl: Kubectl) -> Case:
    """Capability objects on a real API server."""
    return Case(CapabilityStore(client), OnTheCluster(kubectl))


def in_memory() -> Case:
    """The store in memory."""
    store = StoreInMemory()
    return Case(store, InMemory(store))
