"""Which copy is kept, and the sentence that says why: as a librarian would say it, with the margin."""

import numpy as np
import polars as pl
import pytest

from duplicates.engine.keeper import choose
from duplicates.engine.keeper_rules import PROFILES, RULES, Wish, built_in, span, why_refused
from duplicates.engine.keeper_signals import path_of
from duplicates.engine.records import PROFILE_SCHEMA

DAY = 86_400
YEAR = 31_557_600


def chosen(
    *copies: dict[str, object], profile: str | tuple[Wish, ...] = "keep_canonical", titles: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Return the keeper's id and the reason; copies are numbered from 1."""
    rows = ({**dict.fromkeys(PROFILE_SCHEMA), **copy, "track_id": n} for n, copy in enumerate(copies, 1))
    columns = pl.DataFrame(list(rows), schema=PROFILE_SCHEMA)
    ids, offsets = np.arange(1, len(copies) + 1), np.array([0, len(copies)])
    wishes = built_in(profile) if isinstance(profile, str) else profile
    choice = choose(ids, offsets, pl.Series(titles or ["I Got"] * len(copies)), columns, wishes=wishes)
    return int(ids[choice.rows[0]]), choice.reasons[0]


@pytest.mark.parametrize(
    ("copies", "titles", "reason"),
    [
        pytest.param(
            [{"play_count": 3}, {"play_count": 33}],
            (),
            "Kept because played 33 times, 30 more than the next copy; ahead by 36 points",
            id="plays",
        ),
        pytest.param(
            [{"play_count": 0}, {"play_count": 1}],
            (),
            "Kept because played once, the next copy never; ahead by 40 points",
            id="never played",
        ),
        pytest.param(
            [{"added_at": YEAR * 10}, {"added_at": YEAR * 5 + 100 * DAY}],
            (),
            "Kept because added 4 years 8 months earlier than the next copy; ahead by 10 points",
            id="added",
        ),
        pytest.param(
            [{"last_played_at": 5 * DAY + 7_200}, {"last_played_at": 3 * DAY}],
            (),
            "Kept because last played 2 days 2 hours after the next copy; ahead by 20 points",
            id="played lately",
        ),
        pytest.param(
            [{"last_played_at": 5 * DAY}, {}],
            (),
            "Kept because it has been played at a known time and the next copy has not; ahead by 20 points",
            id="no moment to compare with",
        ),
        pytest.param(
            [{}, {}],
            ("I Got (Album Version)", "I Got"),
            "Kept because its title is 16 letters shorter than the next copy's; ahead by 23 points",
            id="title",
        ),
        pytest.param(
            [{"last_played_at": 9 * DAY, "play_count": 10}, {"last_played_at": 1 * DAY, "play_count": 16}],
            (),
            "Kept because last played 8 days after the next copy; ahead by 5 points (last played +20, plays −15)",
            id="for and against",
        ),
        pytest.param(
            [{}, {}],
            (),
            "Kept because it came into the library first; nothing else tells the copies apart",
            id="nothing",
        ),
    ],
)
def test_the_canonical_keeper_says_why(copies: list[dict[str, object]], titles: tuple[str, ...], reason: str) -> None:
    assert chosen(*copies, titles=titles)[1] == reason


@pytest.mark.parametrize(
    ("profile", "copies", "reason"),
    [
        pytest.param(
            "keep_best_quality",
            [{"lossless": False}, {"lossless": True}],
            "Kept because it is lossless and the next copy is not",
            id="lossless",
        ),
        pytest.param(
            "keep_best_quality",
            [{"lossless": True, "bit_rate_kbps": 900}, {"lossless": True, "bit_rate_kbps": 1_411}],
            "Kept because it has 1,411 kbit/s, 511 more than the next copy; equal in being lossless and codec",
            id="bit rate",
        ),
        pytest.param(
            "keep_best_quality",
            [{"size_bytes": 9_400_000}, {"size_bytes": 8_200_000}],
            "Kept because its file is 1.2 MB larger than the next copy's",
            id="size, and nothing else is known",
        ),
        pytest.param(
            "keep_best_quality",
            [
                {"lossless": False, "format": "MP3", "bit_rate_kbps": 320, "size_bytes": 9_400_000},
                {"lossless": False, "format": "MP3", "bit_rate_kbps": 320, "size_bytes": 8_200_000},
            ],
            "Kept because its file is 1.2 MB larger than the next copy's; equal in being lossless, codec and bit rate",
            id="size, all else being equal",
        ),
        pytest.param(
            "keep_best_quality",
            [{"format": "AAC audio file", "bit_rate_kbps": 256}, {"format": "MPEG audio file", "bit_rate_kbps": 320}],
            "Kept because its codec keeps more of the sound than the next copy's",
            id="codec before bit rate",
        ),
        pytest.param(
            "keep_itunes_version",
            [{"in_itunes": False, "play_count": 90}, {"in_itunes": True, "play_count": 1}],
            "Kept because it is exactly the one in iTunes and the next copy is not",
            id="iTunes",
        ),
        pytest.param(
            "keep_itunes_version",
            [{"in_itunes": True, "play_count": 3}, {"in_itunes": True, "play_count": 33}],
            "Kept because played 33 times, 30 more than the next copy; equal in iTunes match",
            id="both in iTunes",
        ),
        pytest.param(
            (Wish("most_complete_tags"),),
            [{"artist": "Nina Vale"}, {"artist": "Nina Vale", "album": "Harbour Lights", "year": 1999}],
            "Kept because it has 4 tags filled in, 2 more than the next copy",
            id="tags",
        ),
        pytest.param(
            (Wish("complete_album"), Wish("loved")),
            [{"in_complete_album": False, "loved": True}, {"in_complete_album": True}],
            "Kept because its album is complete in the library and the next copy's is not",
            id="album",
        ),
        pytest.param(
            (Wish("preferred_source", ("Archive", "Laptop")),),
            [{"source": "Phone"}, {"source": "Laptop"}],
            "Kept because it comes from a source you prefer to the next copy's",
            id="source",
        ),
        pytest.param(
            (Wish("preferred_folder", ("/music/masters/", "/music")),),
            [{"location": "/music/masters2/a.flac"}, {"location": "file://localhost/music/masters/Caf%C3%A9.flac"}],
            "Kept because it lies in a folder you prefer to the next copy's",
            id="folder",
        ),
        pytest.param(
            (Wish("lossless"), Wish("canonical")),
            [{"lossless": True, "play_count": 3}, {"lossless": True, "play_count": 33}],
            "Kept because played 33 times, 30 more than the next copy; ahead by 36 points; equal in being lossless",
            id="the reference's weights behind another rule",
        ),
        pytest.param(
            "keep_oldest",
            [{"added_at": YEAR}, {}],
            "Kept because it says when it was added and the next copy does not",
            id="no date on the other",
        ),
    ],
)
def test_ordered_rules_say_which_decided_and_which_were_equal(
    profile: str | tuple[Wish, ...], copies: list[dict[str, object]], reason: str
) -> None:
    assert chosen(*copies, profile=profile)[1] == reason


@pytest.mark.parametrize("profile", PROFILES)
def test_of_equal_copies_the_first_in_the_library_is_kept(profile: str) -> None:
    assert chosen({}, {}, {}, profile=profile)[0] == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a moment"),
        (59, "a moment"),
        (60, "1 minute"),
        (3_661, "1 hour 1 minute"),
        (DAY + 60, "1 day"),
        (45 * DAY, "1 month 14 days"),
        (YEAR * 4.75, "4 years 9 months"),
        (YEAR + DAY, "1 year"),
    ],
)
def test_stretches_of_time_are_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize("profile", PROFILES)
def test_every_built_in_profile_keeps_a_protected_copy(profile: str) -> None:
    loved = {"play_count": 99, "lossless": True, "in_itunes": True, "added_at": 0, "title": "I"}

    keeper, reason = chosen(loved, {"is_protected": True}, profile=profile, titles=("I", "I Got"))

    assert (keeper, reason) == (2, "Kept because it is protected and the next copy is not")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        pytest.param({"format": "FLAC"}, {"format": "AAC", "bit_rate_kbps": 320}, id="FLAC and AAC"),
        pytest.param({"format": "Apple Lossless audio file"}, {"format": "MPEG audio file"}, id="Apple Lossless"),
        pytest.param({"format": "M4A", "lossless": True}, {"format": "M4A", "bit_rate_kbps": 320}, id="what it says"),
        pytest.param({"format": "Opus", "bit_rate_kbps": 128}, {"format": "MP3", "bit_rate_kbps": 320}, id="Opus"),
        pytest.param({"format": "MP3", "bit_rate_kbps": 64}, {"format": ""}, id="known and not known"),
    ],
)
def test_a_format_that_keeps_more_of_the_sound_is_kept(better: dict[str, object], worse: dict[str, object]) -> None:
    assert chosen(worse, better, profile=(Wish("codec_family"),))[0] == 2


