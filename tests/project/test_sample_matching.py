"""The matcher on the sample library, whose every song we know: what belongs together is found, the rest stays apart."""

import csv
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import polars as pl
import pytest

from duplicates.engine.pipeline import find_clusters
from duplicates.engine.records import TRACK_SCHEMA, Clusters, TrackColumns
from duplicates.engine.settings import EngineSettings
from library.importers.itunes_xml import read_itunes_xml
from library.importers.records import ImportedTrack
from project.sample import build
from project.sample.rest import LOOSE
from project.sample.versions import APART, SAME

LEAST_RECALL, LEAST_PRECISION = 0.97, 0.98

STRANGERS = {version.kind for version in APART} | {row.kind for row in LOOSE}

Pair = tuple[str, str]


class Judged:
    """The sample as the matcher judged it, in the words of `truth.csv`. Songs are named by their persistent ids."""

    def __init__(self, clusters: Clusters, names: list[str]) -> None:
        with build.TRUTH_FILE.open(encoding="utf-8", newline="") as file:
            rows = {row["persistent_id"]: row for row in csv.DictReader(file)}
        self.kind = {name: rows[name]["kind"] for name in names}
        self.recording = {name: rows[name]["recording"] for name in names}
        recordings: dict[str, list[str]] = defaultdict(list)
        for name, recording in self.recording.items():
            recordings[recording].append(name)
        groups = np.split(clusters.track_ids, clusters.offsets[1:-1])
        self.found = _pairs([names[track_id - 1] for track_id in group] for group in groups)
        self.true = _pairs(recordings.values())
        self.not_enough_data = {names[track_id - 1] for track_id in clusters.not_enough_data}

    def of_kind(self, pairs: set[Pair], kind: str) -> list[str]:
        return self.in_words({pair for pair in pairs if kind in {self.kind[name] for name in pair}})

    def in_words(self, pairs: set[Pair]) -> list[str]:
        """Name pairs by recording and kind, as the menus do."""
        return sorted(" = ".join(f"{self.recording[name]} ({self.kind[name]})" for name in pair) for pair in pairs)


def _pairs(groups: Iterable[Iterable[str]]) -> set[Pair]:
    return {pair for group in groups for pair in combinations(sorted(group), 2)}


@pytest.fixture(scope="module")
def tracks() -> list[ImportedTrack]:
    with build.LIBRARY_FILE.open("rb") as stream:
        return [item for item in read_itunes_xml(stream) if isinstance(item, ImportedTrack)]


@pytest.fixture(scope="module")
def judged(tracks: list[ImportedTrack]) -> Judged:
    stated = [name for name in TRACK_SCHEMA if name not in {"track_id", "unparsed"}]
    rows = [
        {"track_id": number, "unparsed": None, **{name: getattr(track, name) for name in stated}}
        for number, track in enumerate(tracks, start=1)
    ]
    columns = TrackColumns(pl.DataFrame(rows, schema=TRACK_SCHEMA))
    return Judged(find_clusters(columns, EngineSettings()), [track.source_track_id for track in tracks])


class TestWhatIsTheSameIsFound:
    def test_hardly_a_pair_is_missed(self, judged: Judged) -> None:
        assert len(judged.found & judged.true) / len(judged.true) >= LEAST_RECALL

    @pytest.mark.parametrize("kind", sorted({row.kind for row in SAME}))
    def test_each_kind_of_copy_is_recognised(self, judged: Judged, kind: str) -> None:
        assert judged.of_kind(judged.true - judged.found, kind) == []


class TestWhatOnlyLooksTheSameStaysApart:
    def test_most_groups_hold_one_recording(self, judged: Judged) -> None:
        assert len(judged.found & judged.true) / len(judged.found) >= LEAST_PRECISION

    @pytest.mark.parametrize("kind", sorted(STRANGERS))
    def test_each_kind_of_stranger_is_told_apart(self, judged: Judged, kind: str) -> None:
        assert judged.of_kind(judged.found - judged.true, kind) == []

    def test_songs_of_the_albums_are_told_apart(self, judged: Judged) -> None:
        false = {pair for pair in judged.found - judged.true if not STRANGERS & {judged.kind[name] for name in pair}}
        assert judged.in_words(false) == []

    def test_blank_songs_are_called_too_thin_to_judge(self, judged: Judged) -> None:
        blank = {name for name, kind in judged.kind.items() if kind == "blank"}
        assert blank <= judged.not_enough_data
        assert not blank & {name for pair in judged.found for name in pair}
