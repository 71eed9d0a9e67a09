"""Descriptions made readable and short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capscan.core.text import (
    counted,
    fold,
    lead,
    paragraphs,
    printable,
    sentences,
    shorten,
    without_links,
)


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
    "hidden",
    [
        "\u034f", "\u061c", "\u115f", "\u180e", "\u2060", "\u206a", "\u2800", "\u3164", "\ufe0f",
        "\uffa0", "\ufffc", "\ue000", "\U0001d159", "\U0001d173", "\U000e0041", "\U000e01ef",
        "\u20e0",
    ],
    ids=ascii,
)  # fmt: skip
def test_fold_drops_what_nobody_sees(hidden: str) -> None:
    """Whole texts hide in them, which a model reads and a reviewer does not."""
    assert fold(f"a{hidden * 3}b{hidden}") == "ab"


def test_fold_keeps_two_marks_on_a_letter_and_none_without_one() -> None:
    """Vietnamese needs two; a hundred of them cover the lines above and below."""
    assert fold("Vie\u0323\u0302t") == "Vie\u0323\u0302t"
    assert fold("a" + "\u0301" * 100 + "b\u0301") == "a\u0301\u0301b\u0301"
    assert fold("\u0301\u0302a") == "a"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain – text", "plain – text"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("a\u2028b\u202ec", r"a\u2028b\u202ec"),
        ("\U000e0041\ud800", r"\U000e0041\ud800"),
    ],
)
def test_printable_text_moves_no_cursor_and_hides_nothing(raw: str, shown: str) -> None:
    assert printable(raw) == shown


def test_runs_before_a_link_go_with_it_and_others_stay() -> None:
    """A run of marks that leads nowhere is kept as it is."""
    assert without_links("A ( ,; see https://a.b/c) b") == "A b"
    assert without_links("A ( ,; b https://a.b/c") == "A ( ,; b"
    assert without_links("https://a.b/c, https://d.e for more details.") == ""


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
