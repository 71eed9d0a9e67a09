"""Addresses and certificates of providers: which ones are taken."""

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.address import (
    checked_base_url,
    checked_proxy_url,
    is_forbidden,
    is_in_the_clear,
)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        (" http://ollama.ai.svc:11434/v1", "http://ollama.ai.svc:11434/v1"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://10.0.0.7/v1", "http://10.0.0.7/v1"),
    ],
)
def test_valid_addresses_are_accepted(url: str, taken: str) -> None:
    """Private addresses are valid too: local models have such."""
    assert checked_base_url(url) == taken


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("api.openai.com/v1", "must begin with http:// or https://"),
        ("ftp://host/v1", "must begin with http:// or https://"),
        ("http:///v1", "must begin with http:// or https:// and a host"),
        ("https://host:port/v1", "is no URL"),
        ("https://[::1/v1", "is no URL"),
        ("http://10.0.0.256:8080/v1", "spec.baseURL leads nowhere: Invalid IPv4 address"),
        ("http://‐.example.com", "spec.baseURL leads nowhere"),
        ("http://xn--bcher-kva.my_host/v1", "Is xn--bcher-kva.my_host a name or an address?"),
        ("https://user:word@host/v1", "API keys belong in spec.apiKeySecretRef"),
        ("https://host/v1?api-version=1", "Azure needs no api-version"),
        ("https://host/v1#part", "without ? or #"),
        ("https://ho st/v1", "white space"),
        ("http://169.254.169.254/latest", "metadata service"),
        ("http://169.254.10.1", "link-local"),
        ("http://[fe80::1]", "link-local"),
        ("http://[fe80::1%25eth0]", "link-local"),
        ("http://[::ffff:169.254.169.254]", "metadata service"),
        ("http://[fd00:ec2::254]", "metadata service"),
        ("http://metadata.google.internal./x", "metadata service"),
    ],
)
def test_invalid_addresses_are_refused(url: str, said: str) -> None:
    """Each error says what to write instead."""
    with pytest.raises(ProviderUnusable) as raised:
        checked_base_url(url)

    assert raised.value.reason == "InvalidProvider"
    assert said in str(raised.value)
    assert "word" not in str(raised.value).replace("password", "")


@pytest.mark.parametrize(
    ("address", "is_so"),
    [
        ("169.254.169.254", True),
        ("100.100.100.200", True),
        ("168.63.129.16", True),
        ("fe80::1%eth0", True),
        ("64:ff9b::a9fe:a9fe", True),
        ("2002:a9fe:a9fe::1", True),
        ("::ffff:169.254.0.1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("10.96.0.1", False),
        ("fd00::1", False),
        ("8.8.8.8", False),
        ("example.com", False),
    ],
)
def test_forbidden_addresses_are_found_in_every_spelling(address: str, is_so: bool) -> None:
    """IPv6 has several ways to write an IPv4 address."""
    assert is_forbidden(address) is is_so


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("http://api.example.com/v1", True),
        ("http://8.8.8.8/v1", True),
        ("https://api.example.com/v1", False),
        ("http://10.0.0.1/v1", False),
        ("http://[::1]/v1", False),
        ("http://ollama/v1", False),
        ("http://ollama.ai.svc:11434/v1", False),
        ("http://ollama.ai.svc.cluster.local./v1", False),
    ],
)
def test_plain_http_is_noticed_outside_the_cluster(url: str, is_so: bool) -> None:
    """Inside a cluster, plain HTTP is usual."""
    assert is_in_the_clear(url) is is_so


def test_the_address_of_a_proxy_is_checked_as_well() -> None:
    """The error names the field of the proxy."""
    assert checked_proxy_url("") is None
    assert checked_proxy_url("http://proxy:3128") == "http://proxy:3128"
    with pytest.raises(ProviderUnusable, match=r"spec\.proxyURL holds a user name"):
        checked_proxy_url("http://me:word@proxy:3128")
    with pytest.raises(ProviderUnusable, match=r"spec\.proxyURL leads nowhere"):
        checked_proxy_url("http://10.0.0.256:3128")
