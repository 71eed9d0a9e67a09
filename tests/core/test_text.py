"""Descriptions made readable and short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.text import counted, fold, lead, paragraphs, sentences, shorten, without_links


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two.", ["One.", "Two."]),
        ("Needs v1.2 or later. Two.", ["Needs v1.2 or later.", "Two."]),
        ("Some of them, e.g. Vault. Two.", ["Some of them, e.g. Vault.", "Two."]),
        ("Named by J. Doe. Two.", ["Named by J. Doe.", "Two."]),
        ("Is it? Yes! Good.", ["Is it?", "Yes!", "Good."]),
        ("See foo.example.com for more", ["See foo.example.com for more"]),
        ('It says "so." Two.', ['It says "so."', "Two."]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    """They do not end at abbreviations, versions or names."""
    assert expected == list(sentences(text))


def test_paragraphs_and_list_items_stand_apart() -> None:
    """A list run into its lead would read as one endless sentence."""
    raw = "It controls:\n* where\n  it goes\n* who\n\nAnd\nmore."

    assert paragraphs(raw) == ["It controls:", "* where it goes", "* who", "And more."]


def test_fold_drops_invisible_characters() -> None:
    """Control characters, zero-width and direction marks, lone surrogates."""
    assert fold("a\x00b\u200b\u202ec\ud800\n\t d") == "a bc d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rules. More info: https://example.com/a#b", "Rules."),
        ("Rules (see https://example.com).", "Rules."),
        ("Rules. See https://example.com for more information.", "Rules."),
        ("Rules of https://example.com/x for all", "Rules of for all"),
    ],
)
def test_links_go_with_the_words_that_lead_to_them(text: str, expected: str) -> None:
    """An address tells a reader nothing."""
    assert expected == without_links(text)


def test_lead_keeps_whole_sentences() -> None:
    """A second sentence is kept only if it fits; a first one that does not fit is cut at a word."""
    assert lead("First one. Second one.", 30) == "First one. Second one."
    assert lead("First one. Second one.", 15) == "First one."
    assert lead("One endless sentence without an end", 16) == "One endless…"


@pytest.mark.parametrize(
    ("text", "chars", "short"),
    [
        ("short", 5, "short"),
        ("", 5, ""),
        ("two words", 9, "two words"),
        ("four words", 7, "four…"),
        ("unbreakable", 5, "unbr…"),
        ("an unbreakable word", 10, "an unbrea…"),
        ("Databases, queues", 11, "Databases…"),
        ("One. Two three.", 6, "One…"),
    ],
)
def test_texts_are_cut_at_a_word_unless_that_leaves_little(
    text: str, chars: int, short: str
) -> None:
    assert shorten(text, chars) == short


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shorten_keeps_its_bound(text: str, chars_max: int) -> None:
    """The bound is in characters, and includes the ellipsis."""
    assert len(shorten(text, chars_max)) <= chars_max


@pytest.mark.parametrize(("count", "text"), [(0, "0 CRDs"), (1, "1 CRD"), (2, "2 CRDs")])
def test_a_count_of_one_is_singular(count: int, text: str) -> None:
    assert counted(count, "CRD") == text