def test_a_thin_aac_does_not_beat_a_full_mp3() -> None:
    thin, full = {"format": "AAC", "bit_rate_kbps": 64}, {"format": "MP3", "bit_rate_kbps": 320}

    assert chosen(thin, full, profile="keep_best_quality")[0] == 2


@pytest.mark.parametrize(
    "cluttered",
    [
        "I Got (Remastered)",
        "I Got - 2020 Remaster",
        "I_Got",
        "01 - I Got",
        "I Got.mp3",
        "I GOT",
    ],
)
def test_the_cleaner_title_is_kept(cluttered: str) -> None:
    assert chosen({}, {}, titles=(cluttered, "I Got"), profile=(Wish("cleanest_title"),))[0] == 2


@pytest.mark.parametrize("title", ["99 Problems", "Twenty-One", "Mr. Brightside", "ABBA", "夜に駆ける"])
def test_a_plain_title_counts_as_clean(title: str) -> None:
    assert chosen({}, {}, titles=("A (b)", title), profile=(Wish("cleanest_title"),))[0] == 2


def test_a_blank_title_is_not_a_clean_one() -> None:
    assert chosen({}, {}, titles=(" ", "I Got (Live) [HQ]"), profile=(Wish("cleanest_title"),))[0] == 2


def test_a_location_is_read_as_a_path() -> None:
    assert path_of("file://localhost/Music/Caf%C3%A9.mp3") == "/Music/Café.mp3"
    assert path_of("/music/100%25.mp3") == "/music/100%25.mp3"


