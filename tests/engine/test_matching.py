"""What counts as the same song, told as small libraries: equal pairs, different pairs, "this is closer than that"."""

import numpy as np
import pytest

from duplicates.engine.explain import explain_pair
from duplicates.engine.pipeline import find_clusters
from duplicates.engine.settings import EngineSettings, Preset
from tests.engine.support import grouped, groups_of, song, tracks

# Enough other songs that a small library is not made of duplicates only.
OTHERS = [
    song(title, artist, album, duration_ms=length, track_id=100 + n)
    for n, (title, artist, album, length) in enumerate(
        [
            ("Northern Sky", "Ada Quill", "Paper Boats", 187_120),
            ("Cold Harvest", "Ada Quill", "Paper Boats", 242_310),
            ("Tin Drum", "The Lanterns", "Night Buses", 201_900),
            ("Glass River", "The Lanterns", "Night Buses", 333_040),
            ("Ember Days", "Otto Marsh", "Low Country", 158_700),
        ]
    )
]


def same(
    one: dict[str, object], other: dict[str, object], preset: Preset = Preset.RECORDING, **settings: object
) -> bool:
    return [1, 2] in grouped({**one, "track_id": 1}, {**other, "track_id": 2}, *OTHERS, preset=preset, **settings)


def weight(one: dict[str, object], other: dict[str, object], preset: Preset = Preset.RECORDING) -> float:
    columns = tracks({**one, "track_id": 1}, {**other, "track_id": 2}, *OTHERS)
    settings = EngineSettings(preset=preset)
    return explain_pair(columns, 1, 2, settings, find_clusters(columns, settings).tables).match_weight


class TestTheSameRecording:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(song("I Got"), song("I Got - 2020 Remaster"), id="the remaster of the seed"),
            pytest.param(song("I Got"), song("I Got (Deluxe Edition)"), id="deluxe edition"),
            pytest.param(song("I Got"), song("I Got [feat. Zoe Lund]"), id="featured artist in the title"),
            pytest.param(song("I Got", "Nina Vale feat. Zoe Lund"), song("I Got (feat. Zoe Lund)"), id="featured"),
            pytest.param(song("I Got", "Nina Vale, Zoe Lund"), song("I Got"), id="one more artist"),
            pytest.param(song("I Got", "Vale, Nina"), song("I Got"), id="artist name turned round"),
            pytest.param(song("Don’t Stop"), song("Don't Stop"), id="quote marks"),
            pytest.param(song("Café del Mar"), song("Cafe Del Mar"), id="accent"),
            pytest.param(song("Harbour Song"), song("Harbuor Song"), id="typo"),
            pytest.param(song("I Got"), song("I Got", album="Greatest Hits"), id="on a compilation"),
            pytest.param(song("I Got"), song("I Got", duration_ms=203_000), id="three seconds longer"),
            pytest.param(song("I Got"), song("I Got", explicit=True), id="explicit flag on one side"),
            pytest.param(song("東京の夜", "椎名"), song("東京の夜", "椎名"), id="Japanese"),
            pytest.param(song("Группа крови", "Кино"), song("Группа крови", "Кино"), id="Cyrillic"),
            pytest.param(song("Nina Vale - I Got", artist=""), song("I Got"), id="artist in the title"),
            pytest.param(song("I Got - Harbour Lights", album=""), song("I Got"), id="album in the title"),
            pytest.param(song("003-I Got"), song("I Got"), id="track prefix"),
            pytest.param(song("Symphony No. 5: II. Andante"), song("Symphony No 5 - 2. Andante"), id="Roman movement"),
            pytest.param(song("Nina Vale", artist="I Got"), song("I Got", artist="Nina Vale"), id="swapped"),
            pytest.param(song("I Got"), song("Harbour Lights", album="I Got"), id="title and album swapped"),
            pytest.param(song("I Got"), song("I Got", "Harbour Lights", "Nina Vale"), id="artist and album swapped"),
            pytest.param(song("I Got"), song("07", "I Got", "Nina Vale"), id="shifted by a column"),
            pytest.param(song("I Got"), song("", "I Got", "Nina Vale"), id="shifted behind a blank"),
            pytest.param(song("ガラスの傘", "風鈴"), song("ｶﾞﾗｽの傘", "風鈴"), id="half-width"),
            pytest.param(song("Группа крови", "Кино"), song("Gruppa krovi", "Kino"), id="romanised"),
            pytest.param(song("I Got", "The Paper Otters"), song("I Got", "Paper Otters"), id="article"),
            pytest.param(song("I Got"), song("I Got", "Various Artists", "Night Drive"), id="artists of a compilation"),
            pytest.param(song("I Got"), song("I Got", "Diverse Interpreten", "Nachtfahrt"), id="of a German one"),
            pytest.param(song("I Got"), song("I Got", "群星", "Night Drive"), id="artists of a Chinese compilation"),
            pytest.param(song("Intro"), song("Intro", duration_ms=200_300), id="intro of the same album"),
            pytest.param(song("I Got"), song("I Got", duration_ms=200_000_000), id="length in another unit"),
            pytest.param(
                song("Wild Dogs - Live at Northern Lights", album=""),
                song("Wild Dogs", album="Live at Northern Lights"),
                id="an album that reads like a version",
            ),
            pytest.param(
                song("I Got (Live)", album="Live at the Apollo"),
                song("I Got", album="Live at the Apollo"),
                id="live on a live album",
            ),
            pytest.param(song("I Got (Alternate Version)"), song("I Got (Altenrate Version)"), id="misspelt version"),
            pytest.param(song("Sonata No. 14: 1. Adagio"), song("Sonata No. 14: I. Adagio"), id="first movement"),
        ],
    )  # fmt: skip
    def test_is_found(self, one: dict[str, object], other: dict[str, object]) -> None:
        assert same(one, other)


