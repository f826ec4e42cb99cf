"""Linking: which entry of one table is each record of another? The same comparisons and weights as for duplicates.

Used for looking members of groups up in a catalogue. Pairs within either table are left out; the best entry wins, and
of equal ones the one with the smaller id.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from duplicates.engine import model, shipped
from duplicates.engine.candidates import propose
from duplicates.engine.comparisons import compare
from duplicates.engine.levels import pack
from duplicates.engine.normalise import normalise
from duplicates.engine.prepared import prepare_rows
from duplicates.engine.progress import NullProgress, Progress, Stage
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings

Ints = npt.NDArray[np.int64]
COMPARED_AT_ONCE = 200_000  # pairs


@dataclass(frozen=True, slots=True)
class BestLinks:
    """For each record that found an entry: its id, the entry's id and the match probability, ordered by record."""

    record_ids: Ints
    entry_ids: Ints
    probability: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.record_ids)


def best_links(
    columns: TrackColumns,
    is_entry: npt.NDArray[np.bool_],
    settings: EngineSettings,
    *,
    progress: Progress | None = None,
) -> BestLinks:
    """Return the likeliest entry of every record. `is_entry` tells, per row of `columns`, which table it belongs to."""
    progress = NullProgress() if progress is None else progress
    progress.begin(Stage.NORMALISE, len(columns))
    records = normalise(columns, settings, progress.advance)
    entry = is_entry[np.searchsorted(columns.frame["track_id"].to_numpy(), records.track_id)]
    progress.begin(Stage.CANDIDATES, len(columns))
    pairs = propose(records, np.arange(len(records)), progress.advance, settings)
    across = entry[pairs.left] != entry[pairs.right]
    left, right = pairs.left[across], pairs.right[across]
    if not len(left):
        return BestLinks(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    progress.begin(Stage.SCORING, len(left))
    codes = np.empty(len(left), np.int64)
    prepared, left_place, right_place = prepare_rows(records, left, right)
    for start in range(0, len(left), COMPARED_AT_ONCE):
        chunk = slice(start, start + COMPARED_AT_ONCE)
        codes[chunk] = pack(compare(prepared, left_place[chunk], right_place[chunk]))
        progress.advance(min(start + COMPARED_AT_ONCE, len(left)))
    weight = model.fit(shipped.shipped_model(settings), codes).weights(codes)
    record_row, entry_row = np.where(entry[left], right, left), np.where(entry[left], left, right)
    order = np.lexsort((records.track_id[entry_row], -weight, record_row))
    first = order[np.unique(record_row[order], return_index=True)[1]]
    return BestLinks(
        records.track_id[record_row[first]],
        records.track_id[entry_row[first]],
        1.0 / (1.0 + np.exp2(-weight[first].clip(-60, 60))),
    )
