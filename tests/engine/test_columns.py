"""Whole columns give what their texts give one by one, by the plain functions that define the meaning."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine.text import fold, romanised, to_words
from duplicates.engine.text_columns import fold_column, put, romanised_column, words_column
from duplicates.engine.threads import in_threads
from duplicates.engine.title_columns import take_apart
from duplicates.engine.titles import MAY_HOLD_MORE, ParsedTitle, parse_title

ANY_TEXT = st.one_of(
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=30),
    st.text("abA B'`-[]{}()&;#é Ã©Â£東\t\n\x85\u2028İΣσς。ｱ٣", max_size=20),
    st.lists(st.sampled_from(["&amp;", "&#39;", "a", " ", "é"]), max_size=5).map("".join),
)
PIECES = """013-|07 |12. |a1 |love| |night| - |-|(|)|(love)|(night|( - |live|remix|feat. | ft |nina vale|vale
    |harbour lights|harbor lights|2009|2|from|untitled|_|---|é|東 | f|with|in|mix|'|(2)|version"""
TITLES = st.one_of(
    st.lists(st.sampled_from(PIECES.replace("\n    ", "").split("|")), max_size=9).map("".join),
    st.text("ab ()-_.0'1", max_size=14),
)
ARTISTS = st.sampled_from(["", "nina vale", "love", "vale & night"])
ALBUMS = st.sampled_from(["", "harbour lights", "night", "live in love", "love - night"])


def column(texts: list[str]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


class TestTexts:
    @given(st.lists(ANY_TEXT, min_size=1, max_size=6))
    def test_a_column_folds_and_splits_into_words_as_its_texts_do(self, texts: list[str]) -> None:
        folded = fold_column(column(texts))
        assert folded.to_list() == fold(texts)
        assert words_column(folded).to_list() == to_words(fold(texts)).decode().split("\n")

    @given(st.lists(ANY_TEXT, min_size=1, max_size=6))
    def test_a_column_is_spelt_in_latin_letters_as_its_texts_are(self, texts: list[str]) -> None:
        words = [text for text in to_words(fold(texts)).decode().split("\n") if not text.isascii()]
        assert romanised_column(column(words)).to_list() == [romanised(text) for text in words]

    def test_values_are_put_into_their_rows_only(self) -> None:
        assert put(column(["a", "b", "c"]), np.array([0, 2]), column(["x", "z"])).to_list() == ["x", "b", "z"]


class TestTitles:
    @given(st.lists(st.tuples(TITLES, ARTISTS, ALBUMS, st.integers(0, 13)), min_size=1, max_size=8))
    def test_a_column_of_titles_is_read_as_each_title_is(self, rows: list[tuple[str, str, str, int]]) -> None:
        titles, artists, albums, numbers = zip(*rows, strict=True)
        parts = take_apart(column([*titles]), column([*artists]), column([*albums]), np.array(numbers))
        read = [ParsedTitle(**row) for row in parts.to_dicts()]
        assert read == [parse_title(*row) if re.search(MAY_HOLD_MORE, row[0]) else ParsedTitle(row[0]) for row in rows]


class TestThreads:
    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_results_come_in_the_order_of_their_pieces(self, threads: int) -> None:
        assert list(in_threads(lambda piece: piece * 2, range(50), threads)) == [piece * 2 for piece in range(50)]

    def test_a_failing_piece_raises_where_its_result_was_due(self) -> None:
        results = in_threads(lambda piece: 1 // piece, [2, 1, 0, 3], threads=2)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ZeroDivisionError):
            next(results)
