"""What a full run leaves behind, so that a later run need only look at what changed.

Its tables are frozen: how common each feature was, what each record's weights were scaled by and how far its budget
reached, the partners it named, and the model. A record that has not changed keeps its row here; with the tables frozen,
only what changed and what shares something with it can come out differently.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.progress import Arrays

# Handed the name of a part and its arrays as soon as a run has them.
Leave = Callable[[str, Arrays], None]
PARTS = ("records", "features", "lists", "clusters")

_Rows = npt.NDArray[np.int32]
_Floats = npt.NDArray[np.float32]
_Flags = npt.NDArray[np.bool_]


def leave_nothing(part: str, arrays: Arrays) -> None:
    """Forget a part: for runs nobody will start from."""


@dataclass(frozen=True, slots=True)
class Index:
    """A finished full run as columns; entry r of the first ones belongs to record r, ordered by track id."""

    # records
    track_id: Ints
    letters: Hashes
    duration_ms: Ints
    prints: Hashes  # equal for records that say the same, 0 for those too thin to have copies
    original: _Rows  # row of the first record that says the same
    # features
    features: Hashes  # feature and row in one number, of originals only, ascending, each once
    # lists
    scale: _Floats
    bands: npt.NDArray[np.uint8]  # bands of frequency that the record's budget covers
    silent: _Flags  # holds nothing rare enough to look up
    starts: Ints  # the partners of record r are partner[starts[r]:starts[r + 1]]
    partner: _Rows
    share: _Floats
    # clusters
    component: _Rows  # equal for records joined by links, over however many others
    thin: _Flags
    bare: _Flags  # see `pipeline.bare`
    forbidden: Ints  # pairs of track ids that were declared different
    members: Ints  # track ids, cluster by cluster
    offsets: Ints
    cohesion: _Floats
    tables: npt.NDArray[np.uint8]  # the fitted model

    def __len__(self) -> int:
        return len(self.track_id)

    def rows_of(self, track_ids: Ints) -> Ints:
        """Return the rows of those of the track ids that are here, ascending."""
        place = np.searchsorted(self.track_id, track_ids).clip(0, max(len(self) - 1, 0))
        return np.unique(place[self.track_id[place] == track_ids]) if len(self) else place[:0]


def from_parts(arrays: Arrays) -> Index:
    """Return the index whose parts were left, all their arrays together. Raises KeyError when one is missing."""
    return Index(**{field.name: arrays[field.name] for field in fields(Index)})  # type: ignore[arg-type]
