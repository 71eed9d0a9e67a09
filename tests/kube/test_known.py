"""What the watch knows, with and without somebody who works on it."""

from collections.abc import Iterable

import pytest

from capscan.kube.known import Known
from capscan.model import CapabilityScan
from tests.fakes import scan


class Worker:
    """Keeps what it is handed, in order."""

    def __init__(self) -> None:
        self.observed: list[tuple[str, str]] = []
        self.removed: list[str] = []
        self.retained: list[tuple[set[str], str]] = []
        self.broken: set[str] = set()
        """The UIDs of objects over which it fails."""

    def observe(self, seen: CapabilityScan) -> None:
        if seen.metadata.uid in self.broken:
            raise RuntimeError("a bug")
        self.observed.append((seen.metadata.uid, seen.metadata.resource_version))

    def remove(self, uid: str) -> None:
        self.removed.append(uid)

    def retain(self, uids: Iterable[str], version: str) -> None:
        self.retained.append((set(uids), version))


def test_a_worker_is_handed_what_was_told_before_it_came() -> None:
    """The newest version of each object, without those that are gone."""
    known: Known[CapabilityScan] = Known()
    known.observe(scan(uid="a", version=1))
    known.observe(scan(uid="a", version=3))
    known.observe(scan(uid="a", version=2))
    known.observe(scan(uid="b", version=4))
    known.observe(scan(uid="c", version=5))
    known.remove("b")
    worker = Worker()

    with known.handed_to(worker):
        assert worker.observed == [("a", "3"), ("c", "5")]


def test_a_worker_is_handed_everything_while_it_works_and_nothing_afterwards() -> None:
    known: Known[CapabilityScan] = Known()
    worker = Worker()

    with known.handed_to(worker):
        known.observe(scan(uid="a", version=1))
        known.remove("a")
        known.retain(["b"], "7")
    known.observe(scan(uid="c", version=8))
    known.remove("c")
    known.retain([], "")

    assert worker.observed == [("a", "1")]
    assert worker.removed == ["a"]
    assert worker.retained == [({"b"}, "7")]


def test_the_next_worker_takes_over_what_the_last_one_had_and_what_came_meanwhile() -> None:
    known: Known[CapabilityScan] = Known()
    with known.handed_to(Worker()):
        known.observe(scan(uid="a", version=1))
    known.observe(scan(uid="b", version=2))
    second = Worker()

    with known.handed_to(second):
        assert second.observed == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize(("version", "left"), [("", ["a"]), ("2", ["a", "c"])])
def test_a_listing_forgets_what_is_not_in_it_but_not_what_came_after_it(
    version: str, left: list[str]
) -> None:
    known: Known[CapabilityScan] = Known()
    for number, uid in enumerate("abc", start=1):
        known.observe(scan(uid=uid, version=number))
    worker = Worker()

    known.retain(iter(["a"]), version)

    with known.handed_to(worker):
        assert [uid for uid, _ in worker.observed] == left


def test_an_object_that_a_worker_cannot_take_over_keeps_no_other_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known: Known[CapabilityScan] = Known()
    known.observe(scan(uid="a", name="odd", version=1))
    known.observe(scan(uid="b", version=2))
    worker = Worker()
    worker.broken = {"a"}

    with known.handed_to(worker):
        assert worker.observed == [("b", "2")]

    assert "cannot take over odd; it is skipped" in caplog.text
