"""The frozen shapes that pass between the stages of the matcher.

A *record* is one track as the engine sees it: a row position in the columns. Everything wide is columnar (one entry per
record, pair or member) so that a million tracks stay a handful of arrays.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

# What the matcher may look at. An empty or null text, number or flag means "not known", never "equal".
TRACK_SCHEMA: dict[str, pl.DataType] = {
    "track_id": pl.Int64(),
    "title": pl.String(),
    "artist": pl.String(),
    "album_artist": pl.String(),
    "album": pl.String(),
    "genre": pl.String(),
    "track_number": pl.Int32(),
    "disc_number": pl.Int32(),
    "year": pl.Int32(),
    "release_date": pl.Date(),
    "duration_ms": pl.Int64(),
    "isrc": pl.String(),
    "musicbrainz_recording_id": pl.String(),
    "explicit": pl.Boolean(),
    "compilation": pl.Boolean(),
    "unparsed": pl.String(),  # values the importer could not read, joined by newlines: evidence of its own
}

# What a run's keeper rules weigh; needed for the members of groups only, so it is read after the clusters are known.
KEEPER_SCHEMA: dict[str, pl.DataType] = {
    "track_id": pl.Int64(),
    "play_count": pl.Int64(),
    "last_played_at": pl.Int64(),  # seconds since 1970, UTC
    "added_at": pl.Int64(),  # seconds since 1970, UTC
    "rating": pl.Int32(),  # 0-100
    "loved": pl.Boolean(),
    "lossless": pl.Boolean(),
    "bit_rate_kbps": pl.Int32(),
    "size_bytes": pl.Int64(),
    "is_protected": pl.Boolean(),
}

# What any keeper rule may weigh.
PROFILE_SCHEMA: dict[str, pl.DataType] = {
    **KEEPER_SCHEMA,
    **{name: TRACK_SCHEMA[name] for name in ("title", "artist", "album", "album_artist", "genre", "track_number")},
    **{name: TRACK_SCHEMA[name] for name in ("year", "isrc", "musicbrainz_recording_id", "duration_ms")},
    "format": pl.String(),
    "source": pl.String(),
    "location": pl.String(),
    "in_itunes": pl.Boolean(),
    "in_complete_album": pl.Boolean(),
}


LONGEST_COUNTED = 1000  # bytes of one value: nobody tells songs apart by what lies beyond, and it is cut off


@dataclass(frozen=True, slots=True)
class TrackColumns:
    """A library as columns. `frame` has exactly the columns and types of TRACK_SCHEMA."""

    frame: pl.DataFrame

    def __post_init__(self) -> None:
        if dict(self.frame.schema) != TRACK_SCHEMA:
            raise ValueError(f"Track columns must be {list(TRACK_SCHEMA)}, got {self.frame.schema}.")

    def __len__(self) -> int:
        return self.frame.height

    @property
    def text_bytes(self) -> int:
        """Return how many bytes of text the library holds; of longer values the first LONGEST_COUNTED count."""
        counted = pl.col(pl.String).str.len_bytes().clip(upper_bound=LONGEST_COUNTED).sum()
        return int(self.frame.select(pl.sum_horizontal(counted)).item() or 0)


@dataclass(frozen=True, slots=True)
class PairCodes:
    """Packed comparison vectors of pairs of track ids, left < right, ordered by left, then right."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    code: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clusters:
    """Records joined by links, as columns.

    Cluster c holds `track_ids[offsets[c]:offsets[c + 1]]`, ascending; clusters are ordered by their smallest track id.
    """

    track_ids: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    cohesion: npt.NDArray[np.float32]  # per cluster: share of its pairs that are links
    not_enough_data: npt.NDArray[np.int64]  # track ids too thin to judge, ascending
    tables: bytes  # what this run learnt from the library (levels, frequencies); needed to explain its scores later
    narrowed: tuple[str, ...] = ()  # sentences for people: what was looked at less widely, and why
    figures: dict[str, Any] = field(default_factory=dict)  # candidate_pairs, linked_pairs, ...: plain numbers
    # Every pair inside a cluster, judged while the records were at hand; None makes `choose_keepers` judge afresh.
    judged: PairCodes | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True, slots=True)
class Groups:
    """Clusters with a keeper each, and every member judged against it.

    The member columns run parallel to `clusters.track_ids`. The keeper's own probability is 1.
    """

    clusters: Clusters
    keeper_ids: npt.NDArray[np.int64]  # per cluster: the track id to keep
    keeper_rules: list[str]  # per cluster: name of the rule that decided
    keeper_reasons: list[str]  # per cluster: that decision as a sentence with its margin
    probability: npt.NDArray[np.float64]  # per member: match probability against the keeper
    match_weight: npt.NDArray[np.float64]  # per member: the same in bits
    evidence: npt.NDArray[np.int64]  # per member: packed comparison vector against the keeper; see `explain`
    matches_keeper: npt.NDArray[np.bool_]  # per member: a direct link to the keeper, not only a chain
