"""Matching only what changed gives what a full run with the same frozen tables gives, whatever changed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duplicates.engine import candidates, incremental, neighbours, postings
from duplicates.engine.incremental import Again, find_again
from duplicates.engine.index import PARTS, Index, from_parts
from duplicates.engine.pipeline import choose_keepers, find_clusters
from duplicates.engine.records import KEEPER_SCHEMA, TRACK_SCHEMA, Clusters, Groups, TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from tests.engine.support import groups_of
from tests.forms import examples

Ints = npt.NDArray[np.int64]
Row = dict[str, Any]
EXAMPLES = examples(0.3)
NO_PAIRS: Ints = np.empty((0, 2), np.int64)

# Few words, so that random songs have much in common; some are other scripts, some say nothing.
WORDS = ("harbour", "lights", "tune", "night", "río", "群", "Группа", "live", "remix", "part", "2", "iv", "", "unknown")
ARTISTS = ("Nina Vale", "The Quiet Tide", "Vale & Tide", "Nina", "", "Кино", "Various Artists", "Foundry Row")
ALBUMS = ("Low Water", "Almanac", "", "Low Water (Deluxe)", "Sparks")

titles = st.lists(st.sampled_from(WORDS), min_size=0, max_size=4).map(" ".join)
songs = st.fixed_dictionaries(
    {
        "title": titles,
        "artist": st.sampled_from(ARTISTS),
        "album": st.sampled_from(ALBUMS),
        "duration_ms": st.sampled_from((None, 180_000, 180_400, 201_000, 242_313)),
        "year": st.sampled_from((None, 1999, 2004)),
        "track_number": st.sampled_from((None, 1, 2, 7)),
        "unparsed": st.sampled_from((None, None, None, "unk.", "nina vale")),
    }
)
libraries = st.dictionaries(st.integers(1, 60), songs, min_size=2, max_size=40)
pairs = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), max_size=4)


def columns_of(library: dict[int, Row]) -> TrackColumns:
    rows = [{"track_id": key, **row} for key, row in sorted(library.items())]
    return TrackColumns(pl.DataFrame([{name: row.get(name) for name in TRACK_SCHEMA} for row in rows], TRACK_SCHEMA))


def index_of(columns: TrackColumns, wanted: EngineSettings, declared: Ints = NO_PAIRS) -> tuple[Index, Clusters]:
    arrays: dict[str, Any] = {}
    parts = []

    def leave(part: str, left: dict[str, Any]) -> None:
        parts.append(part)
        arrays.update({name: array.copy() for name, array in left.items()})

    clusters = find_clusters(columns, wanted, not_duplicates=declared, leave=leave)
    assert parts == list(PARTS)
    return from_parts(arrays), clusters


def again(
    index: Index, before: TrackColumns, now: TrackColumns, wanted: EngineSettings, declared: Ints, *, everything: bool
) -> Again:
    """Match again what differs between two libraries, or everything: that is a full run with the frozen tables."""
    changed = (
        now.frame if everything else now.frame.join(before.frame, on=now.frame.columns, how="anti", nulls_equal=True)
    )
    gone = np.setdiff1d(before.frame["track_id"].to_numpy(), now.frame["track_id"].to_numpy())

    def read(ids: Ints) -> TrackColumns:
        assert not everything, "A full run reads everything at once."
        assert not set(ids.tolist()) & set(changed["track_id"].to_list()), "What changed is known."
        return TrackColumns(now.frame.filter(pl.col("track_id").is_in(ids.tolist())))

    return find_again(index, TrackColumns(changed), gone, read, wanted, not_duplicates=declared)


def groups(columns: TrackColumns, clusters: Clusters, wanted: EngineSettings) -> Groups:
    ids = columns.frame["track_id"]
    signals = {"track_id": ids, "play_count": ids * 7919 % 5, "added_at": ids * 104_729 % 1000}
    frame = pl.DataFrame(signals).with_columns(
        pl.lit(None).alias(name) for name in KEEPER_SCHEMA if name not in signals
    )
    wanted_columns = frame.select(list(KEEPER_SCHEMA)).cast(KEEPER_SCHEMA)  # type: ignore[arg-type]
    return choose_keepers(columns, replace(clusters, judged=None), wanted_columns, wanted)


def said(groups: Groups) -> list[Any]:
    """Return everything that a result says."""
    return [
        groups_of(groups.clusters),
        groups.clusters.cohesion.tolist(),
        groups.clusters.not_enough_data.tolist(),
        groups.clusters.narrowed,
        groups.keeper_ids.tolist(),
        groups.keeper_rules,
        groups.keeper_reasons,
        groups.probability.tolist(),
        groups.evidence.tolist(),
        groups.matches_keeper.tolist(),
    ]


@pytest.fixture(scope="module", params=[False, True], ids=["limits as they are", "tight limits"])
def limits(request: pytest.FixtureRequest) -> Iterator[None]:
    """The limits of a million tracks, brought down to where libraries of forty reach them."""
    caps = np.array([2, 3, 4, 6, 8])
    tight = {"BEST": 2, "POSTINGS_BUDGET": 8, "ALWAYS_READ": 1, "CAPS": caps, "GROWTH": 1, "ROOM": 1}
    tight["BAND_OF"] = np.searchsorted(caps, np.arange(caps[-1] + 1)).astype(np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tight.items() if request.param else ():
            for module in (postings, candidates, neighbours, incremental):
                if hasattr(module, name):
                    patch.setattr(module, name, value)
        yield


edits_of = st.dictionaries(st.integers(1, 75), st.none() | songs, max_size=12)


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(preset=st.sampled_from(Preset), before=libraries, edits=edits_of, data=st.data())
def test_an_incremental_run_equals_a_full_one_on_the_same_tables(
    limits: None, preset: Preset, before: dict[int, Row], edits: dict[int, Row | None], data: st.DataObject
) -> None:
    wanted = EngineSettings(preset=preset, threads=1)
    declared = [np.array(data.draw(pairs), np.int64).reshape(-1, 2) for _ in range(2)]
    after = {key: row for key, row in (before | edits).items() if row is not None}
    then, now = columns_of(before), columns_of(after)
    index, _ = index_of(then, wanted, declared[0])

    few = again(index, then, now, wanted, declared[1], everything=False)
    full = again(index, then, now, wanted, declared[1], everything=True)

    assert said(groups(now, few.clusters, wanted)) == said(groups(now, full.clusters, wanted))


@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(library=libraries, declared=pairs)
def test_a_full_run_on_the_tables_of_its_own_library_equals_the_ordinary_run(
    limits: None, library: dict[int, Row], declared: list[tuple[int, int]]
) -> None:
    wanted, columns = EngineSettings(threads=1), columns_of(library)
    differ = np.array(declared, np.int64).reshape(-1, 2)
    index, clusters = index_of(columns, wanted, differ)

    full = again(index, columns, columns, wanted, differ, everything=True)

    assert said(groups(columns, full.clusters, wanted)) == said(groups(columns, clusters, wanted))
    assert full.clusters.tables == clusters.tables
