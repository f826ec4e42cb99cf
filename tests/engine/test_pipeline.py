"""The whole run: determinism, progress, cancel, checkpoints and inputs made to hurt."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import polars as pl
import pytest

from duplicates.engine import features, model, normalise, pipeline, shipped
from duplicates.engine.candidates import narrowed
from duplicates.engine.keeper_rules import PROFILES
from duplicates.engine.levels import COMPARISONS, pack, unpack
from duplicates.engine.pipeline import choose_keepers, find_clusters, find_duplicates
from duplicates.engine.progress import NullProgress, Stage
from duplicates.engine.records import TRACK_SCHEMA, TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from tests.engine.support import groups_of, keeper_columns, song, tracks

SETTINGS = EngineSettings()


def library(count: int = 300) -> TrackColumns:
    """Return a library in which every fifth song is owned twice."""
    rows = []
    for n in range(count):
        row = song(
            f"Tune {chr(97 + n % 26)}{n * 7919 % 1000} of the {n * 31 % 97}th harbour",
            f"Band {n % 23}",
            f"Album {n % 41}",
        )
        rows.append(
            row | {"duration_ms": 120_000 + n * 977 % 200_000, "year": 1970 + n % 50, "track_number": n % 12 + 1}
        )
        if n % 5 == 0:
            rows.append(rows[-1] | {"title": f"{row['title']} (Remastered)", "album": "Collected"})
    return tracks(*[row | {"track_id": 1000 + n} for n, row in enumerate(rows)])


class Recorder:
    """Remembers what it hears, and stops the run when asked to."""

    def __init__(self, stop_at: Stage | None = None) -> None:
        self.heard: list[tuple[Stage, int, list[int]]] = []
        self.stop_at = stop_at

    def begin(self, stage: Stage, total: int) -> None:
        self.heard.append((stage, total, []))

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        self.heard[-1][2].append(done)
        if self.heard[-1][0] == self.stop_at:
            raise InterruptedError


class Shelf(dict):
    """Keeps checkpoints in memory."""

    def load(self, name: str) -> dict | None:
        return self.get(name)

    def save(self, name: str, arrays: dict) -> None:
        self[name] = arrays


@pytest.fixture
def chopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut even a small library into many chunks at every stage."""
    for module, name in ((normalise, "CHUNK"), (pipeline, "SCORING_CHUNK")):
        monkeypatch.setattr(module, name, 17)
    monkeypatch.setattr("duplicates.engine.postings.CHUNK_LETTERS", 1_300)
    monkeypatch.setattr("duplicates.engine.candidates.CHUNK_PRODUCTS", 500)


class TestDeterminism:
    def test_the_order_of_the_rows_does_not_matter(self) -> None:
        columns = library()
        shuffled = TrackColumns(columns.frame.sample(fraction=1.0, shuffle=True, seed=3))
        assert groups_of(find_clusters(columns, SETTINGS)) == groups_of(find_clusters(shuffled, SETTINGS))

    def test_the_number_of_threads_does_not_matter(self, monkeypatch: pytest.MonkeyPatch, chopped: None) -> None:
        # A library this small would be worked on by one thread, however many it is given.
        monkeypatch.setattr(pipeline, "SMALL", 0)
        pools: list[int] = []
        monkeypatch.setattr(
            "duplicates.engine.threads.ThreadPoolExecutor", lambda size: pools.append(size) or ThreadPoolExecutor(size)
        )
        columns = library()
        shuffled = TrackColumns(columns.frame.sample(fraction=1.0, shuffle=True, seed=5))
        one, *others = (find_clusters(shuffled, EngineSettings(threads=threads)) for threads in (1, 2, 3))
        assert set(pools) == {2, 3}
        assert [other.tables for other in others] == [one.tables] * 2
        assert [groups_of(other) for other in others] == [groups_of(one)] * 2

    def test_the_size_of_the_chunks_does_not_matter(self, request: pytest.FixtureRequest) -> None:
        columns = library()
        whole = find_clusters(columns, SETTINGS)
        request.getfixturevalue("chopped")
        cut = find_clusters(columns, SETTINGS)
        assert cut.tables == whole.tables
        assert groups_of(cut) == groups_of(whole)

    def test_clusters_are_ordered_and_hold_two_or_more(self) -> None:
        groups = groups_of(find_clusters(library(), SETTINGS))
        assert len(groups) == 60
        assert groups == sorted(groups)
        assert all(len(group) > 1 and group == sorted(group) for group in groups)


