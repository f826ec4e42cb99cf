"""Taking titles apart: what is understood goes where it belongs, what is not stays."""

import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine import vocabulary as say
from duplicates.engine.misplaced import MAY_HOLD_VALUES, SEEMS_TO_HOLD_VALUES, free_title, length_of, without_genres
from duplicates.engine.text import fold, words_of
from duplicates.engine.text_columns import rows_matching
from duplicates.engine.titles import (
    are_strangers,
    classify,
    number_other_parts,
    numbers_a_part,
    parse_title,
    part_numbers,
    vocabulary_of,
)
from duplicates.engine.vocabulary import MARKER_BITS

ANY_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=60)

PIECES = "song| |3:33|$ 1.29|$1,5|( c )|(p)|2014 |1999 epic records|28-mar-11|may 4 , 2011| , |pop|music|-|rock"
VALUES = st.lists(st.sampled_from(PIECES.split("|")), max_size=7).map("".join)


def parse(title: str, artist: str = "Nina Vale", album: str = "Harbour Lights", number: int = 0):
    return parse_title(*(fold([text])[0] for text in (title, artist, album)), number)


def core(title: str, artist: str = "Nina Vale", album: str = "Harbour Lights", number: int = 0) -> str:
    return words_of(parse(title, artist, album, number).core)


def markers(title: str, **known: str) -> set[str]:
    found = parse(title, **known).markers
    return {name for name, bit in MARKER_BITS.items() if found & bit}


class TestSuffixes:
    @pytest.mark.parametrize(
        "title",
        [
            "I Got - 2020 Remaster",
            "I Got - Remastered",
            "I Got - Remastered 2020",
            "I Got (2020 Remastered Version)",
            "I Got (Deluxe Edition)",
            "I Got - Deluxe Version",
            "I Got - Radio Edit",
            "I Got (Extended Version)",
            "I Got - Extended Mix",
            "I Got (Single Version)",
            "I Got - Single Edit",
            "I Got (Album Version)",
            "I Got - Live Version",
            "I Got (Acoustic Version)",
            "I Got (Instrumental)",
            "I Got [Explicit Version]",
            "I Got (Clean Version)",
            "I Got (feat. Zoe)",
            "I Got [featuring Zoe]",
            "I Got ft. Zoe",
            "I Got (Live) [feat. Zoe] - 2020 Remaster",
            "I Got - Live at the Apollo, New York, NY - June 1962",
            "I Got (feat. Zoe",
        ],
    )
    def test_a_known_suffix_comes_off(self, title: str) -> None:
        assert core(title) == "i got"

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            pytest.param("Live Forever", "live forever", id="live is the title"),
            pytest.param("Long Live", "long live", id="live ends the title"),
            pytest.param("(What's the Story) Morning Glory?", "whats the story morning glory", id="bracket in front"),
            pytest.param(
                "Daft Punk Is Playing at My House", "daft punk is playing at my house", id="daft keeps its ft"
            ),
            pytest.param("Soft Cell", "soft cell", id="soft keeps its ft"),
            pytest.param("Defeat You", "defeat you", id="defeat keeps its feat"),
            pytest.param("7 Rings", "7 rings", id="number in front"),
            pytest.param("1-800-273-8255", "1 800 273 8255", id="telephone number"),
            pytest.param("99 Luftballons", "99 luftballons", id="two digits in front"),
            pytest.param("Song 2", "song 2", id="number behind"),
            pytest.param("4:44", "4 44", id="the title is a time"),
            pytest.param("(I Can't Get No) Satisfaction", "i cant get no satisfaction", id="half in brackets"),
        ],
    )
    def test_what_belongs_to_the_title_stays(self, title: str, expected: str) -> None:
        assert core(title) == expected