class TestAnotherRecording:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(song("I Got"), song("I Got (Live)", duration_ms=231_000), id="live"),
            pytest.param(song("I Got"), song("I Got - Live at the Apollo - June 1962", duration_ms=212_000), id="at"),
            pytest.param(song("I Got"), song("I Got (Smash Mode Remix)", duration_ms=305_000), id="remix"),
            pytest.param(song("I Got (Smash Remix)"), song("I Got (Phonat Remix)", duration_ms=219_000), id="remixes"),
            pytest.param(song("I Got"), song("I Got (Acoustic)", duration_ms=187_000), id="acoustic"),
            pytest.param(song("I Got"), song("I Got (Instrumental)"), id="instrumental of equal length"),
            pytest.param(song("I Got"), song("I Got", "Otto Marsh", "Low Country", duration_ms=251_000), id="cover"),
            pytest.param(song("Word Part 1"), song("Word Part 2"), id="part 1 and part 2"),
            pytest.param(song("Concerto No. 2"), song("Concerto No. 5"), id="number 2 and number 5"),
            pytest.param(song("Chapter 219"), song("Chapter 502"), id="219 and 502"),
            pytest.param(song("Nina Vale"), song("Glass Mountain", album="Nina Vale"), id="on the album of its name"),
            pytest.param(song("I Got"), song("Nina Vale", "Harbour Lights", ""), id="shifted until the title is lost"),
            pytest.param(
                song("Sonata No. 14, Op. 27 No. 2: III. Adagio"),
                song("Sonata No. 14, Op. 27 No. 2: II. Adagio"),
                id="two movements of number 2",
            ),
            pytest.param(song("I Got", album="Live It"), song("I Got (Live)", album="Live It"), id="no live album"),
            pytest.param(
                song("All the Long Way Down from Harbour Town to the Sea"),
                song("All the Long Way Down from Harbour Town to the Sea (Live)"),
                id="a short marker behind a long title",
            ),
            pytest.param(song("ラジオ体操第一"), song("ラジオ体操第二"), id="kanji numbers"),
            pytest.param(
                song("Slow Mule, Pt. 2", track_number=8),
                song("Slow Mule", track_number=5, duration_ms=199_000),
                id="part on one side",
            ),
            pytest.param(
                song("Chapter 1", album="The Lost Lighthouse", track_number=2),
                song("Chapter 1", album="The Clockwork Crab", track_number=2),
                id="first chapters of two books",
            ),
            pytest.param(song("Chapter 1", album="Tales 1"), song("Chapter 1", album="Tales 2"), id="two volumes"),
            pytest.param(
                song("I Got", "The Paper Otters", "Salt & Cedar"),
                song("I Got", "The Daftons", "Daft Covers", duration_ms=200_400),
                id="cover of equal length",
            ),
            pytest.param(song("I Got", "Soft", "Soft"), song("I Got", "Softwood Choir", "Drift"), id="namesakes"),
            pytest.param(
                song("Symphony No. 2", "Lindenmoor Philharmonic", year=1992),
                song("Symphony No. 2", "Ostwend Festival Orchestra", year=1992),
                id="two orchestras",
            ),
            pytest.param(song("I Got"), song("I Got (Radio Edit)", duration_ms=121_000), id="radio edit"),
            pytest.param(
                song("Studio Talk", duration_ms=41_260, track_number=4, disc_number=1),
                song("Studio Talk", duration_ms=27_431, track_number=4, disc_number=2),
                id="talk on two discs",
            ),
            pytest.param(song("Cold Harvest"), song("Tin Whistle"), id="album neighbours of equal length"),
            pytest.param(song("I Got"), song("I Got", duration_ms=320_000), id="two minutes longer"),
        ],
    )  # fmt: skip
    def test_is_kept_apart(self, one: dict[str, object], other: dict[str, object]) -> None:
        assert not same(one, other)


