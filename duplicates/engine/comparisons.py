"""Judging pairs: every field of a pair falls into one level.

Works on whole chunks of pairs. Equal texts are recognised by their hashes; only the others are compared letter by
letter, and only the doubtful ones word by word. No field of one record is ever compared with nothing: where one side is
missing the level is 0, unless its text is found elsewhere in the other record.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process

from duplicates.engine import levels as lv
from duplicates.engine.normalise import Hashes, Ints, Records, hashes
from duplicates.engine.vocabulary import MARKER_BITS

Scores = npt.NDArray[np.float32]

TITLE_CUTS = np.array([50, 65, 78, 88, 96, 100], np.float32)
NAME_CUTS = np.array([45, 60, 75, 88, 96, 100], np.float32)
LENGTH_CUTS_MS = np.array([600, 1300, 3000, 6000, 10_000, 20_000], np.int64)
CONTAINS, ELSEWHERE, OTHER_PART = 8, 9, 9
DOUBTFUL = 88.0  # below this ratio words are compared as sets, too
SAME_VERSION_NAME = 80.0
QUIET_MARKERS = MARKER_BITS["remaster"] | MARKER_BITS["mono"] | MARKER_BITS["explicit"] | MARKER_BITS["clean"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records with the hashes that make equality cheap."""

    records: Records
    hash_of: dict[str, Hashes]


def prepare(records: Records) -> Prepared:
    """Hash every text that pairs are compared by."""
    names = ("title_key", "whole_key", "artist_key", "album_key", "version", "numbers")
    return Prepared(records, {name: hashes(records.texts[name]) for name in names})


def compare(prepared: Prepared, left: Ints, right: Ints) -> lv.Levels:
    """Return the comparison vector of each pair."""
    levels = np.zeros((len(left), len(lv.COMPARISONS)), np.uint8)
    levels[:, lv.TITLE] = _title(prepared, left, right)
    levels[:, lv.ARTIST] = _name(prepared, "artist", left, right)
    levels[:, lv.ALBUM] = _name(prepared, "album", left, right)
    records = prepared.records
    levels[:, lv.LENGTH] = _length(records.duration_ms[left], records.duration_ms[right])
    levels[:, lv.YEAR] = _year(records.year[left], records.year[right])
    levels[:, lv.NUMBER] = _equal(records.number[left], records.number[right], nothing=0)
    levels[:, lv.VERSION] = _version(prepared, left, right)
    levels[:, lv.EXPLICIT] = _equal(records.explicit[left], records.explicit[right], nothing=-1)
    levels[:, lv.IDENTIFIER] = _identifier(records, left, right)
    return levels


