"""What comparing needs of every record beside its columns, worked out once for all of its pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from duplicates.engine.artists import GUESTS
from duplicates.engine.bags import Bags, bags
from duplicates.engine.hashing import Hashes, Ints
from duplicates.engine.normalise import Records
from duplicates.engine.sorting import distinct
from duplicates.engine.spellings import Flags, Spellings, spellings, word_starts
from duplicates.engine.threads import in_threads

NAMES = ("title", "artist", "album")
ELSEWHERE = ("other", "credits", "unparsed")  # columns in which a title or name may stand besides NAMES
MORE = (*ELSEWHERE, "version")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records with what their comparisons ask for again and again."""

    records: Records
    titles: Bags
    titles_in_latin: Bags  # the same, of titles in other scripts as they are spelt in Latin letters
    readings: Bags  # the same, of the other reading of a title that has one
    spelt: dict[str, Spellings]  # per column of NAMES
    starts: dict[str, Hashes]  # how words begin, see `spellings.word_starts`: per column of NAMES, "more" for MORE
    lacks_name: Flags  # without artist or without album: its title may hold them
    has_more: Flags  # has text in a column of MORE
    title_credits: Flags  # its title names guests
    names_guests: Flags  # its title or version may name people that the artist column does not
    has_identifiers: bool  # has any record one?

    def may_share_words(self, field: str, left: Ints, right: Ints) -> Flags:
        """Tell which pairs have a word in common in this column, or two that begin alike."""
        share: Flags = (self.starts[field][left] & self.starts[field][right]) != 0
        return share


def prepare(records: Records, *, threads: int = 1) -> Prepared:
    """Work out what the comparisons of these records need."""
    texts = records.texts
    has_more = texts.select(pl.any_horizontal(pl.col(MORE) != "")).to_series().to_numpy()
    credits = texts["people"].str.contains(GUESTS, literal=True)
    tasks: list[Callable[[], Any]] = [
        lambda: bags(texts["title"]),  # the longest first, so that no thread is left with it at the end
        *(partial(word_starts, texts[name]) for name in NAMES),
        lambda: _starts_of_more(texts, has_more),
        *(partial(spellings, texts[name]) for name in NAMES),
    ]
    titles, *words = in_threads(lambda task: task(), tasks, threads, ahead=len(tasks))
    starts = dict(zip((*NAMES, "more"), words, strict=False))
    spelt = dict(zip(NAMES, words[len(starts) :], strict=True))
    two_ways = np.flatnonzero(records.other)
    return Prepared(
        records,
        titles,
        titles.with_rows(spelt["title"].foreign, bags(spelt["title"].spelt)),
        titles.with_rows(two_ways, bags(texts["other"].gather(two_ways))),
        spelt,
        starts,
        (records.artist == 0) | (records.album == 0),
        has_more,
        credits.to_numpy(),
        (credits | (texts["version"] != "")).to_numpy(),
        bool(records.isrc.any() or records.recording_id.any()),
    )


def _starts_of_more(texts: pl.DataFrame, has_more: Flags) -> Hashes:
    """Return how the words of the columns of MORE begin."""
    starts = np.zeros(len(texts), np.uint64)
    rows = np.flatnonzero(has_more)
    starts[rows] = word_starts(texts[rows].select(pl.concat_str(MORE, separator=" ")).to_series())
    return starts


def prepare_rows(records: Records, left: Ints, right: Ints) -> tuple[Prepared, Ints, Ints]:
    """Prepare only the records of some pairs; the pairs come back as rows of what is prepared."""
    rows = distinct(np.concatenate([left, right]))
    return prepare(records.taken(rows)), np.searchsorted(rows, left), np.searchsorted(rows, right)