class TestWordsOfStaff:
    CUT = song("I Got (Cantina Night Cut)")

    def test_a_version_of_its_own_stays_apart(self) -> None:
        assert same(song("I Got"), self.CUT, version_words=(("Cantina Night Cut", "neutral"),))
        assert not same(song("I Got"), self.CUT, version_words=(("Cantina Night Cut", "own"),))

    def test_two_copies_of_that_version_belong_together(self) -> None:
        assert same(self.CUT, song("I Got - Cantina Night Cut"), version_words=(("Cantina Night Cut", "own"),))

    def test_an_unknown_marker_is_refused_with_what_is_accepted(self) -> None:
        with pytest.raises(ValueError, match=r"'party'\. Choose from live, remix, .*, neutral"):
            EngineSettings(version_words=(("Cantina Night Cut", "party"),))

    def test_other_words_are_another_fingerprint_whatever_their_order(self) -> None:
        one, two = ("Cantina Night Cut", "own"), ("Bar Mix", "remix")
        assert EngineSettings(version_words=(one,)).fingerprint() != EngineSettings().fingerprint()
        assert (
            EngineSettings(version_words=(one, two)).fingerprint()
            == EngineSettings(version_words=(two, one)).fingerprint()
        )


class TestTooLittle:
    @pytest.mark.parametrize(
        "row",
        [
            pytest.param({"title": "", "artist": "", "album": ""}, id="all blank"),
            pytest.param({"title": "Unknown", "artist": "Unknown Artist", "album": "n.a."}, id="blank in words"),
            pytest.param({"title": "Track 01"}, id="a bare title and nothing else"),
            pytest.param({"artist": "Nina Vale"}, id="an artist alone"),
            pytest.param({"artist": "Nina Vale", "album": "Harbour Lights"}, id="no title, no length"),
            pytest.param({"artist": "Nina Vale", "duration_ms": 168_000}, id="an artist and a length"),
            pytest.param({"title": "Track 01", "duration_ms": 224_000, "track_number": 1}, id="a numbered track"),
            pytest.param({"title": "Intro", "artist": "?", "duration_ms": 63_000}, id="an intro by nobody"),
            pytest.param({"title": "<unknown>", "artist": "<unknown>", "duration_ms": 63_000}, id="as a phone says it"),
            pytest.param({"title": "Unbekannter Titel", "artist": "Unbekannter Künstler"}, id="blank in German"),
            pytest.param({"title": "Неизвестно", "artist": "Неизвестный исполнитель"}, id="blank in Russian"),
            pytest.param({"title": "未知专辑", "artist": "不明なアーティスト"}, id="blank in Chinese and Japanese"),
            pytest.param({"title": "????", "artist": "?????? ????", "duration_ms": 63_000}, id="lost letters"),
            pytest.param({"title": "[unkown]", "artist": "Unknown Artist 2", "duration_ms": 9_000}, id="misspelt"),
        ],
    )
    def test_blank_is_never_equal_to_blank(self, row: dict[str, object]) -> None:
        assert grouped(*[dict(row) for _ in range(4)], *OTHERS) == []

    def test_an_intro_without_an_artist_joins_no_album(self) -> None:
        assert grouped(song("Intro"), {"title": "Intro", "duration_ms": 200_000}, *OTHERS) == []

    def test_an_identifier_is_enough_without_a_title(self) -> None:
        found = find_clusters(tracks({"isrc": "GBAYE0000001", "artist": "Nina Vale"}, *OTHERS), EngineSettings())
        assert found.not_enough_data.tolist() == []

    @pytest.mark.parametrize("preset", Preset)
    def test_no_preset_takes_a_missing_title_for_an_equal_one(self, preset: Preset) -> None:
        row = {"artist": "Nina Vale", "duration_ms": 168_300}
        assert grouped(dict(row), dict(row), *OTHERS, preset=preset) == []

    def test_a_title_and_nothing_beside_it_is_listed_unless_it_holds_more(self) -> None:
        bare, holds_more = song("Copper Wire", "", "", duration_ms=None), song("Nina Vale I Got", "", "")
        found = find_clusters(tracks(bare, bare, holds_more, song("I Got"), *OTHERS), EngineSettings())
        assert (found.not_enough_data.tolist(), groups_of(found)) == ([1, 2], [[3, 4]])

    def test_thin_records_are_listed(self) -> None:
        found = find_clusters(tracks({"title": "", "artist": "Nina Vale"}, song("I Got"), *OTHERS), EngineSettings())
        assert found.not_enough_data.tolist() == [1]


