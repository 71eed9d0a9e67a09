"""How an answer ended, by the reasons that providers and gateways give."""

import pytest

from capscan.core.errors import (
    AnswerRefused,
    InferenceError,
    InvalidAnswer,
    ProviderFailed,
    ProviderOverloaded,
    ProviderUnavailable,
)
from capscan.inference.api.endings import Ending, ending, is_unfinished
from capscan.model import Usage
from tests.inference.spent import spent

SPENT = Usage(requests=1, input_tokens=9)


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        *((reason, Ending.WHOLE) for reason in
          (None, "", "stop", "STOP", "tool_calls", "eos_token", "end_turn", "COMPLETE", 7)),
        *((reason, Ending.CUT_OFF) for reason in
          ("length", "MAX_TOKENS", "max_tokens", "model_length", "length_limit")),
        *((reason, Ending.UNKNOWN) for reason in ("OTHER", "tired", "x" * 500)),
    ],
)  # fmt: skip
def test_an_answer_that_may_be_read(reason: object, ended: Ending) -> None:
    assert ending(reason, SPENT) is ended


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("error", ProviderFailed),
        ("abort", ProviderFailed),
        ("network_error", ProviderUnavailable),
        ("insufficient_system_resource", ProviderOverloaded),
        ("load", ProviderOverloaded),
        ("MALFORMED_FUNCTION_CALL", InvalidAnswer),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", InvalidAnswer),
        ("content_filter: RECITATION", InvalidAnswer),
        ("repetition_detected", InvalidAnswer),
        ("pause_turn", InvalidAnswer),
        ("content_filter", AnswerRefused),
        ("SAFETY", AnswerRefused),
        ("PROHIBITED_CONTENT", AnswerRefused),
        ("sensitive", AnswerRefused),
        ("guardrail_intervened", AnswerRefused),
    ],
)
def test_an_answer_that_was_broken_off_is_an_error(reason: str, kind: type[InferenceError]) -> None:
    """It tells what it cost."""
    with pytest.raises(InferenceError) as raised:
        ending(reason, SPENT)

    assert type(raised.value) is kind
    assert spent(raised.value) == SPENT


def test_a_refusal_may_be_an_answer_that_was_cut_off() -> None:
    assert is_unfinished("Could not finish the message because max_tokens was reached.")
    assert not is_unfinished("max_tokens is too large")