class TestMarkers:
    @pytest.mark.parametrize(
        ("title", "marker"),
        [
            ("Song (Live)", "live"),
            ("Song - Live at Wembley", "live"),
            ("Song (MTV Unplugged)", "live"),
            ("Song (Smash Mode Remix)", "remix"),
            ("Song - Club Mix", "remix"),
            ("Song (Acoustic)", "acoustic"),
            ("Song [Instrumental]", "instrumental"),
            ("Song (Demo)", "demo"),
            ("Song - Karaoke Version", "karaoke"),
            ("Song (Radio Edit)", "edit"),
            ("Song (2011 Remaster)", "remaster"),
            ("Song - Mono", "mono"),
            ("Song (Sped Up)", "speed"),
            ("Song (A Cappella)", "a_cappella"),
            ("Song (Re-Recorded)", "rerecorded"),
            ("Song (Spanish Version)", "language"),
            ("Song [Explicit]", "explicit"),
        ],
    )
    def test_a_version_is_recognised(self, title: str, marker: str) -> None:
        assert marker in markers(title)

    @pytest.mark.parametrize("title", ["Song (Album Version)", "Song (Bonus Track)", "Song - Single Version", "Song"])
    def test_neutral_words_are_no_version(self, title: str) -> None:
        assert markers(title) == set()


class TestWordsOfStaff:
    """Phrases that staff add, each with the marker it stands for."""

    def classified(self, tail: str, *words: tuple[str, str]) -> tuple[str, set[str]]:
        kind, bits = classify(tail, vocabulary_of(words))
        return kind, {name for name, bit in MARKER_BITS.items() if bits & bit}

    def test_a_phrase_becomes_a_version(self) -> None:
        assert self.classified("cantina night cut") == ("other", set())
        assert self.classified("cantina night cut", ("Cantina Night Cut", "own")) == ("version", {"own"})

    def test_a_phrase_counts_among_other_words(self) -> None:
        assert self.classified("cantina night cut 1999", ("Cantina Night Cut", "own"))[1] == {"own"}

    def test_a_phrase_that_is_the_whole_bracket_decides_alone(self) -> None:
        assert self.classified("club mix", ("Club Mix", "neutral")) == ("neutral", set())
        assert self.classified("with strings", ("with strings", "orchestral")) == ("version", {"orchestral"})

    def test_a_phrase_may_be_of_any_script(self) -> None:
        tail = fold(["ライブ"])[0].strip()
        assert self.classified(tail, ("ﾗｲﾌﾞ", "live")) == ("version", {"live"})

    def test_what_one_run_was_taught_the_next_one_forgets(self) -> None:
        self.classified("cantina night cut", ("Cantina Night Cut", "own"))
        assert self.classified("cantina night cut", ("Cantina Night Cut", "demo"))[1] == {"demo"}
        assert self.classified("cantina night cut") == ("other", set())

    @given(st.lists(st.tuples(ANY_TEXT, st.sampled_from(sorted(say.ACCEPTED_MARKERS))), max_size=4), ANY_TEXT)
    def test_no_phrase_breaks_the_parsing(self, words: list[tuple[str, str]], title: str) -> None:
        folded = fold([title])[0]
        parts = parse_title(folded, "nina vale", "", 0, vocabulary_of(tuple(words)))
        assert len(parts.core) <= len(folded)


class TestOtherFieldsInTheTitle:
    def test_artist_and_title_are_split_when_the_artist_is_missing(self) -> None:
        parts = parse("Nina Vale - I Got", artist="")
        assert (parts.artist, parts.core) == ("nina vale", "i got")

    def test_the_album_behind_a_dash_is_found_when_the_album_is_missing(self) -> None:
        parts = parse("I Got - Harbour Lights", album="")
        assert (parts.core, parts.album) == ("i got", "harbour lights")

    def test_the_album_in_brackets_comes_off_with_its_typos(self) -> None:
        assert core("I Got (Harbor Lihgts)") == "i got"

    def test_a_title_that_is_the_album_keeps_its_artist_split(self) -> None:
        assert core("Nina Vale - Harbour Lights", artist="") == "harbour lights"

    def test_without_artist_and_album_both_readings_are_kept(self) -> None:
        parts = parse("I Got - Harbour Lights", artist="", album="")
        assert {parts.core, parts.other} == {"harbour lights", "i got"}

    @pytest.mark.parametrize("title", ["013-I Got", "0A2-I Got", "12. I Got", "12 - I Got"])
    def test_a_track_prefix_comes_off(self, title: str) -> None:
        assert core(title, number=12) == "i got"

    def test_a_title_that_is_only_its_track_number_is_missing(self) -> None:
        assert core("009-", number=9) == ""

    def test_file_name_spelling_is_undone(self) -> None:
        assert core("Nina_Vale_-_I_Got", artist="") == "i got"

    @pytest.mark.parametrize("title", ["[unknown]", "[no title]"])
    def test_a_bracketed_nothing_is_no_title(self, title: str) -> None:
        assert core(title) == ""

    @pytest.mark.parametrize("title", ["[untitled]", "[silence]"])
    def test_a_track_that_has_no_title_says_so(self, title: str) -> None:
        assert core(title) == title.strip("[]")