class TestProgress:
    def test_every_stage_reports_in_order_and_reaches_its_total(self) -> None:
        recorder = Recorder()
        find_duplicates(library(), keeper_columns({"track_id": 1000}), SETTINGS, progress=recorder)
        assert [stage for stage, _, _ in recorder.heard] == list(Stage)
        assert all(done == sorted(done) and done[-1] == total for _, total, done in recorder.heard)

    @pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.KEEPER])
    def test_an_exception_from_progress_comes_through_unchanged(self, stage: Stage) -> None:
        with pytest.raises(InterruptedError):
            find_clusters(library(), SETTINGS, progress=Recorder(stop_at=stage))


class TestCheckpoints:
    @pytest.mark.parametrize("stopped_in", [Stage.CANDIDATES, Stage.SCORING, Stage.CLUSTERING])
    def test_a_resumed_run_gives_the_same_clusters(self, stopped_in: Stage) -> None:
        shelf, columns = Shelf(), library()
        with pytest.raises(InterruptedError):
            find_clusters(columns, SETTINGS, progress=Recorder(stop_at=stopped_in), checkpoints=shelf)
        resumed = find_clusters(columns, SETTINGS, checkpoints=shelf)
        assert groups_of(resumed) == groups_of(find_clusters(columns, SETTINGS))

    def test_resume_skips_stages_with_a_checkpoint(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shelf, columns = Shelf(), library()
        find_clusters(columns, SETTINGS, checkpoints=shelf)
        monkeypatch.setattr(pipeline, "normalise", None)
        monkeypatch.setattr(pipeline, "propose", None)
        assert len(find_clusters(columns, SETTINGS, checkpoints=shelf)) == 60


class Killed(NullProgress):
    """Ends the run at its nth report."""

    def __init__(self, after: int) -> None:
        self.left = after

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        self.left -= 1
        if self.left == 0:
            raise InterruptedError


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalise, "CHUNK", 17)
    monkeypatch.setattr(pipeline, "SCORING_CHUNK", 17)
    monkeypatch.setattr("duplicates.engine.candidates.CHUNK_PRODUCTS", 500)


@pytest.mark.usefixtures("small_chunks")
class TestParts:
    def test_a_run_killed_anywhere_gives_the_same_clusters_when_resumed(self) -> None:
        columns, unharmed = library(140), Killed(0)
        whole = find_clusters(columns, SETTINGS, progress=unharmed)
        for after in range(1, -unharmed.left, 3):
            shelf = Shelf()
            with suppress(InterruptedError):
                find_clusters(columns, SETTINGS, progress=Killed(after), checkpoints=shelf)
            resumed = find_clusters(columns, SETTINGS, checkpoints=shelf)
            assert (resumed.tables, groups_of(resumed)) == (whole.tables, groups_of(whole))

    def test_a_killed_run_loses_the_part_under_way_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shelf, columns, compared = Shelf(), library(), []
        find_clusters(columns, SETTINGS, checkpoints=shelf)
        pairs = len(shelf[Stage.SCORING]["codes"])
        parts = sorted(name for name in shelf if name.startswith("scoring-"))
        assert len(parts) > 2
        # As if it had been killed in the last part of scoring.
        last = max(parts, key=lambda name: int(name.rpartition("-")[2]))
        del shelf[last], shelf[Stage.SCORING]
        judged = pipeline.compare
        monkeypatch.setattr(pipeline, "compare", lambda r, one, two: compared.append(len(one)) or judged(r, one, two))

        find_clusters(columns, SETTINGS, checkpoints=shelf)

        _, start, end = last.split("-")
        assert int(end) == pairs
        assert sum(compared) == pairs - int(start)

    def test_a_part_that_covers_other_records_is_not_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shelf, columns = Shelf(), library()
        with pytest.raises(InterruptedError):
            find_clusters(columns, SETTINGS, progress=Recorder(stop_at=Stage.CANDIDATES), checkpoints=shelf)
        del shelf[Stage.NORMALISE]
        monkeypatch.setattr(normalise, "CHUNK", 11)

        resumed = find_clusters(columns, SETTINGS, checkpoints=shelf)

        assert groups_of(resumed) == groups_of(find_clusters(columns, SETTINGS))

    def test_what_was_narrowed_is_still_said_after_resuming(self) -> None:
        shelf, columns = Shelf(), many(400, title="Love", duration_ms=[90_000 + n * 7919 % 400_000 for n in range(400)])
        first = find_clusters(columns, SETTINGS, checkpoints=shelf)
        del shelf[Stage.SCORING]

        assert find_clusters(columns, SETTINGS, checkpoints=shelf).narrowed == first.narrowed != ()


