"""The offline analysis: what it says of CRDs that need no corpus."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capscan.core.crd.digest import Digest as DigestType
from capscan.core.crd.digest import DigestField, DigestStats, digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.inference.offline.heuristic import CAPABILITIES_MAX, analyze
from capscan.inference.offline.knowledge import CAPABILITY_CHARS_MAX, knowledge
from capscan.model import Analysis, Complexity
from tests.builders import Schema, crd, wide
from tests.work import calls


def analysed(plural: str, **options: Any) -> Analysis:
    """Return the answer for a CRD as the builder makes it."""
    return analyze(digest_crd(parse_crd(crd(plural, **options))))


def test_an_answer_in_full() -> None:
    """The CRD's own sentence, where it belongs, and what the words of its names mean."""
    found = analysed(
        "certificates",
        group="cert-manager.io",
        description="Certificate is the Schema for the certificates API. It keeps one renewed.",
    )

    assert found.description == (
        "A certificate keeps one renewed. Part of cert-manager, certificates for Kubernetes."
    )
    assert found.use_case == (
        "Use it to get TLS certificates issued and renewed without anybody remembering to."
    )
    assert found.capabilities[:2] == ["Issue TLS certificates", "Renew X509 certificates on time"]
    assert found.providers == ["cert-manager"]
    assert found.complexity is Complexity.LOW


def test_an_unknown_kind_is_described_plainly() -> None:
    """Without a topic, a vendor and a description, kind and group are left."""
    found = analysed("frobs", group="unheard.example", kind="FooFrob", description="")

    assert found.description == ("Declares a foo frob, a kind of the API group unheard.example.")
    assert found.use_case == (
        "Use it to manage foo frobs from Git or kubectl, next to the workloads that need them."
    )
    assert found.capabilities == ["Manage foo frobs"]
    assert found.providers == []
    assert found.confidence <= 0.3


@pytest.mark.parametrize(
    ("group", "kind", "providers"),
    [
        ("ec2.aws.upbound.io", "VPC", ["AWS", "Crossplane"]),
        ("rds.services.k8s.aws", "DBInstance", ["AWS"]),
        ("storage.gcp.upbound.io", "Bucket", ["GCP", "Crossplane"]),
        ("keyvault.azure.upbound.io", "Vault", ["Azure", "Crossplane"]),
        ("chaos-mesh.org", "AWSChaos", ["AWS", "Chaos Mesh"]),
        ("networking.istio.io", "VirtualService", ["Istio"]),
        ("aquasecurity.github.io", "VulnerabilityReport", ["Trivy"]),
        ("ec2.example.com", "ElasticIP", ["AWS"]),
        ("example.com", "Widget", []),
    ],
)
def test_vendors_come_from_group_and_kind(group: str, kind: str, providers: list[str]) -> None:
    """Clouds first; a code host or a common word names nobody."""
    assert analysed(f"{kind.lower()}s", group=group, kind=kind).providers == providers


def test_a_choice_of_clouds_in_the_fields_names_them_all() -> None:
    """One alone is a detail, and volume types of pods are none at all."""
    obj: Schema = {"type": "object", "properties": {"region": {"type": "string"}}}

    def providers(*names: str) -> list[str]:
        schema: Schema = {"type": "object", "properties": dict.fromkeys(names, obj)}
        return analysed("stores", schema=schema).providers

    assert providers("aws", "azure", "gcp") == ["AWS", "Azure", "GCP"]
    assert providers("aws", "size") == []


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Widget is the Schema for the widgets API", "Declares a widget, a kind of"),
        ("WidgetSpec defines the desired state of Widget", "Declares a widget, a kind of"),
        ("Widget is the Schema for the Widgets API. Manages a AWS thing.", "Manages an AWS thing."),
        ("Turns, e.g. v1.2 things, into gold. Then more.", "Turns, e.g. v1.2 things, into gold."),
        ("The `Widget` of [Acme](https://acme.example) spins.", "The Widget of Acme spins."),
        ("It makes gold. More info: https://example.com/widget", "A widget makes gold."),
        (
            "Widget groups things of a team, that is:\n* where\n* who",
            "Widget groups things of a team.",
        ),
        ("Widget is the Schema for the widgets API that spins", "A widget spins."),
    ],
)
def test_boilerplate_is_left_out_of_descriptions(description: str, expected: str) -> None:
    """Boilerplate are generated sentences, markdown, links and lists."""
    assert analysed("widgets", description=description).description.startswith(expected)