class TestMisplacedValues:
    @pytest.mark.parametrize(
        ("title", "kept", "duration", "year"),
        [
            ("silver and gold 3:33", "silver and gold", 213_000, 0),
            ("fly solo 28-mar-11", "fly solo", 0, 11),
            ("we run $ 1.29", "we run", 0, 0),
            ("credit ( c ) 2014 epic records", "credit", 0, 0),
            ("shining pop , music , rock 3:40", "shining", 220_000, 0),
            ("4:44", "4:44", 0, 0),
            ("plain title", "plain title", 0, 0),
        ],
    )
    def test_values_glued_to_a_title_come_off(self, title: str, kept: str, duration: int, year: int) -> None:
        assert free_title(title) == (kept, duration, year)

    @given(st.lists(st.one_of(ANY_TEXT, VALUES), max_size=5))
    def test_the_cheap_look_misses_no_title_that_changes(self, texts: list[str]) -> None:
        titles = fold(texts) if texts else []
        changed = {row for row, title in enumerate(titles) if free_title(title).title != title}
        column = pl.Series(titles, dtype=pl.String)
        assert changed <= set(rows_matching(column, MAY_HOLD_VALUES).tolist())
        assert changed <= set(rows_matching(column, SEEMS_TO_HOLD_VALUES).tolist())

    @pytest.mark.parametrize(
        ("text", "milliseconds"),
        [("4m 31sec", 271_000), ("02:59", 179_000), ("298", 298_000), ("240440", 240_440), ("4.5", 270_000), ("?", 0)],
    )
    def test_a_bare_length_is_read_in_any_spelling(self, text: str, milliseconds: int) -> None:
        assert length_of(text) == milliseconds

    def test_genres_come_off_but_never_the_whole_title(self) -> None:
        assert without_genres("we run country") == "we run"
        assert without_genres("country") == "country"


class TestParts:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("act 2 no 10", "act ii no 10"),
            ("part 1", "pt i"),
            ("symphony no 5", "symphony nr 5"),
            ("rocky ii", "rocky 2"),
            ("part one", "pt 1"),
            ("第 一", "第 1"),
            ("二 十 三 號", "23 號"),
            ("二 〇 一 九", "2019"),
            ("百 二 歌", "102 歌"),
        ],
    )
    def test_roman_and_arabic_numbers_are_one(self, one: str, other: str) -> None:
        assert part_numbers(one) == part_numbers(other)

    @pytest.mark.parametrize(
        ("one", "other"), [("no 2", "no 5"), ("jingle 219", "jingle 502"), ("第 一", "第 二"), ("二 十 二", "二 十 三")]
    )
    def test_different_parts_differ(self, one: str, other: str) -> None:
        assert part_numbers(one) != part_numbers(other)

    @pytest.mark.parametrize(
        ("one", "other", "expected"),
        [
            ("sonata no 2 iii adagio", "sonata no 2 ii adagio", True),
            ("sonata no 14 i adagio", "sonata no 14 1 adagio", False),
            ("rocky ii", "rocky", False),
            ("what am i to do ii", "what am i to do", False),
            ("part ii", "pt 2", False),
            ("diamond parts 1 5", "diamond parts i v", False),
            ("diamond parts 1 5", "diamond parts 6 9", True),
            ("no 2 no 2", "no 2", False),
            ("no 2 no 3", "no 2 no 2", True),
        ],
    )
    def test_numbers_count_as_often_as_they_are_said(self, one: str, other: str, expected: bool) -> None:
        assert number_other_parts(one, other) == number_other_parts(other, one) == expected

    @pytest.mark.parametrize("words", ["love pt 2", "vol iii", "story chapter 4", "hymn part one"])
    def test_a_part_of_a_song_is_told_by_its_word(self, words: str) -> None:
        assert numbers_a_part(words)

    @pytest.mark.parametrize("words", ["terminal 5", "rigoletto act iii", "symphony no 5", "part of me", "departed 2"])
    def test_a_number_alone_or_a_place_in_an_opera_is_no_part_of_a_song(self, words: str) -> None:
        assert not numbers_a_part(words)