class TestSmallInputs:
    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_hardly_any_tracks(self, count: int) -> None:
        found = find_duplicates(tracks(*[song("I Got")] * count), keeper_columns(), SETTINGS)
        assert groups_of(found.clusters) == ([[1, 2]] if count == 2 else [])

    def test_unknown_not_duplicates_are_ignored(self) -> None:
        found = find_clusters(tracks(song("I Got"), song("I Got")), SETTINGS, not_duplicates=np.array([[7, 9], [1, 1]]))
        assert groups_of(found) == [[1, 2]]


def many(count: int, **columns: object) -> TrackColumns:
    """Build a large library from columns given as lists or single values."""
    series = {name: columns.get(name) for name in TRACK_SCHEMA} | {"track_id": np.arange(count)}
    frame = pl.DataFrame({"track_id": series.pop("track_id")})
    frame = frame.with_columns(
        pl.Series(name, value, dtype=TRACK_SCHEMA[name])
        if isinstance(value, list)
        else pl.lit(value, dtype=TRACK_SCHEMA[name]).alias(name)
        for name, value in series.items()
    )
    return TrackColumns(frame.select(list(TRACK_SCHEMA)))


class TestHostileLibraries:
    COUNT = 4000

    def test_one_title_everywhere_makes_no_giant_group(self) -> None:
        artists = [f"Band {n}" for n in range(self.COUNT)]
        found = find_clusters(
            many(self.COUNT, title="Love", artist=artists, duration_ms=[120_000 + 37 * n for n in range(self.COUNT)]),
            SETTINGS,
        )
        assert max((len(group) for group in groups_of(found)), default=0) <= 3

    def test_one_artist_with_all_songs_makes_no_giant_group(self) -> None:
        titles = [f"{chr(97 + n % 26)}{n * 7919} {n * 31}x" for n in range(self.COUNT)]
        found = find_clusters(many(self.COUNT, title=titles, artist="The One", album="Everything"), SETTINGS)
        assert max((len(group) for group in groups_of(found)), default=0) <= 3

    def test_all_blank_is_not_enough_data(self) -> None:
        found = find_clusters(many(self.COUNT), SETTINGS)
        assert len(found) == 0
        assert len(found.not_enough_data) == self.COUNT

    def test_titles_of_ten_thousand_letters_are_survived(self) -> None:
        titles = [f"{n} " + "la " * 3300 for n in range(60)] + ["x" * 10_000] * 2
        find_clusters(many(len(titles), title=titles, artist="The One"), SETTINGS)

    def test_exact_copies_beyond_number_are_found_and_said(self) -> None:
        found = find_clusters(
            many(self.COUNT, title="I Got", artist="Nina Vale", album="Harbour", duration_ms=200_000), SETTINGS
        )
        assert groups_of(found) == [list(range(self.COUNT))]
        assert found.cohesion.tolist() == [1.0]

    def test_what_was_looked_at_less_widely_is_said(self) -> None:
        found = find_clusters(
            many(self.COUNT, title="Love", duration_ms=[120_000 + 37 * n for n in range(self.COUNT)]), SETTINGS
        )
        assert "exact copies" in found.narrowed[0]

    def test_one_such_track_is_not_told_as_several(self) -> None:
        assert narrowed(0) == ()
        assert narrowed(1)[0].startswith("1 track shares all it holds")
        assert narrowed(2_000)[0].startswith("2,000 tracks share all they hold")


