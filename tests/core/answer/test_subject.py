"""An answer about another CRD than the one that was asked about is no answer."""

import json
import re

import pytest

from capscan.core.answer.prompt import SYSTEM
from capscan.core.answer.reading import read_answer
from capscan.core.answer.subject import Subject
from capscan.core.crd.digest import digest_crd
from capscan.core.crd.parsing import parse_crd
from capscan.core.errors import InvalidAnswer
from capscan.inference.offline.heuristic import analyze
from capscan.model import Analysis
from tests.builders import crd
from tests.core.answer.answers import RIGHT
from tests.core.crd.golden_crds import GOLDEN
from tests.modelserver.answers import right

EXAMPLES = [json.loads(line) for line in SYSTEM.splitlines() if line.startswith('{"')]
EXAMPLE_NAMES = re.findall(r'CRD named "([^"]+)"', SYSTEM)


def subject(plural: str = "queues", group: str = "mail.example.org") -> Subject:
    return Subject.of(digest_crd(parse_crd(crd(plural, group=group))))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_prompt_is_about_another_crd(example: dict[str, object]) -> None:
    """Its sentences alone, or its capabilities alone, are enough."""
    named = ("description", "useCase", "capabilities")
    for told in (example, *(RIGHT | {name: example[name]} for name in named)):
        with pytest.raises(InvalidAnswer, match="the answer is about the example"):
            read_answer(json.dumps(told), subject())


@pytest.mark.parametrize(("name", "example"), list(zip(EXAMPLE_NAMES, EXAMPLES, strict=True)))
def test_an_example_may_be_the_answer_about_its_own_crd(name: str, example: object) -> None:
    plural, _, group = name.partition(".")

    assert read_answer(json.dumps(example), subject(plural, group)).confidence > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "A BerthReservation keeps a place for a ship."},
        {"description": "The Lighthouse object turns a lamp on at dusk."},
        {"description": "An object of lighthouses.coast.example.net, which has a lamp."},
    ],
)
def test_an_answer_that_names_another_kind_is_about_that(changes: dict[str, str]) -> None:
    """It has no word of the kind that was asked about."""
    with pytest.raises(InvalidAnswer, match="not about Queue queues"):
        read_answer(json.dumps(RIGHT | changes), subject())


@pytest.mark.parametrize(
    "description",
    [
        "A berth that is kept free for one ship.",
        "A Queue of a LighthouseKeeper.",
        "A TLS endpoint of the sender.",
        "A Harbour Master keeps it free.",
        "Mail is kept by the SenderDaemon until it can go out.",
    ],
)
def test_an_answer_that_may_be_right_is_believed(description: str) -> None:
    """It names nobody else, or a word of the asked one too, or a vendor."""
    read = read_answer(json.dumps(RIGHT | {"description": description}), subject())

    assert read.description == description


@pytest.mark.parametrize("name", GOLDEN)
def test_right_answers_are_about_their_crds(name: str) -> None:
    """Those of the offline analysis, and those of the fake model."""
    digest = digest_crd(parse_crd(GOLDEN[name]))
    for told in (analyze(digest), Analysis.model_validate(right(digest.name, digest.kind))):
        assert Subject.of(digest).mistaken_for(told) == ""