class TestGenericTitles:
    @pytest.mark.parametrize(
        "title",
        [
            "Intro",
            "OUTRO",
            "Track 01",
            "Piste 1",
            "Дорожка 1",
            "トラック1",
            "Chapter 3",
            "Kapitel II",
            "[untitled]",
        ],
    )
    def test_a_title_that_thousands_of_songs_have_is_recognised(self, title: str) -> None:
        assert re.search(say.GENERIC_TITLE, core(title, number=0))

    @pytest.mark.parametrize("title", ["Intro to Love", "Track Star", "22", "1979", "Chapter House", "Blank Space"])
    def test_a_title_of_its_own_is_not(self, title: str) -> None:
        assert not re.search(say.GENERIC_TITLE, core(title))


class TestArtists:
    @pytest.mark.parametrize(
        ("one", "other"), [("the paper otters", "the daftons"), ("soft", "softwood choir"), ("los lobos", "los bravos")]
    )
    def test_letters_in_common_are_no_name_in_common(self, one: str, other: str) -> None:
        assert are_strangers(one, other)

    @pytest.mark.parametrize(
        ("one", "other"), [("toten hosen", "die toten hosen"), ("glampire", "glampier"), ("nina vale", "vale nina zoe")]
    )
    def test_one_word_with_a_typo_is_a_name_in_common(self, one: str, other: str) -> None:
        assert not are_strangers(one, other)

    def test_orchestras_are_told_from_composers(self) -> None:
        assert say.ENSEMBLE.search("lindenmoor philharmonic")
        assert not say.ENSEMBLE.search("johannes brandtner")


class TestAnyText:
    @given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.integers(0, 99))
    def test_parsing_never_fails_and_never_invents_letters(
        self, title: str, artist: str, album: str, number: int
    ) -> None:
        title, artist, album = fold([title, artist, album])
        parts = parse_title(title, artist, album, number)
        assert len(parts.core) <= len(title)

    @given(ANY_TEXT)
    def test_classifying_never_fails(self, tail: str) -> None:
        assert classify(fold([tail])[0])[0] in {"credit", "version", "neutral", "other"}

    @given(ANY_TEXT, ANY_TEXT)
    def test_numbers_and_names_of_any_text_are_read_alike_from_both_sides(self, one: str, other: str) -> None:
        one, other = (words_of(text) for text in fold([one, other]))
        assert all(number.isdigit() for number in part_numbers(one).split())
        assert are_strangers(one, other) == are_strangers(other, one)
        assert numbers_a_part(one) in {True, False}

    @given(st.text("〇零一二三四五六七八九十百千", min_size=1, max_size=30))
    def test_any_row_of_number_signs_is_a_number(self, signs: str) -> None:
        assert part_numbers(words_of(fold([signs])[0])).isdigit()

    @given(st.integers(1, 9999))
    def test_numbers_in_ideographs_are_those_in_digits(self, value: int) -> None:
        signs = "〇一二三四五六七八九"
        plain = "".join(signs[int(digit)] for digit in str(value))
        units = "".join(
            f"{signs[int(digit)]}{unit}"
            for digit, unit in zip(str(value).zfill(4), "千百十 ", strict=True)
            if digit != "0"
        ).strip()
        assert part_numbers(plain) == part_numbers(units) == str(value)

    @given(st.text("()[]-. feat.live0123 ", max_size=80))
    def test_brackets_in_any_order_are_survived(self, title: str) -> None:
        parse(title)
