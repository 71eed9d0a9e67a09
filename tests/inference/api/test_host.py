"""Hosts in every spelling: which are one and the same, and which are asked nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.inference.api.host import is_forbidden, is_near, normalised


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xFE.0xA9.0xFE",
        "0251.0376.0251.0376",
        "169.254.43518",
        "169.16689662",
        "169.254.10.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "fe80::1%eth0",
        "FD00:EC2::254",
        "fd00:ec2:0::23",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
        "::ffff:169.254.0.1",
        "::169.254.169.254",
        "::ffff:0:a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:5a9:fe:a9fe::",
        "64:ff9b:1:5:a9:fea9:fe00:0",
        "2001:0:a9fe:a9fe::1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "2001:db8::5efe:a9fe:a9fe",
        "fd00:1::200:5efe:a9fe:1",
        "2001:db8:77::a9fe:a9fe",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "metadata.azure.internal",
        "metadata.tencentyun.com",
        "instance-data",
        "rancher-metadata",
    ],
)
def test_metadata_services_and_link_local_addresses_are_found_in_every_spelling(host: str) -> None:
    """IPv6 has many ways to hold an IPv4 address, inet_aton(3) many to write one."""
    assert is_forbidden(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "::1",
        "::",
        "0",
        "10.96.0.1",
        "fd00::1",
        "8.8.8.8",
        "2001:4860:4860::8888",
        "64:ff9b::808:808",
        "64:ff9b:1::808:808",
        "example.com",
        "metadata.example.com",
        "a9fe.a9fe",
        "",
    ],
)
def test_other_hosts_are_not_forbidden(host: str) -> None:
    """Private addresses and this Pod's own are where local models are."""
    assert not is_forbidden(host)


@given(st.integers(0, 2**32 - 1), st.sampled_from([8, 10, 16]), st.integers(1, 4))
def test_every_way_to_write_an_ipv4_address_is_the_same_host(
    number: int, base: int, parts: int
) -> None:
    """The last part fills all bytes that are left."""
    high = [number >> (24 - 8 * i) & 255 for i in range(parts - 1)]
    last = number & (256 ** (5 - parts) - 1)
    shape = {8: "0{:o}", 10: "{:d}", 16: "0x{:X}"}[base]
    written = ".".join(shape.format(n) for n in (*high, last))

    assert normalised(written) == ".".join(str(number >> n & 255) for n in (24, 16, 8, 0))


@pytest.mark.parametrize("host", ["1.2.3.4.5", "256.1.1.1", "08.1.1.1", "a.b.7", "a.0xff", "1..2"])
def test_a_name_that_ends_in_a_number_is_no_host(host: str) -> None:
    """Programs differ in what they make of it."""
    with pytest.raises(ValueError, match="ends in a number"):
        normalised(host)


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("a.localhost.", True),
        ("0x7f.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("ollama.ai.svc", True),
        ("ollama.ai.svc.cluster.local.", True),
        ("svc", False),
        ("ollama", False),
        ("ollama.ai.svc.example.com", False),
        ("10.0.0.1", False),
        ("example.com", False),
    ],
)
def test_only_this_pod_and_named_services_are_near(host: str, near: bool) -> None:
    """A short name may be found anywhere in the search list of the Pod."""
    assert is_near(host) is near