class TestPresets:
    def test_release_keeps_a_copy_on_another_album_apart(self) -> None:
        elsewhere = song("I Got", album="Sounds of Summer 1999", duration_ms=203_500, year=1999, track_number=14)
        assert not same(song("I Got", year=1984, track_number=2), elsewhere, Preset.RELEASE)

    @pytest.mark.parametrize("marker", ["Instrumental", "Karaoke Version", "Acoustic", "Demo", "A Cappella"])
    def test_release_keeps_apart_what_anybody_hears(self, marker: str) -> None:
        assert not same(song("I Got"), song(f"I Got ({marker})"), Preset.RELEASE)

    @pytest.mark.parametrize("marker", ["Live", "Smash Mode Remix"])
    def test_release_keeps_two_numbers_apart_when_one_is_another_version(self, marker: str) -> None:
        assert not same(song("I Got", track_number=2), song(f"I Got ({marker})", track_number=12), Preset.RELEASE)

    def test_an_equal_isrc_says_less_of_the_release_than_of_the_recording(self) -> None:
        said = {"isrc": "GBAYE0000001"}
        gained = {
            preset: weight(song("I Got", **said), song("I Got", album="Best Of", **said), preset)
            - weight(song("I Got"), song("I Got", album="Best Of"), preset)
            for preset in (Preset.RELEASE, Preset.RECORDING)
        }
        assert 0 < gained[Preset.RELEASE] < gained[Preset.RECORDING] / 2

    def test_song_takes_no_equal_isrc_for_an_equal_title(self) -> None:
        said = {"isrc": "GBAYE0000001"}
        assert not same(song("I Got", **said), song("Glass", album="Sea", duration_ms=90_000, **said), Preset.SONG)

    def test_song_joins_every_version(self) -> None:
        assert same(song("I Got"), song("I Got (Live at the Apollo)", duration_ms=231_000), Preset.SONG)

    def test_song_keeps_other_titles_apart(self) -> None:
        assert not same(song("I Got"), song("You Lost"), Preset.SONG)

    @pytest.mark.parametrize(
        ("other", "expected"),
        [
            pytest.param(song("I GOT"), True, id="letter case"),
            pytest.param(song("I Got", duration_ms=201_900), True, id="within two seconds"),
            pytest.param(song("I Got", duration_ms=202_100), False, id="beyond two seconds"),
            pytest.param(song("I Gat"), False, id="a typo"),
            pytest.param(song("I Got", album="Best Of"), False, id="another album"),
            pytest.param(song("I Got", album=""), False, id="no album"),
            pytest.param(song("I Got - Remastered"), False, id="a remaster"),
        ],
    )
    def test_exact_wants_everything_equal(self, other: dict[str, object], expected: bool) -> None:
        assert same(song("I Got"), other, Preset.EXACT) is expected

    def test_exact_joins_two_tracks_that_both_lack_an_album(self) -> None:
        assert same(song("I Got", album=""), song("I Got", album=""), Preset.EXACT)

    def test_remasters_stay_apart_when_folding_is_off(self) -> None:
        assert not same(song("I Got"), song("I Got - 2020 Remaster"), fold_remasters=False)

    def test_explicit_stays_apart_from_clean_when_asked(self) -> None:
        pair = song("I Got", explicit=True), song("I Got", explicit=False)
        assert same(*pair)
        assert not same(*pair, keep_explicit_apart=True)


