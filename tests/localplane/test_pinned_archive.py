"""Which archive is wanted: by the kind of machine, and by what the environment says."""

from __future__ import annotations

import pytest

from capscan.localplane.archive import find_archive, shown, target
from capscan.localplane.build import kubernetes_version


@pytest.mark.parametrize(
    ("system", "machine", "expected"),
    [
        ("Linux", "x86_64", "linux-amd64"),
        ("Linux", "aarch64", "linux-arm64"),
        ("Darwin", "arm64", "darwin-arm64"),
    ],
)
def test_the_archive_is_the_one_for_this_kind_of_machine(
    system: str, machine: str, expected: str
) -> None:
    """Its name has Go's words for the machine, and the version that a build would have."""
    archive = find_archive(target(system, machine), {})

    assert archive
    assert archive.url.endswith(f"/envtest-{kubernetes_version()}-{expected}.tar.gz")
    assert archive.url.startswith("https://")
    assert len(bytes.fromhex(archive.sha512)) == 64
    assert expected in archive.folder


@pytest.mark.parametrize(
    ("system", "machine"),
    [("Darwin", "x86_64"), ("Linux", "riscv64"), ("Linux", "armv7l"), ("FreeBSD", "amd64")],
)
def test_other_machines_have_no_archive(system: str, machine: str) -> None:
    """They build the programs."""
    assert find_archive(target(system, machine), {}) is None


def test_a_mirror_replaces_the_address_and_not_the_sum() -> None:
    """CAPSCAN_ARCHIVE_URL may end with a slash or not; if it is empty, no archive is wanted."""
    official = find_archive("linux-amd64", {})
    mirrored = find_archive("linux-amd64", {"CAPSCAN_ARCHIVE_URL": "http://mirror/k8s/"})

    assert official
    assert mirrored
    assert mirrored.url == "http://mirror/k8s/envtest-v1.36.2-linux-amd64.tar.gz"
    assert (mirrored.sha512, mirrored.folder) == (official.sha512, official.folder)
    assert find_archive("linux-amd64", {"CAPSCAN_ARCHIVE_URL": ""}) is None


def test_a_password_in_an_address_is_not_shown() -> None:
    """It would end in a CI log."""
    assert shown("https://me:secret@mirror:8443/a.tar.gz?token=x") == "https://mirror:8443/a.tar.gz"
