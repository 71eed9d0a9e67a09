"""Labels: what may be selected by."""

import pytest

from capscan.model import Capability, Complexity, Resource
from capscan.store.labels import labels
from tests.providers import analysis


def of(*providers: str, group: str = "example.com") -> dict[str, str]:
    resource = Resource(
        group=group, kind="A", plural="as", scope="Cluster", version="v1", versions=["v1"]
    )
    known = analysis().model_copy(
        update={"providers": list(providers), "complexity": Complexity.HIGH}
    )
    return labels(Capability(resource=resource, analysis=known))


def test_group_and_complexity_are_labels() -> None:
    assert of() == {"capscan.dev/api-group": "example.com", "capscan.dev/complexity": "high"}


@pytest.mark.parametrize(
    ("provider", "cloud"),
    [("AWS", "aws"), ("Amazon Web Services", "aws"), ("google cloud", "gcp"), ("Azure", "azure")],
)
def test_a_known_cloud_is_a_label_however_it_is_called(provider: str, cloud: str) -> None:
    assert of(provider)[f"cloud.capscan.dev/{cloud}"] == "true"


def test_what_an_answer_calls_a_provider_never_becomes_a_label() -> None:
    assert of("'; drop table", "Let's Encrypt") == of()


def test_several_clouds_are_several_labels() -> None:
    assert {"cloud.capscan.dev/aws", "cloud.capscan.dev/gcp"} <= of("AWS", "GCP", "aws").keys()


def test_a_group_that_no_label_can_hold_is_left_out() -> None:
    assert "capscan.dev/api-group" not in of(group="x" * 64)


def test_an_empty_capability_has_no_labels() -> None:
    assert labels(Capability()) == {}
