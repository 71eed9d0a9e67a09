"""A cluster whose changes are news."""

from tests.fakes import crd, name_of
from tests.scan.cluster import Cluster

FOLLOW = {"follow": True}

NEW = name_of(900)

OTHER_SCHEMA = {"type": "object", "description": "New."}


class Followed(Cluster):
    """A cluster whose changes are news."""

    def add(self, n: int) -> None:
        self.crds.add(crd(name_of(n)))
        self.news.change()