def _title(prepared: Prepared, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    """Compare titles in both of their readings; numbered parts differ however alike their letters are."""
    texts, key = prepared.records.texts, prepared.hash_of["title_key"]
    known = (key[left] != 0) & (key[right] != 0)
    score = np.where(
        key[left] == key[right], np.float32(100), _ratio(texts, "title", left, right, known & (key[left] != key[right]))
    )
    whole = prepared.hash_of["whole_key"]
    read_again = known & (score < DOUBTFUL) & ((whole[left] != 0) | (whole[right] != 0))
    score[read_again] = np.maximum(score[read_again], _ratio_whole(texts, left[read_again], right[read_again]))
    level = np.searchsorted(TITLE_CUTS, score, side="right") + 1
    level = np.where(
        (score < DOUBTFUL) & _contains(texts, "title", left, right, known & (score < DOUBTFUL)), CONTAINS, level
    )
    numbers = prepared.hash_of["numbers"]
    other_part = (numbers[left] != numbers[right]) & (numbers[left] != 0) & (numbers[right] != 0) & (level > 2)
    return np.where(known, np.where(other_part, OTHER_PART, level), 0).astype(np.uint8)


def _name(prepared: Prepared, field: str, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    """Compare artists or albums; a name missing on one side may stand elsewhere in the other record."""
    texts, key = prepared.records.texts, prepared.hash_of[f"{field}_key"]
    known = (key[left] != 0) & (key[right] != 0)
    score = np.where(
        key[left] == key[right], np.float32(100), _ratio(texts, field, left, right, known & (key[left] != key[right]))
    )
    level = np.searchsorted(NAME_CUTS, score, side="right") + 1
    level = np.where(
        (score < DOUBTFUL) & _contains(texts, field, left, right, known & (score < DOUBTFUL)), CONTAINS, level
    )
    return np.where(known, level, _elsewhere(texts, field, key, left, right)).astype(np.uint8)


def _ratio(texts: pl.DataFrame, field: str, left: Ints, right: Ints, wanted: npt.NDArray[np.bool_]) -> Scores:
    """Return the better of the letter ratio without spaces and the ratio of sorted words, 0 where not wanted."""
    score = np.zeros(len(left), np.float32)
    rows = np.flatnonzero(wanted)
    if not len(rows):
        return score
    key = texts[f"{field}_key"]
    score[rows] = _pairwise(fuzz.ratio, key, key, left[rows], right[rows])
    rows = rows[score[rows] < DOUBTFUL]
    words = texts[field]
    score[rows] = np.maximum(score[rows], _pairwise(fuzz.token_sort_ratio, words, words, left[rows], right[rows]))
    return score


def _ratio_whole(texts: pl.DataFrame, left: Ints, right: Ints) -> Scores:
    """Return the best ratio that uses the other reading of at least one title."""
    plain = texts["title_key"]
    whole = pl.select(pl.when(texts["whole_key"] == "").then(plain).otherwise(texts["whole_key"])).to_series()
    best = _pairwise(fuzz.ratio, whole, whole, left, right)
    for one, other in ((plain, whole), (whole, plain)):
        best = np.maximum(best, _pairwise(fuzz.ratio, one, other, left, right))
    return best


def _contains(
    texts: pl.DataFrame, field: str, left: Ints, right: Ints, wanted: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Tell where the words of one side are all among the words of the other."""
    result = np.zeros(len(left), np.bool_)
    rows = np.flatnonzero(wanted)
    if len(rows):
        result[rows] = _pairwise(fuzz.token_set_ratio, texts[field], texts[field], left[rows], right[rows]) >= 100
    return result


def _elsewhere(texts: pl.DataFrame, field: str, key: Hashes, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    """Return ELSEWHERE where the name one side has is among all the words of the other side, else 0."""
    level = np.zeros(len(left), np.uint8)
    one_sided = (key[left] == 0) != (key[right] == 0)
    rows = np.flatnonzero(one_sided)
    if not len(rows):
        return level
    having = np.where(key[left[rows]] != 0, left[rows], right[rows])
    lacking = np.where(key[left[rows]] != 0, right[rows], left[rows])
    everything = texts.select(
        pl.concat_str("title", "whole", "artist", "credits", "album", "version", separator=" ")
    ).to_series()
    name, text = texts[field].gather(having).to_list(), everything.gather(lacking).to_list()
    level[rows] = [
        ELSEWHERE if len(one) > 2 and fuzz.partial_ratio(one, other) >= 85 else 0
        for one, other in zip(name, text, strict=True)
    ]
    return level


def _pairwise(scorer: Any, one: pl.Series, other: pl.Series, left: Ints, right: Ints) -> Scores:
    if not len(left):
        return np.empty(0, np.float32)
    return process.cpdist(one.gather(left).to_list(), other.gather(right).to_list(), scorer=scorer, dtype=np.float32)


def _length(left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    apart = np.searchsorted(LENGTH_CUTS_MS, np.abs(left - right), side="left") + 1
    return np.where((left > 0) & (right > 0), apart, 0).astype(np.uint8)


def _year(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    apart = np.abs(left - right)
    apart = np.minimum(apart, 100 - apart)
    level = np.searchsorted(np.array([0, 1, 3]), apart, side="left") + 1
    return np.where((left >= 0) & (right >= 0), level, 0).astype(np.uint8)


def _equal(
    left: npt.NDArray[np.signedinteger], right: npt.NDArray[np.signedinteger], *, nothing: int
) -> npt.NDArray[np.uint8]:
    known = (left != nothing) & (right != nothing)
    return np.where(known, np.where(left == right, 1, 2), 0).astype(np.uint8)


def _version(prepared: Prepared, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    """Compare version markers; remasters and mono or stereo are quieter differences than live or remix."""
    markers, text = prepared.records.markers, prepared.hash_of["version"]
    loud_left, loud_right = markers[left] & ~QUIET_MARKERS, markers[right] & ~QUIET_MARKERS
    level = np.where(loud_left == loud_right, 2, np.where((loud_left == 0) | (loud_right == 0), 5, 6))
    level = np.where((loud_left == 0) & (loud_right == 0), np.where(markers[left] == markers[right], 1, 3), level)
    rows = np.flatnonzero((level == 2) & (text[left] != text[right]))
    words = prepared.records.texts["version"]
    level[rows[_pairwise(fuzz.token_sort_ratio, words, words, left[rows], right[rows]) < SAME_VERSION_NAME]] = 4
    return level.astype(np.uint8)


def _identifier(records: Records, left: Ints, right: Ints) -> npt.NDArray[np.uint8]:
    """Compare ISRC and recording id: one equal pair is enough, a different one counts when nothing is equal."""
    level = np.zeros(len(left), np.uint8)
    for values in (records.isrc, records.recording_id):
        known = (values[left] != 0) & (values[right] != 0)
        same = known & (values[left] == values[right])
        level = np.where(same | (level == 1), 1, np.where(known, 2, level))
    return level.astype(np.uint8)