def test_complexity_grows_with_what_there_is_to_fill_in() -> None:
    """It is the middle where nobody can say."""
    unknown = crd()
    del unknown["spec"]["versions"][0]["schema"]

    assert analysed("widgets").complexity is Complexity.LOW
    assert analysed("widgets", schema=wide(20_000)).complexity is Complexity.MEDIUM
    assert analysed("widgets", schema=wide(200_000)).complexity is Complexity.HIGH
    assert analyze(digest_crd(parse_crd(unknown))).complexity is Complexity.MEDIUM


def test_confidence_says_how_little_is_known() -> None:
    """Rules are never sure; without schema or descriptions they say so."""
    blank = crd("certificates", group="cert-manager.io")
    del blank["spec"]["versions"][0]["schema"]
    full = analysed("certificates", group="cert-manager.io").confidence
    untold = analysed(
        "certificates",
        group="cert-manager.io",
        description="",
        schema={"type": "object", "properties": {"a": {"type": "string"}}},
    ).confidence
    without = analyze(digest_crd(parse_crd(blank))).confidence

    assert without < untold < full <= 0.6
    assert without <= 0.3


def test_a_large_crd_is_hardly_more_work_than_one_of_a_tenth() -> None:
    """Both digests are as long as digests get."""
    large, tenth = (digest_crd(parse_crd(crd(schema=wide(n)))) for n in (500_000, 50_000))
    analyze(large)  # the tables are read once

    assert 1_000 < calls(lambda: analyze(large)) < 1.5 * calls(lambda: analyze(tenth))


# --- the tables -----------------------------------------------------------------------------------


def test_tables_are_sound() -> None:
    """Every topic that is named exists, and every phrase fits its place."""
    known = knowledge()
    named = {vendor.name: vendor.topics for vendor in known.vendors}
    for services in known.services.values():
        named |= {service.name: service.topics for service in services.values()}
    for name, topics in named.items():
        assert set(topics) <= known.topics.keys(), name
    for topic in known.topics.values():
        assert topic.do, topic.id
        for words in topic.do:
            assert len(words) <= CAPABILITY_CHARS_MAX, words
            assert words[0].isupper(), words
            assert not words.endswith("."), words
        assert not topic.use.endswith("."), topic.use
        assert topic.use[:1].islower() or not topic.use, topic.use
        assert len(topic.use) <= 140, topic.use
    assert {vendor.name for vendor in known.vendors} >= known.services.keys()


# --- properties -----------------------------------------------------------------------------------

TEXT = st.text(max_size=40) | st.sampled_from(["Backup", "HTTPRoute", "aws", "a" * 400, "x " * 300])
TEXTS = st.lists(TEXT, max_size=4).map(tuple)
FIELDS = st.builds(
    DigestField,
    path=TEXT.map("spec.{}".format) | TEXT,
    depth=st.integers(0, 9),
    type=st.sampled_from(["object", "string", ""]),
    required=st.booleans(),
    description=TEXT,
    enum=TEXTS,
)
DIGESTS = st.builds(
    DigestType,
    name=TEXT,
    group=TEXT | st.sampled_from(["s3.aws.upbound.io", "istio.io", "loki.grafana.com"]),
    kind=TEXT,
    plural=TEXT,
    singular=TEXT,
    scope=TEXT,
    short_names=TEXTS,
    categories=TEXTS,
    version=TEXT,
    versions=TEXTS,
    description=st.text(max_size=1200) | TEXT,
    fields=st.lists(FIELDS, max_size=12).map(tuple),
    stats=st.builds(
        DigestStats,
        field_count=st.integers(0, 5000),
        required_count=st.integers(0, 500),
    ),
    text=TEXT,
)


@settings(deadline=None)
@given(DIGESTS)
def test_any_digest_gets_an_answer_within_bounds(digest: DigestType) -> None:
    """Analysis checks its own bounds when it is made; these are the tighter ones."""
    found = analyze(digest)

    assert found == analyze(digest)
    assert len(found.capabilities) <= CAPABILITIES_MAX
    assert 0 < len(found.description) <= 300
    assert 0 < len(found.use_case) <= 300
    assert found.capabilities
    assert 0 < found.confidence <= 0.6
