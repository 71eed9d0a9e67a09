"""What the fake says is an Analysis; what it gets wrong is not one as it stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.model import Analysis
from tests.modelserver.answers import WRONG, rendered, right
from tests.modelserver.questions import NAME

FORGIVEN = {"extra_field"}
"""What the model of an Analysis takes as it is; a provider under a strict schema never says it."""


def test_the_answer_is_an_analysis() -> None:
    """In the words of the CRD asked about, with the fields as they are on the wire."""
    analysis = Analysis.model_validate_json(rendered(right(NAME, "Certificate")))

    assert analysis.capabilities[0] == "Declare certificates"
    assert analysis.providers == ["cert-manager"]
    assert analysis.to_wire() == right(NAME, "Certificate")


@given(name=st.text(max_size=253), kind=st.text(max_size=80))
def test_every_name_has_a_valid_answer(name: str, kind: str) -> None:
    """This holds however long or odd the name is."""
    assert Analysis.model_validate(right(name, kind)).to_wire() == right(name, kind)


@pytest.mark.parametrize("wrong", sorted(WRONG.keys() - FORGIVEN))
def test_a_wrong_answer_is_wrong(wrong: str) -> None:
    """Read as JSON and no more, none of them is an Analysis."""
    text = WRONG[wrong](right(NAME, "Certificate"))

    with pytest.raises(ValueError):  # noqa: PT011 - of json or of pydantic, which is one too
        Analysis.model_validate(json.loads(text))


def test_wrong_answers_differ() -> None:
    """Each is a case of its own."""
    texts = {make(right(NAME, "Certificate")) for make in WRONG.values()}

    assert len(texts) == len(WRONG) >= 20