class TestWhatMakesAProfile:
    """A list of rules is checked before it is kept."""

    @pytest.mark.parametrize("name", PROFILES)
    def test_every_built_in_one_does(self, name: str) -> None:
        assert why_refused(built_in(name)) == ""

    @pytest.mark.parametrize(
        ("wishes", "why"),
        [
            pytest.param([], "at least one rule", id="none"),
            pytest.param([Wish("loudest")], "'loudest' is no keeper rule", id="unknown"),
            pytest.param([Wish("preferred_folder")], "needs to be told", id="no list"),
            pytest.param([Wish("loved", ("a",))], "takes no list", id="a list too many"),
            pytest.param([Wish("loved"), Wish("loved")], "there twice", id="twice"),
        ],
    )
    def test_what_does_not_is_named(self, wishes: list[Wish], why: str) -> None:
        assert why in why_refused(wishes)

    def test_an_unknown_profile_is_refused(self) -> None:
        with pytest.raises(ValueError, match="Unknown keeper profile 'keep_loudest'"):
            built_in("keep_loudest")


@pytest.mark.parametrize("name", RULES)
def test_every_rule_decides_nothing_between_equal_copies(name: str) -> None:
    prefer = ("a",) if RULES[name].needs_list else ()

    assert "came into the library first" in chosen({}, {}, profile=(Wish(name, prefer),))[1]