class TestEvidence:
    def test_an_equal_isrc_is_strong_but_an_unlike_title_still_counts(self) -> None:
        isrc = {"isrc": "GB-AYE-00-00001"}
        alike = weight(song("I Got", **isrc), song("I Goot", **isrc | {"isrc": "gbaye0000001"}))
        assert alike > weight(song("I Got"), song("I Goot"))
        assert alike > weight(song("I Got", **isrc), song("Glass Mountain", **isrc))

    @pytest.mark.parametrize("marker", ["Live", "Acoustic", "Instrumental", "Demo", "DJ Kern Remix"])
    def test_no_other_evidence_outweighs_another_version_of_the_song(self, marker: str) -> None:
        """Removing the wrong song is what people fear most: a copy with every tag equal but the marker stays."""
        isrc = {"isrc": "GB-AYE-00-00001"}
        assert weight(song("I Got", **isrc), song(f"I Got ({marker})", **isrc)) < 0

    def test_ignoring_a_field_leaves_its_evidence_out(self) -> None:
        pair = song("I Got", isrc="GBAYE0000001"), song("I Got", isrc="GBAYE0000002")
        columns = tracks(*pair, *OTHERS)
        settings = EngineSettings(ignored_fields=frozenset({"isrc"}))
        found = explain_pair(columns, 1, 2, settings, find_clusters(columns, settings).tables)
        assert next(c for c in found.contributions if c.comparison == "identifier").missing

    @pytest.mark.parametrize(
        ("closer", "farther"),
        [
            pytest.param(song("I Got"), song("I Gotta"), id="equal before alike"),
            pytest.param(
                song("I Got", duration_ms=200_400), song("I Got", duration_ms=208_000), id="shorter distance in length"
            ),
            pytest.param(song("I Got"), song("I Got (Live)"), id="no marker before marker"),
            pytest.param(song("I Got"), song("I Got, Pt. 2"), id="no part before a part"),
            pytest.param(song("I Got - Remastered"), song("I Got (Live)"), id="remaster before live"),
            pytest.param(
                song("I Got", "Nina Vale & Zoe"), song("I Got", "Otto Marsh"), id="shared artist before stranger"
            ),
        ],
    )
    def test_this_is_closer_than_that(self, closer: dict[str, object], farther: dict[str, object]) -> None:
        assert weight(song("I Got"), closer) > weight(song("I Got"), farther)

    def test_lists_that_share_a_name_are_closer_than_strangers(self) -> None:
        mine = song("I Got", "Nina Vale & Zoe Lund")
        assert weight(mine, song("I Got", "Nina Vale & Otto Marsh")) > weight(
            mine, song("I Got", "Ada Quill, Otto Marsh")
        )

    @pytest.mark.parametrize(
        "artist",
        ["Zoe Lund & Nina Vale", "Nina Vale feat. Zoe Lund", "Zoe Lund, Nina Vale", "Nina Vale; Zoe Lund", "Nina Vale"],
    )
    def test_the_same_people_in_any_order_and_role_are_one_artist(self, artist: str) -> None:
        assert same(song("I Got", "Nina Vale & Zoe Lund"), song("I Got", artist))


class TestDeclaredDifferent:
    def test_two_declared_different_are_never_together(self) -> None:
        columns = tracks(song("I Got"), song("I Got"), song("I Got"), *OTHERS)
        found = find_clusters(columns, EngineSettings(), not_duplicates=np.array([[2, 1]]))
        assert not any({1, 2} <= set(group) for group in groups_of(found))

    def test_not_through_others_either(self) -> None:
        """One copy resembles both: it joins one of them, and a chain of such copies brings them together neither."""
        versions = [song("I Got", duration_ms=200_000 + 300 * step) for step in range(6)]
        settings, declared = EngineSettings(), np.array([[1, 6], [2, 5]])
        columns = tracks(*versions, *OTHERS)
        assert groups_of(find_clusters(columns, settings)) == [[1, 2, 3, 4, 5, 6]]
        found = groups_of(find_clusters(columns, settings, not_duplicates=declared))
        assert not any({*pair} <= set(group) for pair in declared.tolist() for group in found)
        assert sorted(track for group in found for track in group) == [1, 2, 3, 4, 5, 6]

    def test_not_where_exact_copies_of_both_are_held(self) -> None:
        columns = tracks(*[song("I Got")] * 4, *OTHERS)
        found = groups_of(find_clusters(columns, EngineSettings(), not_duplicates=np.array([[1, 4]])))
        assert not any({1, 4} <= set(group) for group in found)

    def test_the_others_stay_together(self) -> None:
        columns = tracks(song("I Got"), song("I Got"), song("I Got"), *OTHERS)
        found = find_clusters(columns, EngineSettings(), not_duplicates=np.array([[1, 2], [99, 3]]))
        assert sum(len(group) for group in groups_of(found)) == 2
