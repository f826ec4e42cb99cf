"""What a finished run leaves on disk for the refresh that follows it.

A full run leaves an index (the engine's frozen tables) and its result; a refresh that started from one leaves only its
result. Nothing here is needed for reading results: what is missing, damaged or made by another matcher costs the next
refresh a full run and nothing else.
"""

import shutil
import uuid
from pathlib import Path

import numpy as np
import polars as pl

from duplicates.engine.index import PARTS, Index, from_parts
from duplicates.engine.progress import Arrays
from duplicates.engine.records import Clusters
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.checkpoints import StageCheckpoints
from duplicates.services.detecting import Detection
from duplicates.services.found import frame_bytes, frame_of
from duplicates.services.work_folder import index_folder

RESULT = "result"


class IndexShelf(StageCheckpoints):
    """The parts that one analysis leaves, written and checked like checkpoints; no power cut is worth waiting for."""

    is_flushed = False
    without = "The next refresh will match every track: what it starts from could not be kept ({why})."

    def discard_if_incomplete(self) -> None:
        """Remove everything when a part could not be kept: the others are of no use without it."""
        if self.notes:
            shutil.rmtree(index_folder(self._analysis_id), ignore_errors=True)

    def _path(self, stage: str) -> Path:
        return index_folder(self._analysis_id) / f"{stage}.checkpoint"


def shelf_of(analysis: DuplicateAnalysisResult, engine_fingerprint: str) -> IndexShelf:
    """Return the shelf of an analysis; what lies there belongs to it, its matcher and the library it read."""
    seen = f"{analysis.library_revision}-{analysis.library_track_count}"
    return IndexShelf(analysis.pk, f"{engine_fingerprint}-{seen}-{analysis.pk}")


def load_index(analysis_id: uuid.UUID, shelf: IndexShelf) -> Index | None:
    """Return what a full run left, None when a part of it is not there or not to be trusted."""
    arrays: Arrays = {}
    for part in PARTS:
        found = shelf.load(part)
        if found is None:
            return None
        arrays |= found
    return from_parts(arrays)


def save_result(shelf: IndexShelf, detection: Detection) -> None:
    """Leave the clusters of a result and the figures of its groups, in the order of their smallest track ids.

    With each its place, by which its saved group is found again.
    """
    clusters = detection.groups.clusters if detection.clusters is None else detection.clusters
    members: Arrays = {"members": clusters.track_ids, "offsets": clusters.offsets, "cohesion": clusters.cohesion}
    shelf.save(RESULT, members | {"figures": frame_bytes(detection.placed.sort("oldest"))})


def load_result(shelf: IndexShelf) -> tuple[Clusters, pl.DataFrame] | None:
    """Return what `save_result` was given, the figures in the order of the clusters."""
    found = shelf.load(RESULT)
    if found is None:
        return None
    figures = frame_of(found["figures"])
    if "place" not in figures.columns:  # left by a release before places were kept
        return None
    clusters = Clusters(
        found["members"].astype(np.int64),
        found["offsets"].astype(np.int64),
        found["cohesion"].astype(np.float32),
        np.empty(0, np.int64),
        b"",
    )
    return clusters, figures
