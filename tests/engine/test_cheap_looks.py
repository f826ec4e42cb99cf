"""What spares the matcher reading a pair never spares one that reading would have raised."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from duplicates.engine.bags import bags, in_common, may_reach, may_reach_in_words
from duplicates.engine.candidates import FAIR_SHARE, HIGH_SHARE, LOW_SHARE, Looks, worth_a_look
from duplicates.engine.settings import Preset
from duplicates.engine.spellings import by_words, word_starts
from duplicates.engine.titles import MAY_COUNT, may_count, numbers_a_part, part_numbers

WORDS = st.lists(st.text("aabbcdeé東鬼ж2", min_size=1, max_size=6), max_size=6).map(" ".join)
SHARED = st.lists(st.sampled_from(["part", "no", "ii", "vol", "two", "7", "三", "love"]), max_size=4)
OTHERS = st.lists(st.sampled_from(["night", "prt", "mix", "part", "iv", "2nd", "two", "四", "love"]), max_size=2)


def column(texts: list[str]) -> pl.Series:
    return pl.Series(texts, dtype=pl.String)


class TestBags:
    @given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5), st.sampled_from([45.0, 50.0, 78.0, 100.0]))
    def test_texts_told_apart_by_their_letters_are_less_alike_than_asked(
        self, pairs: list[tuple[str, str]], cut: float
    ) -> None:
        one, other = (bags(column([*side])) for side in zip(*pairs, strict=True))
        alike = [fuzz.ratio(*(text.replace(" ", "") for text in pair)) for pair in pairs]
        sorted_alike = [fuzz.token_sort_ratio(*pair) for pair in pairs]
        assert not (np.array(alike) >= cut)[~may_reach(cut, one, other)].any()
        assert not (np.array(sorted_alike) >= cut)[~may_reach_in_words(cut, one, other)].any()

    @pytest.mark.parametrize(
        ("one", "other", "common"),
        [
            pytest.param("love", "glove", 4, id="a word and a longer one"),
            pytest.param("aaaaaaaa", "aaaaaa", 6, id="more letters of a kind than are counted one by one"),
            pytest.param("no way", "yawon", 5, id="the order of letters says nothing"),
            pytest.param("ab", "cd", 0, id="nothing in common"),
            pytest.param("", "love", 0, id="no letters"),
        ],
    )
    def test_letters_in_common_are_counted(self, one: str, other: str, common: int) -> None:
        assert in_common(bags(column([one])), bags(column([other]))).tolist() == [common]

    def test_rows_are_exchanged_for_those_of_another_column(self) -> None:
        exchanged = bags(column(["love", "гром"])).with_rows(np.array([1]), bags(column(["grom"])))
        assert in_common(exchanged, bags(column(["love", "grom"]))).tolist() == [4, 4]


class TestWordStarts:
    @given(st.lists(WORDS, min_size=1, max_size=6), WORDS)
    def test_the_starts_of_some_words_are_among_those_of_all(self, texts: list[str], more: str) -> None:
        some, every = word_starts(column(texts)), word_starts(column([f"{text} {more}" for text in texts]))
        assert ((some & every) == some).all()

    @given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
    def test_words_among_the_others_words_are_always_found(self, pairs: list[tuple[str, str]]) -> None:
        texts = column([text for pair in pairs for text in pair])
        left = np.arange(0, len(texts), 2)
        starts = word_starts(texts)
        _, contains = by_words(
            texts, left, left + 1, (starts[left], starts[left + 1]), np.ones(len(left), np.bool_), at_least=45.0
        )
        words = [({*one.split()}, {*other.split()}) for one, other in pairs]
        assert contains.tolist() == [bool(one and other) and (one <= other or other <= one) for one, other in words]

    def test_words_that_only_begin_alike_have_a_start_in_common(self) -> None:
        one, other, third = word_starts(column(["harbour lights", "harbor", "light"])).tolist()
        assert one & other
        assert one & third
        assert not other & third


class TestPartNumbers:
    @given(SHARED, OTHERS, OTHERS)
    def test_titles_that_differ_in_no_counting_word_number_the_same_part(
        self, shared: list[str], mine: list[str], yours: list[str]
    ) -> None:
        own = [{*mine} - {*shared, *yours}, {*yours} - {*shared, *mine}]
        one, other = (" ".join([*shared, *sorted(words)]) for words in own)
        if not may_count(own[0] | own[1]):
            assert set(part_numbers(one).split()) == set(part_numbers(other).split())
            assert numbers_a_part(one) == numbers_a_part(other)

    @pytest.mark.parametrize("word", ["2", "2nd", "iv", "two", "part", "三", "pt"])
    def test_a_counting_word_is_never_overlooked(self, word: str) -> None:
        assert may_count({"night", word})
        assert not may_count({"night", "mixed"})


@given(SHARED, OTHERS, OTHERS)
def test_a_title_without_a_counting_word_numbers_nothing(shared: list[str], mine: list[str], yours: list[str]) -> None:
    one, other = {*shared, *mine}, {*shared, *yours}
    found = column([" ".join(sorted(one)), " ".join(sorted(other))]).str.contains(MAY_COUNT).any()
    assert found or not may_count(one ^ other)


class TestPairsWorthALook:
    """The less two records have in common, the more must speak for comparing them."""

    @pytest.mark.parametrize(
        ("share", "letters", "lengths", "worth"),
        [
            pytest.param(LOW_SHARE, (0b1111, 0b1111), (0, 0), True, id="little in common, but the same title"),
            pytest.param(LOW_SHARE, (0b1111, 0b110011), (0, 0), False, id="little in common, half the title"),
            pytest.param(LOW_SHARE, (0b1111, 0b0111), (200_000, 200_900), True, id="much of the title and the length"),
            pytest.param(FAIR_SHARE, (0b1111, 0b110011), (0, 0), True, id="half the title and more in common"),
            pytest.param(FAIR_SHARE, (0b1111, 0b110000), (200_000, 200_900), True, id="no title, but the length"),
            pytest.param(FAIR_SHARE, (0b1111, 0b110000), (0, 0), False, id="no title and no length"),
            pytest.param(LOW_SHARE, (0, 0b1111), (0, 0), False, id="a missing title is not the same title"),
            pytest.param(FAIR_SHARE, (0, 0b1111), (0, 0), True, id="a missing title may agree"),
            pytest.param(HIGH_SHARE, (0b1111, 0b110000), (0, 0), True, id="so much in common that no title is needed"),
            pytest.param(HIGH_SHARE, (0b1111, 0b110000), (200_000, 260_000), False, id="and a minute apart"),
            pytest.param(HIGH_SHARE, (0b1111, 0b1111), (200_000, 260_000), True, id="a radio edit: the same title"),
            pytest.param(HIGH_SHARE, (0b1111, 0b110000), (200, 200_000), True, id="seconds read as milliseconds"),
        ],
    )
    def test_weak_evidence_needs_a_second_one(
        self, share: float, letters: tuple[int, int], lengths: tuple[int, int], worth: bool
    ) -> None:
        looks = Looks(np.array([1, 2]), np.array(letters, np.uint64), np.array(lengths))
        asked = np.array([0]), np.array([1]), np.array([share], np.float32)
        assert worth_a_look(looks, *asked, Preset.RECORDING).tolist() == [worth]

    def test_a_song_is_the_same_however_long_it_is_played(self) -> None:
        looks = Looks(np.array([1, 2]), np.array([0b1111, 0b110000], np.uint64), np.array([200_000, 600_000]))
        asked = np.array([0]), np.array([1]), np.array([HIGH_SHARE], np.float32)
        worth = {preset: worth_a_look(looks, *asked, preset).all() for preset in (Preset.RECORDING, Preset.SONG)}
        assert worth == {Preset.RECORDING: False, Preset.SONG: True}
