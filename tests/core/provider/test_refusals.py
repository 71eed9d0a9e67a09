"""Which refusals are the same."""

import pytest

from capscan.core.provider.refusals import same_words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("400: bad field (request 17)", "400: bad field (request 18)"),
        ("400: bad field, req_011CSHoEe", "400: bad field, req_9dQkLp42"),
        (
            "400: no 3fa85f64-5717-4562-b3fc-2c963f66afa6",
            "400: no ffffffff-aaaa-bbbb-cccc-dddddddddddd",
        ),
        ("400: trace deadbeefcafe", "400: trace 0af3c9e17b52"),
        ("400: refused at 2026-11-30T21:00:01Z", "400: refused at 2027-01-01T00:00:00Z"),
    ],
)
def test_numbers_and_identifiers_do_not_tell_refusals_apart(one: str, other: str) -> None:
    assert same_words(one) == same_words(other)


@pytest.mark.parametrize(
    ("one", "other"), [("400: bad field", "400: bad tool"), ("400: bad field", "422: bad field")]
)
def test_words_and_status_do(one: str, other: str) -> None:
    assert same_words(one) != same_words(other)


def test_the_name_of_the_crd_does_not() -> None:
    one = same_words("400: widgets.example.com is no word", "widgets.example.com")

    assert one == same_words("400: gadgets.other.io is no word", "gadgets.other.io")
