"""Text functions that no other test hands arbitrary Unicode: none fails, each keeps what it promises of any text."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from duplicates.engine.artists import plain_name
from duplicates.engine.bags import bags, may_reach
from duplicates.engine.misplaced import (
    free_title,
    is_displaced,
    is_number_like,
    length_among,
    length_of,
    without_genres,
)
from duplicates.engine.spellings import keys, spellings
from duplicates.engine.text import fold, folded_character, words_of
from duplicates.engine.titles import may_count, part_numbers

ANY_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=40)
PIECES = st.lists(
    st.sampled_from([*"aé東1290:.,-$() ", " : ", "12:34", " 2015 records", "3m 19sec", " , pop , music"]), max_size=12
).map("".join)
TEXTS = st.one_of(ANY_TEXT, PIECES)
DAY_MS = 24 * 60 * 60 * 1000


def folded(text: str) -> str:
    return fold([text])[0]


@given(st.characters(blacklist_categories=("Cs",)))
def test_a_character_folds_as_the_text_of_it_does(character: str) -> None:
    if character >= " " and character not in "\x7f\x85\u2028\u2029\ufffd":
        assert folded_character(character).strip() in (folded(character).strip(), "")


@given(TEXTS)
def test_what_comes_out_of_a_title_leaves_something_of_it(text: str) -> None:
    title = folded(text)
    freed = free_title(title)
    assert bool(freed.title.strip()) == bool(title.strip())
    assert freed.duration_ms >= 0
    assert freed.year >= 0


@given(TEXTS)
def test_lengths_are_read_from_any_text_or_not_at_all(text: str) -> None:
    assert 0 <= length_among(folded(text)) <= DAY_MS
    assert length_of(folded(text)) >= 0


@given(TEXTS)
def test_a_value_of_numbers_alone_is_never_words_out_of_place(text: str) -> None:
    if is_number_like(folded(text)):
        assert not is_displaced(folded(text)) or "m" in folded(text)


@given(TEXTS)
def test_genres_and_articles_never_take_everything(text: str) -> None:
    words = words_of(folded(text))
    assert bool(without_genres(words)) == bool(words)
    assert bool(plain_name(words)) == bool(words.strip(" ()"))


@given(TEXTS)
def test_what_numbers_a_part_may_count(text: str) -> None:
    words = words_of(folded(text))
    if part_numbers(words):
        assert may_count(set(words.split(" ")))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_no_alike_pair_of_any_writing_is_told_apart_by_its_letters(pairs: list[tuple[str, str]]) -> None:
    texts = pl.Series([words_of(folded(text)) for pair in pairs for text in pair], dtype=pl.String)
    left = np.arange(0, len(texts), 2)
    bag = bags(texts)
    may = may_reach(50.0, bag[left], bag[left + 1])
    alike = [fuzz.ratio(*sides) for sides in zip(keys(texts, left), keys(texts, left + 1), strict=True)]
    assert not (np.array(alike) >= 50.0)[~may].any()


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_a_latin_spelling_is_plain_letters_for_every_row(texts: list[str]) -> None:
    words = pl.Series([words_of(folded(text)) for text in texts], dtype=pl.String)
    spelt = spellings(words)
    rows = np.arange(len(words))
    for text, latin, is_latin in zip(words, spelt.in_latin(rows), spelt.is_latin.tolist(), strict=True):
        assert is_latin == text.isascii()
        assert latin == text.replace(" ", "") or not is_latin
