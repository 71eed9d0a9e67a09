"""Addresses and certificates of providers: which ones are taken."""

import pytest

from capscan.core.errors import ProviderUnusable
from capscan.inference.api.address import (
    checked_base_url,
    checked_proxy_url,
    is_in_the_clear,
    origin_of,
    usual_path,
    warning_about,
)
from capscan.model import ProviderSpec


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
        ("https://host/v1?", "without ? or #"),
        ("https://host/v1/#", "without ? or #"),
        ("http://api.example.com\\.internal/v1", "a mark that no host has"),
        ("http://metadata%2Egoogle%2Einternal/v1", "a mark that no host has"),
        ("http://169.254.169.254%00.example.com/v1", "metadata service"),
        ("http://[fd00::1%25eth0]/v1", "a mark that no host has"),
        ("http://1.2.3.4.5/v1", "leads nowhere: it ends in a number, and is no address"),
        ("http://models.example.0x7f/v1", "leads nowhere: it ends in a number"),
        ("http://./v1", "and a host"),
        ("https://ho st/v1", "white space"),
        ("http://169.254.169.254/latest", "metadata service"),
        ("http://169.254.10.1", "link-local"),
        ("http://[fe80::1]", "link-local"),
        ("http://[fe80::1%25eth0]", "link-local"),
        ("http://[::ffff:169.254.169.254]", "metadata service"),
        ("http://[fd00:ec2::254]", "metadata service"),
        ("http://metadata.google.internal./x", "metadata service"),
        ("http://metadata。google。internal/x", "metadata service"),
        ("http://169。254。169。254/x", "metadata service"),
        ("http://169.254.169.254./x", "metadata service"),
        ("http://2852039166/x", "metadata service"),
        ("http://0xA9.0xFE.43518/x", "metadata service"),
        ("http://[64:ff9b::a9fe:a9fe]/x", "metadata service"),
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
    ("url", "proxy", "is_so"),
    [
        ("http://api.example.com/v1", "", True),
        ("http://8.8.8.8/v1", "", True),
        ("http://10.0.0.1/v1", "", True),
        ("http://ollama/v1", "", True),
        ("http://ollama.ai.svc.example.com/v1", "", True),
        ("https://api.example.com/v1", "", False),
        ("http://[::1]/v1", "", False),
        ("http://127.1/v1", "", False),
        ("http://[::ffff:127.0.0.1]/v1", "", False),
        ("http://localhost:11434/v1", "", False),
        ("http://ollama.ai.svc:11434/v1", "", False),
        ("http://OLLAMA.ai.svc.cluster.local./v1", "", False),
        ("http://ollama.ai.svc/v1", "http://proxy.example.com:3128", True),
        ("http://ollama.ai.svc/v1", "https://proxy.example.com:3128", True),
        ("http://ollama.ai.svc/v1", "http://127.0.0.1:3128", False),
        ("https://api.example.com/v1", "http://proxy.example.com:3128", False),
    ],
)
def test_plain_http_is_noticed_outside_the_cluster(url: str, proxy: str, is_so: bool) -> None:
    """Inside a cluster, plain HTTP is usual. A proxy for https:// sees nothing."""
    assert is_in_the_clear(url, proxy) is is_so


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ""),
        ({"baseURL": "https://models.example.com/v1"}, ""),
        ({"baseURL": "http://ollama.ai.svc:11434/v1"}, ""),
        ({"baseURL": "http://ho st/v1"}, ""),
        ({"baseURL": "http://1.2.3.4.5/v1"}, ""),
        (
            {"baseURL": "http://Models.example.com:80/v1"},
            "Questions and answers go unencrypted to http://models.example.com: write https://",
        ),
        (
            {"baseURL": "http://10.0.0.7:8000/v1", "apiKeySecretRef": {"name": "own"}},
            "The API key goes unencrypted to http://10.0.0.7:8000: write https://",
        ),
        (
            {"baseURL": "http://own.ai.svc/v1", "proxyURL": "http://proxy.example.com:3128"},
            "unencrypted to http://own.ai.svc through http://proxy.example.com:3128: write https",
        ),
    ],
)
def test_the_warning_of_plain_http_says_what_to_write(
    options: dict[str, object], said: str
) -> None:
    """A spec that is invalid gets its error elsewhere."""
    spec = ProviderSpec.model_validate({"protocol": "OpenAI", "model": "m"} | options)

    warning = warning_about(spec)
    assert said in warning
    assert bool(said) is bool(warning)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com"),
        ("https://API.OpenAI.com.:443//v1/../x", "https://api.openai.com"),
        ("HTTPS://api.openai.com:/", "https://api.openai.com"),
        ("http://api.openai.com:443", "http://api.openai.com:443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://0x7f.1:8080/v1", "http://127.0.0.1:8080"),
        ("http://[0:0::1]:80/v1", "http://[::1]"),
    ],
)
def test_an_origin_has_one_spelling(url: str, origin: str) -> None:
    """The path belongs to none."""
    assert origin_of(url) == origin


def test_the_address_of_a_proxy_is_checked_as_well() -> None:
    """The error names the field of the proxy."""
    assert checked_proxy_url("") is None
    assert checked_proxy_url(" ") is None
    assert checked_proxy_url("http://proxy:3128") == "http://proxy:3128"
    with pytest.raises(ProviderUnusable, match=r"spec\.proxyURL holds a user name"):
        checked_proxy_url("http://me:word@proxy:3128")
    with pytest.raises(ProviderUnusable, match=r"spec\.proxyURL leads nowhere"):
        checked_proxy_url("http://10.0.0.256:3128")
    with pytest.raises(ProviderUnusable, match=r"name another in spec\.proxyURL"):
        checked_proxy_url("http://0xa9fea9fe:3128")


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://mine.openai.azure.com", "/openai/v1"),
        ("https://generativelanguage.googleapis.com", "/v1beta/openai"),
        ("https://openrouter.ai", "/api/v1"),
        ("https://notopenrouter.ai", "/v1"),
        ("http://ollama.ai.svc:11434", "/v1"),
    ],
)
def test_the_usual_path_depends_on_the_host(base_url: str, path: str) -> None:
    assert usual_path(base_url) == path
