"""Which servers a proxy stands before: a table of what Go's own package answers."""

import pytest

from capscan.kube.proxies import proxy_of, refused_proxy

PROXY = "http://proxy.example.com:3128"

DIRECT = [
    ("", "https://localhost:6443"),
    ("", "https://127.0.0.1:6443"),
    ("", "https://127.9.9.9"),
    ("", "https://[::1]:6443"),
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("fd00::/8", "https://[fd00::1]"),
    ("192.168.0.1/24", "https://192.168.0.9"),
    (".example.com", "https://a.example.com"),
    ("*.example.com", "https://a.example.com"),
    ("example.com", "https://a.example.com"),
    ("EXAMPLE.com", "https://a.example.com"),
    ("example.com", "https://A.Example.COM"),
    ("example.com:6443", "https://example.com:6443"),
    ("example.com:443", "https://example.com"),
    ("example.com:80", "http://example.com"),
    ("a,*", "https://b.example.com"),
    (" example.com , b", "https://example.com"),
    ("fd00::1", "https://[fd00::1]:6443"),
    ("[fd00::1]:6443", "https://[fd00::1]:6443"),
    ("10.1.2.3:6443", "https://10.1.2.3:6443"),
    ("10.1.2.3", "https://10.1.2.3:6443"),
    ("svc", "https://kubernetes.default.svc"),
]
THROUGH = [
    ("", "https://example.com"),
    ("", "https://LOCALHOST:6443"),
    (".example.com", "https://example.com"),
    ("*.example.com", "https://example.com"),
    ("example.com", "https://notexample.com"),
    ("example.com:6443", "https://example.com"),
    ("2.3", "https://10.1.2.3"),
    ("10.1.2", "https://10.1.2.3"),
    ("10.1.2.3:6443", "https://10.1.2.3"),
    ("[fd00::1]", "https://[fd00::1]"),
    ("example.com.", "https://example.com"),
    ("a;example.com", "https://example.com"),
    ("a example.com", "https://example.com"),
    (":6443", "https://example.com:6443"),
    (",,", "https://example.com"),
]


@pytest.mark.parametrize(("no_proxy", "server"), DIRECT)
def test_a_server_that_no_proxy_names_is_reached_directly(no_proxy: str, server: str) -> None:
    environment = {"HTTPS_PROXY": PROXY, "HTTP_PROXY": PROXY, "NO_PROXY": no_proxy}

    assert proxy_of(server, environment) is None


@pytest.mark.parametrize(("no_proxy", "server"), THROUGH)
def test_any_other_server_is_reached_through_the_proxy(no_proxy: str, server: str) -> None:
    assert proxy_of(server, {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}) == PROXY


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"https_proxy": "http://small"}, "http://small"),
        ({"HTTPS_PROXY": "", "https_proxy": "http://small"}, "http://small"),
        ({"HTTPS_PROXY": "http://large", "https_proxy": "http://small"}, "http://large"),
        ({"HTTPS_PROXY": "http://large", "https_proxy": ""}, "http://large"),
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"HTTP_PROXY": "http://plain", "ALL_PROXY": "http://all"}, None),
    ],
)
def test_the_variables_are_read_in_the_order_of_kubectl(
    environment: dict[str, str], proxy: str | None
) -> None:
    assert proxy_of("https://kube.example.com:6443", environment) == proxy


@pytest.mark.parametrize(
    "proxy",
    ["socks5://p:1080", "https://p:443", "ftp://p", "p", "http://", "http://[", "http://p:x"],
)
def test_a_proxy_that_cannot_be_used_is_refused_with_what_to_write(proxy: str) -> None:
    assert "http://HOST:PORT" in (refused_proxy(proxy) or "")


def test_a_proxy_by_http_can_be_used() -> None:
    assert refused_proxy("http://user:word@proxy.example.com:3128") is None
