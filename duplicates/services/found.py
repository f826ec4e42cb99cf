"""Turns a detection into plain arrays and back, so that what was found outlives the process that found it.

Used to go on saving after a kill, to save again after a failed save, and to export a result that could not be saved.
"""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from duplicates.choices import ITunesMatch
from duplicates.engine.records import Clusters, Groups
from duplicates.services.detecting import Detection
from duplicates.services.itunes import CrossReference, Finding

Arrays = dict[str, npt.NDArray[np.generic]]

_CLUSTER_ARRAYS = ("track_ids", "offsets", "cohesion", "not_enough_data")
_GROUP_ARRAYS = ("keeper_ids", "probability", "match_weight", "evidence", "matches_keeper")


def to_arrays(detection: Detection) -> Arrays:
    """Return the detection as named arrays."""
    groups, clusters = detection.groups, detection.groups.clusters
    arrays: Arrays = {name: getattr(clusters, name) for name in _CLUSTER_ARRAYS}
    arrays |= {name: getattr(groups, name) for name in _GROUP_ARRAYS}
    arrays["tables"] = np.frombuffer(clusters.tables, np.uint8)
    arrays["shown"] = frame_bytes(detection.shown)
    arrays["rest"] = _json_bytes(
        {
            "narrowed": clusters.narrowed,
            "figures": clusters.figures,
            "keeper_rules": groups.keeper_rules,
            "keeper_reasons": groups.keeper_reasons,
            "track_count": detection.track_count,
            "revision": detection.revision,
            "engine_fingerprint": detection.engine_fingerprint,
            "note": detection.cross_reference.note,
            "findings": {
                str(track_id): _plain(found) for track_id, found in detection.cross_reference.findings.items()
            },
        }
    )
    return arrays


def from_arrays(arrays: Arrays) -> Detection:
    """Return the detection that `to_arrays` was given. Raises KeyError or ValueError for anything else."""
    kept: dict[str, Any] = {name: arrays[name] for name in (*_CLUSTER_ARRAYS, *_GROUP_ARRAYS)}
    rest = orjson.loads(arrays["rest"].tobytes())
    clusters = Clusters(
        **{name: kept[name] for name in _CLUSTER_ARRAYS},
        tables=arrays["tables"].tobytes(),
        narrowed=tuple(rest["narrowed"]),
        figures=rest["figures"],
    )
    groups = Groups(
        clusters,
        keeper_rules=rest["keeper_rules"],
        keeper_reasons=rest["keeper_reasons"],
        **{name: kept[name] for name in _GROUP_ARRAYS},
    )
    findings = {int(track_id): _finding(found) for track_id, found in rest["findings"].items()}
    return Detection(
        track_count=rest["track_count"],
        groups=groups,
        shown=frame_of(arrays["shown"]),
        cross_reference=CrossReference(findings, rest["note"]),
        engine_fingerprint=rest["engine_fingerprint"],
        revision=rest["revision"],
    )


def frame_bytes(frame: pl.DataFrame) -> npt.NDArray[np.uint8]:
    """Return a frame as the bytes of one file."""
    written = io.BytesIO()
    frame.write_ipc(written)
    return np.frombuffer(written.getvalue(), np.uint8)


def frame_of(written: npt.NDArray[np.generic]) -> pl.DataFrame:
    """Return the frame that `frame_bytes` was given."""
    return pl.read_ipc(io.BytesIO(written.tobytes()))


def _json_bytes(values: dict[str, Any]) -> npt.NDArray[np.uint8]:
    return np.frombuffer(orjson.dumps(values), np.uint8)


def _plain(found: Finding) -> list[Any]:
    return [str(found.match), found.confidence, found.persistent_id, list(found.differences)]


def _finding(plain: list[Any]) -> Finding:
    match, confidence, persistent_id, differences = plain
    return Finding(ITunesMatch(match), confidence, persistent_id, tuple(differences))
