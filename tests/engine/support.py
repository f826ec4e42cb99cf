"""Small helpers the engine tests share."""

import itertools

import polars as pl

from duplicates.engine.pipeline import find_clusters
from duplicates.engine.records import KEEPER_SCHEMA, TRACK_SCHEMA, Clusters, TrackColumns
from duplicates.engine.settings import EngineSettings, Preset


def tracks(*rows: dict[str, object]) -> TrackColumns:
    """Build track columns; ids count from 1 where a row names none."""
    full = [{name: row.get(name) for name in TRACK_SCHEMA} for row in rows]
    for position, row in enumerate(full, 1):
        row["track_id"] = row["track_id"] if row["track_id"] is not None else position
    return TrackColumns(pl.DataFrame(full, schema=TRACK_SCHEMA))


def song(title: str, artist: str = "Nina Vale", album: str = "Harbour Lights", **fields: object) -> dict[str, object]:
    """Return a row for a song with the usual fields filled in."""
    return {"title": title, "artist": artist, "album": album, "duration_ms": 200_000, **fields}


def keeper_columns(*rows: dict[str, object]) -> pl.DataFrame:
    """Build the columns that keeper rules weigh."""
    return pl.DataFrame([{name: row.get(name) for name in KEEPER_SCHEMA} for row in rows], schema=KEEPER_SCHEMA)


def groups_of(clusters: Clusters) -> list[list[int]]:
    """Return the clusters as lists of track ids."""
    edges = itertools.pairwise(clusters.offsets.tolist())
    return [clusters.track_ids[start:stop].tolist() for start, stop in edges]


def grouped(*rows: dict[str, object], preset: Preset = Preset.RECORDING, **settings: object) -> list[list[int]]:
    """Find the clusters of a few tracks."""
    return groups_of(find_clusters(tracks(*rows), EngineSettings(preset=preset, **settings)))  # type: ignore[arg-type]


def pairs_of(groups: list[list[int]]) -> set[tuple[int, int]]:
    """Return every pair that shares a group."""
    return {pair for group in groups for pair in itertools.combinations(sorted(group), 2)}
