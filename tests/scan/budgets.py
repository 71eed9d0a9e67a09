"""A cluster whose scan has a budget."""

from decimal import Decimal
from typing import Any

from capscan.model import Usage
from tests.scan.cluster import Cluster

ONE = Usage(requests=1, input_tokens=80, output_tokens=20, cost=Decimal("0.01"))


def spec(budget: dict[str, Any]) -> dict[str, Any]:
    return {"parallelism": 2, "budget": budget}


def cluster_with(budget: dict[str, Any], **options: Any) -> Cluster:
    cluster = Cluster(spec(budget), **options)
    cluster.provider.usage = cluster.provider.estimated = ONE
    return cluster
