"""Entries that the tests of stores write: answers about widgets.example.com, or another CRD."""

from capscan.core.answer import capability
from capscan.core.answer.capability import AnswerRecord, Entry
from capscan.model import Crd
from tests import virtual
from tests.fakes import completion, crd
from tests.providers import analysis

CRD = crd("widgets.example.com")
NAME = CRD.name


def answer(run_id: str = "r1", description: str = "A widget.", of: Crd = CRD) -> Entry:
    """Return what is written after an answer."""
    known = analysis(of.name).model_copy(update={"description": description})
    answered = AnswerRecord("all", run_id, completion(known), "mark", 1, virtual.EPOCH)
    return capability.analysed(of, answered, f"key of {run_id}")
