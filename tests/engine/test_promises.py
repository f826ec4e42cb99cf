"""What people suffer from and what the first matcher got wrong: each promise of the matcher, named and kept end to end.

Promises about saving, resolving, importing and exporting are tested where those live.
"""

import pytest

from duplicates.engine.explain import explain_pair
from duplicates.engine.pipeline import find_clusters
from duplicates.engine.settings import EngineSettings
from tests.engine.support import grouped, song, tracks
from tests.engine.test_matching import OTHERS, same

# Two titles in each script: copies of one are found, and the two are told apart though all else is equal.
SCRIPTS = {
    "Arabic": ("ليلة في المدينة", "صباح الخير"),
    "Armenian": ("Գիշերային քաղաք", "Կարմիր ծաղիկ"),
    "Bengali": ("রাতের শহর", "লাল গোলাপ"),
    "Chinese": ("夜晚的城市", "红色玫瑰"),
    "Cyrillic": ("Ночной город", "Красная роза"),
    "Devanagari": ("रात का शहर", "लाल गुलाब"),
    "Georgian": ("ღამის ქალაქი", "წითელი ვარდი"),
    "Greek": ("Νυχτερινή πόλη", "Κόκκινο τριαντάφυλλο"),
    "Hebrew": ("עיר לילה", "ורד אדום"),
    "Japanese": ("夜の街", "赤いバラ"),
    "Korean": ("밤의 도시", "빨간 장미"),
    "Tamil": ("இரவு நகரம்", "சிவப்பு ரோஜா"),
    "Thai": ("เมืองกลางคืน", "กุหลาบแดง"),
    "signs only": ("♥♥♥", "☠☠☠"),
}


class TestTrapsOfTheFirstMatcher:
    def test_pairs_are_compared_across_batches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """It compared tracks only within one batch, so copies imported a year apart never met."""
        monkeypatch.setattr("duplicates.engine.normalise.CHUNK", 2)
        monkeypatch.setattr("duplicates.engine.postings.CHUNK_LETTERS", 200)
        monkeypatch.setattr("duplicates.engine.pipeline.SCORING_CHUNK", 1)

        assert grouped(song("I Got", track_id=1), *OTHERS, song("I Got", track_id=900)) == [[1, 900]]

    @pytest.mark.parametrize("field", ["artist", "album", "title"])
    def test_two_blanks_are_no_agreement(self, field: str) -> None:
        """Two empty strings scored 1.0, so everything untagged was one song."""
        rows = [{**song("I Got"), field: ""}, {**song("I Got"), field: ""}]
        columns, settings = tracks(*rows, *OTHERS), EngineSettings()
        found = explain_pair(columns, 1, 2, settings, find_clusters(columns, settings).tables)
        part = next(part for part in found.contributions if part.comparison == field)
        assert (part.missing, part.bits) == (True, 0.0)

    def test_one_threshold_decides_grouping_and_explanation(self) -> None:
        """Page, service and documentation each had a threshold of their own."""
        columns = tracks(song("I Got"), song("I Gott", duration_ms=208_000), *OTHERS)
        for threshold in (0.01, 0.5, 0.99, 0.999999):
            settings = EngineSettings(threshold=threshold)
            clusters = find_clusters(columns, settings)
            found = explain_pair(columns, 1, 2, settings, clusters.tables)
            assert found.is_linked == ({1, 2} <= set(clusters.track_ids.tolist()))
            assert found.threshold == threshold


class TestSuffixesOfTheSeed:
    @pytest.mark.parametrize(
        "title",
        [
            "I Got - 2020 Remaster",
            "I Got - Remastered",
            "I Got (2020 Remastered Version)",
            "I Got (Deluxe Edition)",
            "I Got - Deluxe Version",
            "I Got (Single Version)",
            "I Got (Album Version)",
            "I Got - Radio Edit",
            "I Got [Explicit Version]",
            "I Got (Clean Version)",
            "I Got (feat. Zoe Lund)",
            "I Got ft. Zoe Lund",
        ],
    )
    def test_the_same_recording_is_found_behind_it(self, title: str) -> None:
        assert same(song("I Got"), song(title))

    @pytest.mark.parametrize(
        "title",
        [
            "I Got - Live Version",
            "I Got (Acoustic Version)",
            "I Got (Instrumental)",
            "I Got (Demo)",
            "I Got - Karaoke Version",
            "I Got (Smash Mode Remix)",
        ],
    )
    def test_another_recording_is_kept_apart(self, title: str) -> None:
        assert not same(song("I Got"), song(title))


class TestEveryScript:
    @pytest.mark.parametrize("script", SCRIPTS)
    def test_copies_are_found_and_other_songs_kept_apart(self, script: str) -> None:
        one, other = SCRIPTS[script]
        assert same(song(one), song(one, album="Best Of"))
        assert not same(song(one), song(other))


class TestWhatIsMissedForASign:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            pytest.param(song("Rock ’n’ Roll"), song("Rock 'n' Roll"), id="quote marks"),
            pytest.param(song("Déjà Vu"), song("Deja Vu"), id="accents"),
            pytest.param(song("One–Two"), song("One-Two"), id="dashes"),
            pytest.param(song("ﬁnal ﬂight"), song("Final Flight"), id="ligatures"),
            pytest.param(song("Ｉ　Ｇｏｔ"), song("I Got"), id="full-width"),
            pytest.param(song("Wait…"), song("Wait..."), id="dots"),
            pytest.param(song("Straße"), song("Strasse"), id="sharp s"),
            pytest.param(song("I Got", "Daft Parade"), song("I Got", "DAFT PARADE"), id="Daft keeps its ft"),
            pytest.param(song("I Got", "Soft Parade feat. Zoe"), song("I Got (ft. Zoe)", "Soft Parade"), id="Soft"),
        ],
    )
    def test_it_is_found(self, one: dict[str, object], other: dict[str, object]) -> None:
        assert same(one, other)