class TestKeepers:
    def test_every_member_is_judged_against_its_keeper(self) -> None:
        columns = tracks(song("I Got"), song("I Got (Remastered)"), song("I Got"))
        found = find_duplicates(columns, keeper_columns({"track_id": 2, "play_count": 9}), SETTINGS)
        assert found.keeper_ids.tolist() == [2]
        assert found.probability.tolist()[1] == 1.0
        assert found.matches_keeper.all()

    def test_judging_afresh_agrees_with_what_the_run_kept(self) -> None:
        columns = library()
        clusters = find_clusters(columns, SETTINGS)
        afresh = type(clusters)(**{name: getattr(clusters, name) for name in clusters.__slots__} | {"judged": None})
        one, other = (choose_keepers(columns, given, keeper_columns(), SETTINGS) for given in (clusters, afresh))
        np.testing.assert_array_equal(one.evidence, other.evidence)

    @pytest.mark.parametrize("profile", PROFILES)
    def test_ties_go_to_the_lowest_track_id(self, profile: str) -> None:
        found = find_duplicates(tracks(song("I Got"), song("I Got")), keeper_columns(), SETTINGS, profile=profile)
        assert (found.keeper_ids.tolist(), found.keeper_rules) == ([1], ["lowest_track_id"])


class TestModel:
    @pytest.mark.parametrize("preset", list(Preset))
    def test_learning_from_strangers_alone_does_not_make_them_matches(self, preset: Preset) -> None:
        """The collapse of mixtures: a free class swallows everything, or nothing stays a match."""
        settings = EngineSettings(preset=preset)
        beliefs = shipped.shipped_model(settings)
        strangers = np.full((5000, len(COMPARISONS)), 0, np.uint8)
        strangers[:, :6] = [1, 1, 1, 7, 4, 2]
        twins = np.full((50, len(COMPARISONS)), 0, np.uint8)
        twins[:, :9] = [7, 7, 7, 1, 1, 1, 1, 1, 0]
        fitted = model.fit(beliefs, pack(np.concatenate([strangers, twins])))
        weights = fitted.weights(pack(np.stack([strangers[0], twins[0]])))
        assert weights[0] < -5 < 5 < weights[1]
        assert 0.001 < fitted.shares[0] < 0.1

    def test_learning_from_twins_alone_keeps_strangers_apart(self) -> None:
        twins = np.full((5000, len(COMPARISONS)), 1, np.uint8)
        twins[:, :3] = 7
        fitted = model.fit(shipped.shipped_model(SETTINGS), pack(twins))
        stranger = np.array([[1, 1, 1, 7, 4, 2, 1, 0, 0, 1]], np.uint8)
        assert fitted.weights(pack(stranger))[0] < 0

    def test_what_a_preset_forbids_no_library_can_teach_otherwise(self) -> None:
        twins = np.full((5000, len(COMPARISONS)), 1, np.uint8)
        twins[:, :3] = 7
        other_part = twins.copy()
        other_part[:, 0] = COMPARISONS[0].levels.index("other part numbers")
        fitted = model.fit(shipped.shipped_model(SETTINGS), pack(np.concatenate([twins, other_part])))
        assert fitted.weights(pack(other_part[:1]))[0] < 0 < fitted.weights(pack(twins[:1]))[0]

    def test_packing_keeps_every_level(self) -> None:
        levels = np.random.default_rng(1).integers(0, 10, (50, len(COMPARISONS))).astype(np.uint8)
        np.testing.assert_array_equal(unpack(pack(levels)), levels)

    def test_tables_survive_being_stored(self) -> None:
        beliefs = shipped.shipped_model(SETTINGS)
        codes = np.arange(20)
        np.testing.assert_array_equal(model.from_bytes(beliefs.to_bytes()).weights(codes), beliefs.weights(codes))

    def test_other_bytes_are_refused(self) -> None:
        with pytest.raises(ValueError, match="not written by this engine"):
            model.from_bytes(b"{}")


class TestFeatures:
    def test_equal_records_have_equal_features_wherever_they_stand(self) -> None:
        records = normalise.normalise(tracks(song("I Got"), song("Elsewhere"), song("I Got")), SETTINGS)
        values, rows = features.features(records, 0, 3)
        assert sorted(values[rows == 0].tolist()) == sorted(values[rows == 2].tolist())
