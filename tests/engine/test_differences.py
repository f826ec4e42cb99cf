"""Differences letter by letter: they lead from one text to the other, never tear a letter, and end in time."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine import differences as module
from duplicates.engine.differences import MOST_EDITS, Kind, differences, graphemes

# Few signs, so that texts share some: letters, a combining accent and its composed twin, Hangul parts, an emoji family.
SIGNS = "ab e\u0301\u00e9\u1100\u1161\u11a8한\u0e01\u0e33\U0001f469\u200d\U0001f3fd\U0001f1e9\U0001f1ea\r\n"
texts = st.text(st.sampled_from(SIGNS), max_size=30) | st.text(max_size=20)


def shown(left: str, right: str) -> list[tuple[str, str, str]]:
    return [(span.kind.value, span.left, span.right) for span in differences(left, right)]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        pytest.param("I Got", "I Got", [("equal", "I Got", "I Got")], id="equal"),
        pytest.param("", "", [], id="nothing"),
        pytest.param("", "I Got", [("inserted", "", "I Got")], id="only on the right"),
        pytest.param("I Got", "", [("deleted", "I Got", "")], id="only on the left"),
        pytest.param(
            "I Got",
            "I Got - 2020 Remaster",
            [("equal", "I Got", "I Got"), ("inserted", "", " - 2020 Remaster")],
            id="the remaster of the seed",
        ),
        pytest.param(
            "Harbour Lights",
            "Harbuor Lights",
            [("equal", "Harb", "Harb"), ("replaced", "ou", "uo"), ("equal", "r Lights", "r Lights")],
            id="letters swapped",
        ),
        pytest.param(
            "The Harbour Song",
            "Harbour Songs",
            [("deleted", "The ", ""), ("equal", "Harbour Song", "Harbour Song"), ("inserted", "", "s")],
            id="both ends",
        ),
        pytest.param("Copper Wire", "Tin Drum", [("replaced", "Copper Wire", "Tin Drum")], id="chance letters"),
        pytest.param("caf\u00e9", "cafe\u0301", [("equal", "caf\u00e9", "cafe\u0301")], id="one letter, two spellings"),
        pytest.param(
            "cafe", "cafe\u0301", [("equal", "caf", "caf"), ("replaced", "e", "e\u0301")], id="an accent is no letter"
        ),
        pytest.param("한", "학", [("replaced", "한", "학")], id="syllables"),
    ],
)
def test_spans_say_what_changed(left: str, right: str, expected: list[tuple[str, str, str]]) -> None:
    assert shown(left, right) == expected


@given(texts, texts)
def test_spans_joined_are_the_texts(left: str, right: str) -> None:
    spans = differences(left, right)

    assert ("".join(span.left for span in spans), "".join(span.right for span in spans)) == (left, right)


@given(texts, texts)
def test_a_span_is_what_its_kind_says(left: str, right: str) -> None:
    for span in differences(left, right):
        same = unicodedata.normalize("NFC", span.left) == unicodedata.normalize("NFC", span.right)
        assert same or span.kind is not Kind.EQUAL
        assert span.left or span.right
        assert (span.kind is Kind.INSERTED) == (not span.left)
        assert (span.kind is Kind.DELETED) == (not span.right)


@given(texts, texts)
def test_no_span_begins_inside_a_letter(left: str, right: str) -> None:
    spans = differences(left, right)
    assert [letter for span in spans for letter in graphemes(span.left)] == graphemes(left)
    assert [letter for span in spans for letter in graphemes(span.right)] == graphemes(right)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("ne\u0301e", ["n", "e\u0301", "e"]),
        ("\u1112\u1161\u11ab\u1100\u1173", ["\u1112\u1161\u11ab", "\u1100\u1173"]),
        ("\U0001f469\u200d\U0001f680!", ["\U0001f469\u200d\U0001f680", "!"]),
        ("\U0001f44b\U0001f3fd", ["\U0001f44b\U0001f3fd"]),
        ("\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7", ["\U0001f1e9\U0001f1ea", "\U0001f1eb\U0001f1f7"]),
        ("\u0e19\u0e49\u0e33", ["\u0e19\u0e49\u0e33"]),
        ("\u0301a", ["\u0301", "a"]),
    ],
    ids=["accent", "hangul parts", "joined emoji", "skin tone", "flags", "thai", "lone accent"],
)
def test_letters_are_what_a_reader_takes_for_one(text: str, letters: list[str]) -> None:
    assert graphemes(text) == letters


class Counted(str):
    """A letter that counts how often it is compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param("ab" * 5000, "ba" * 5000, id="nearly periodic"),
        pytest.param("a" * 10_000, "b" * 10_000, id="nothing in common"),
        pytest.param("ab" * 4990 + "c" * 20, "c" * 20 + "ba" * 4990, id="moved"),
        pytest.param("aab" * 3333, "aba" * 3333, id="small steps"),
        pytest.param("a" * 10_000, "", id="one side empty"),
    ],
)
def test_ten_thousand_letters_take_bounded_time(left: str, right: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Counted.compared = 0
    monkeypatch.setattr(module, "graphemes", lambda text: [Counted(sign) for sign in text])
    monkeypatch.setattr(module.unicodedata, "normalize", lambda form, letter: letter)

    spans: list[Any] = differences(left, right)

    assert Counted.compared <= (2 * MOST_EDITS + 3) * (len(left) + len(right))
    assert "".join(span.left for span in spans) == left
