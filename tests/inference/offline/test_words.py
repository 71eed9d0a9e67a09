"""Names turned into words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.inference.offline.words import (
    fix_articles,
    group_words,
    phrase,
    plural,
    stem,
    with_article,
)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("HTTPRoute", "HTTP route"),
        ("DNSEndpoint", "DNS endpoint"),
        ("EC2NodeClass", "EC2 node class"),
        ("BGPPeer", "BGP peer"),
        ("MariaDB", "MariaDB"),
        ("mariaDbRef", "MariaDB ref"),
        ("RabbitmqCluster", "RabbitMQ cluster"),
        ("SriovNetworkNodePolicy", "SR-IOV network node policy"),
        ("KafkaTopic", "Kafka topic"),
        ("VPCs", "VPCs"),
        ("K8ssandraCluster", "K8ssandra cluster"),
        ("IPAddressPool", "IP address pool"),
        ("XYZThing", "XYZ thing"),
        ("größe", "gr e"),
        ("", ""),
    ],
)
def test_kinds_are_written_as_people_write_them(kind: str, words: str) -> None:
    """Acronyms and brands in their own spelling, the rest in lower case."""
    assert phrase(kind) == words


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("HTTP route", "HTTP routes"),
        ("network policy", "network policies"),
        ("node class", "node classes"),
        ("gateway", "gateways"),
        ("pod chaos", "pod chaos"),
        ("endpoints", "endpoints"),
        ("IP address", "IP addresses"),
        ("switch", "switches"),
        ("Redis", "Redis"),
    ],
)
def test_plurals(one: str, many: str) -> None:
    """The last word of a phrase takes the plural."""
    assert plural(one) == many


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("HTTP route", "an HTTP route"),
        ("user", "a user"),
        ("S3 bucket", "an S3 bucket"),
        ("unique name", "a unique name"),
        ("SLO", "an SLO"),
        ("NAT gateway", "a NAT gateway"),
        ("issuer", "an issuer"),
        ("pod chaos", "pod chaos"),
        ("access point", "an access point"),
    ],
)
def test_articles(words: str, expected: str) -> None:
    """The sound decides; what cannot be counted has none."""
    assert with_article(words) == expected


def test_wrong_articles_are_put_right() -> None:
    """Generated descriptions have many wrong ones."""
    assert fix_articles("Manages a Azure S3 bucket and a user.") == (
        "Manages an Azure S3 bucket and a user."
    )


def test_words_of_a_group_leave_out_what_every_group_has() -> None:
    """Top-level domains, k8s, and the place where a project is hosted."""
    assert group_words("kafka.strimzi.io") == ("kafka", "strimzi")
    assert group_words("monitoring.cluster-stack.k8s.io") == (
        "monitoring",
        "cluster-stack",
        "cluster",
        "stack",
    )
    assert group_words("aquasecurity.github.io") == ("aquasecurity",)


@given(st.text(max_size=60))
def test_any_name_gives_words(name: str) -> None:
    """Kinds are letters and digits, but nothing here relies on it."""
    words = phrase(name)

    assert words == words.strip()
    assert len(stem(name)) <= len(name) + 1
    assert with_article(words).endswith(words)
