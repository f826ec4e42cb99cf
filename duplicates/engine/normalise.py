"""From track columns to records the matcher can compare.

Every text column is folded, blanks become missing, titles and credits are taken apart. Records come out ordered by
track id, so nothing later can depend on the order of the file, and each record is read alone, so any part of a library
can be normalised anywhere. What a record lacks is empty text, 0 or -1; two empty values are never equal to anyone
downstream.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz

from duplicates.engine import vocabulary as say
from duplicates.engine.hashing import Hashes, Ints, Letters, letters
from duplicates.engine.misplaced import (
    free_title,
    is_displaced,
    is_number_like,
    length_among,
    length_of,
    rows_with_values,
)
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from duplicates.engine.text import fold, romanised, to_words, without_spaces
from duplicates.engine.titles import (
    BUILT_IN,
    ParsedTitle,
    Vocabulary,
    needs_parsing,
    parse_title,
    vocabulary_of,
)

Small = npt.NDArray[np.int32]

CHUNK = 25_000  # records read at a time: bounds memory and the wait for a cancel
LONGEST_BLANK = 24  # letters
ALMOST_UNKNOWN = 85.0  # of 100: "[unkown]"
_NOTHING = ParsedTitle("")
LONGEST_TEXT = 1000  # letters; nobody tells songs apart by what lies beyond
NO_ALBUM = np.uint64(1)  # under `exact` having no album is a value: two tracks without one agree, one without does not
LONGEST_MS = 1 << 40
TEXTS = ("title", "other", "artist", "album", "credits", "version", "unparsed")
_BLANK_STARTS = frozenset(" ()-.ý") | {blank[:1] for blank in say.BLANKS}
_FIELD_COLUMNS = {"duration": "duration_ms"}


@dataclass(frozen=True, slots=True)
class Records:
    """The normalised library, one entry per record, ordered by track id. Hashes ignore spaces; 0 is nothing."""

    track_id: Ints
    texts: pl.DataFrame  # TEXTS as words
    title: Hashes
    full: Hashes  # the title as it stands, before anything was taken out of it
    other: Hashes  # another reading of an ambiguous title
    artist: Hashes
    album: Hashes
    version: Hashes
    is_guess: npt.NDArray[np.bool_]  # the artist was guessed from the title and may be the title
    letters: Hashes  # letter pairs of the title as a bit set, in Latin letters, too, when it has others
    is_generic: npt.NDArray[np.bool_]  # the title is one that thousands of songs have: "Intro", "Track 01"
    markers: Small  # bit set of vocabulary.MARKERS
    duration_ms: Ints  # 0: not known
    year: Small  # of the century, -1: not known
    number: Small  # 0: not known
    disc: Small  # 0: not known
    explicit: npt.NDArray[np.int8]  # -1: not known
    isrc: Hashes
    recording_id: Hashes

    def __len__(self) -> int:
        return len(self.track_id)

    def __getitem__(self, rows: slice) -> "Records":
        return Records(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def normalise(
    columns: TrackColumns, settings: EngineSettings, advance: Callable[[int], None] = lambda done: None
) -> Records:
    """Return the records of a library; ignored fields are blank. `advance` hears how many records are done."""
    frame = _without_ignored(columns.frame, settings)
    if not frame["track_id"].is_sorted():
        frame = frame.sort("track_id")
    if not frame.height:
        return _normalise(pl.DataFrame([{"track_id": 0}], schema=frame.schema), BUILT_IN)[:0]
    parts, vocabulary = [], vocabulary_of(settings.version_words)
    for start in range(0, frame.height, CHUNK):
        parts.append(_normalise(frame.slice(start, CHUNK), vocabulary))
        advance(min(start + CHUNK, frame.height))
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Records)
        if field.name != "texts"
    }
    if settings.preset is Preset.EXACT:
        joined["album"] = np.maximum(joined["album"], NO_ALBUM)
    return Records(texts=pl.concat([part.texts for part in parts], rechunk=True), **joined)


def _without_ignored(frame: pl.DataFrame, settings: EngineSettings) -> pl.DataFrame:
    """Blank the columns this run must not look at."""
    names = [_FIELD_COLUMNS.get(name, name) for name in sorted(settings.ignored_fields)]
    return frame.with_columns(pl.lit(None).cast(frame.schema[name]).alias(name) for name in names)


def _normalise(frame: pl.DataFrame, vocabulary: Vocabulary) -> Records:
    """Normalise one chunk of track columns."""
    title, artist, album_artist, album = (_folded(frame[name]) for name in ("title", "artist", "album_artist", "album"))
    unparsed = _unparsed(frame["unparsed"])
    number, duration = (frame[name].fill_null(0).to_list() for name in ("track_number", "duration_ms"))
    artist = [own or other for own, other in zip(_named(artist), _named(album_artist), strict=True)]
    album_parts = [_album_core(text) for text in album]
    album, years = [core for core, _ in album_parts], [year for _, year in album_parts]
    _put_back(title, artist, unparsed, duration, years, number)
    full = letters(without_spaces(to_words(title))).whole()
    parsed = _parse_titles(title, artist, album, number, vocabulary)
    artist = [own or found for own, found in zip(artist, parsed["artist"], strict=True)]
    album = [own or _album_core(found)[0] for own, found in zip(album, parsed["album"], strict=True)]
    markers = np.array(parsed["markers"], np.int32)
    title_block = to_words(parsed["core"])
    title_key = letters(without_spaces(title_block))
    named = {"other": parsed["other"], "artist": artist, "album": album}
    named |= {"credits": parsed["credits"], "version": parsed["version"], "unparsed": unparsed}
    words = {name: _words_once(texts) for name, texts in named.items()}
    texts = {"title": _series(title_block)} | {name: series for name, (series, _) in words.items()}
    disc = frame["disc_number"].fill_null(0).cast(pl.Int32).to_numpy()
    found_year = pl.Series(years, dtype=pl.Int32)
    year = frame["year"].fill_null(frame["release_date"].dt.year()).fill_null(found_year)
    return Records(
        track_id=frame["track_id"].to_numpy(),
        texts=pl.DataFrame({name: texts[name] for name in TEXTS}),
        title=title_key.whole(),
        **{name: words[name][1] for name in ("other", "artist", "album", "version")},
        full=full,
        letters=_signature(title_key, texts["title"]),
        is_generic=texts["title"].str.contains(say.GENERIC_TITLE).to_numpy(),
        markers=markers,
        is_guess=np.array(parsed["is_guess"], np.bool_),
        duration_ms=np.array(duration, np.int64).clip(0, LONGEST_MS),
        year=(year % 100).fill_null(-1).cast(pl.Int32).to_numpy(),
        number=np.array(number, np.int32),
        disc=disc,
        explicit=_explicit(frame["explicit"], markers),
        isrc=_identifiers(frame["isrc"]),
        recording_id=_identifiers(frame["musicbrainz_recording_id"]),
    )


def _unparsed(texts: pl.Series) -> list[str]:
    """Return the values nobody could read, folded, without those that say nothing."""
    if texts.null_count() == len(texts):
        return [""] * len(texts)
    rows = [(row, line) for row, text in enumerate(texts.to_list()) if text for line in text.split("\n")]
    kept = [""] * len(texts)
    for (row, _), line in zip(rows, _known(fold([line for _, line in rows])) if rows else [], strict=True):
        kept[row] = f"{kept[row]} {line}".strip()
    return kept


def _words_once(texts: list[str]) -> tuple[pl.Series, Hashes]:
    """Return the words of texts and the hashes of their letters, working each distinct text out once."""
    once: dict[str, int] = {}
    place = np.array([once.setdefault(text, len(once)) for text in texts], np.int64)
    block = to_words(list(once))
    return _series(block).gather(place), letters(without_spaces(block)).whole()[place]


def _series(block: bytes) -> pl.Series:
    return pl.Series(block.decode().split("\n"), dtype=pl.String)


def _put_back(
    titles: list[str],
    artists: list[str],
    unparsed: list[str],
    durations: list[int],
    years: list[int | None],
    numbers: list[int],
) -> None:
    """Move values that stand in the wrong column where they belong, as far as their shape tells.

    A row that slid one column to the right has its number for a title and its length for an artist.
    """
    for row in [row for row, text in enumerate(unparsed) if text]:
        durations[row] = durations[row] or length_among(unparsed[row])
        title = titles[row]
        if is_displaced(unparsed[row]) and is_number_like(title):
            numbers[row], titles[row] = (int(title) if title.isdecimal() and len(title) <= 3 else 0), ""
            durations[row] = length_of(artists[row])
            artists[row] = "" if is_number_like(artists[row]) else artists[row]
    for row in rows_with_values(titles):
        freed = free_title(titles[row])
        titles[row] = freed.title
        durations[row] = durations[row] or freed.duration_ms
        years[row] = years[row] or freed.year or None


def _folded(texts: pl.Series) -> list[str]:
    """Return a text column folded, without the values that say nothing."""
    if texts.null_count() == len(texts):
        return [""] * len(texts)
    once: dict[str, int] = {}
    cut = texts.fill_null("").str.slice(0, LONGEST_TEXT)
    place = [once.setdefault(text, len(once)) for text in cut.to_list()]
    plain = _known(fold(list(once)))
    return [plain[at] for at in place]


def _known(folded: list[str]) -> list[str]:
    """Empty the values that only say that nothing is known, `[Unknown]` and `n.a.` among them."""
    return ["" if text[:1] in _BLANK_STARTS and _says_nothing(text) else text for text in folded]


def _says_nothing(text: str) -> bool:
    """Tell whether a folded value is a blank: in words, misspelt in brackets, numbered, or lost letters alone."""
    plain = text.strip(" ()-.")
    if len(text) >= LONGEST_BLANK:
        return not plain.strip("?ý ")
    if plain in say.BLANKS or not plain.strip("?ý "):
        return True
    if plain.startswith("unknown"):
        return plain.rstrip(" (0123456789") in say.BLANKS
    return text[0] == "(" and text[-1] == ")" and fuzz.ratio(plain, "unknown") >= ALMOST_UNKNOWN


def _named(artists: list[str]) -> list[str]:
    """Empty the artists that stand for nobody in particular: `Various Artists`."""
    return ["" if artist in say.NO_ARTIST else artist for artist in artists]


def _signature(title: Letters, words: pl.Series) -> Hashes:
    """Return the letter pairs of titles, with those of their Latin spelling where they are written otherwise."""
    signs = title.signature()
    rows = np.flatnonzero((words.str.len_bytes() != words.str.len_chars()).to_numpy())
    if len(rows):
        spelt = "\n".join(romanised(text) for text in words.gather(rows).to_list())
        signs[rows] |= letters(spelt.encode()).signature()
    return signs


@lru_cache(maxsize=1 << 16)
def _album_core(folded: str) -> tuple[str, int | None]:
    """Return an album without its edition, and the year that stood behind it."""
    year = None
    core = folded.strip()
    if "(" not in core and not core.endswith((" ep", " single")):
        return core, year
    while found := say.EDITION.search(core):
        year = int(found["year"]) if found["year"] else year
        core = core[: found.start()].rstrip() if found.start() or found["nothing"] else core
        if not found.start():
            break
    return core, year


def _parse_titles(
    titles: list[str], artists: list[str], albums: list[str], numbers: list[int], vocabulary: Vocabulary
) -> dict[str, list[Any]]:
    """Take apart the titles that have anything to take apart; the others are their own core."""
    rows = [row for row, title in enumerate(titles) if needs_parsing(title)]
    parsed = [parse_title(titles[row], artists[row], albums[row], numbers[row], vocabulary) for row in rows]
    columns: dict[str, list[Any]] = {"core": titles.copy()}
    for place, (name, nothing) in enumerate(zip(ParsedTitle._fields, _NOTHING, strict=True)):
        column = columns.setdefault(name, [nothing] * len(titles))
        for row, parts in zip(rows, parsed, strict=True):
            column[row] = parts[place]
    return columns


def _explicit(flags: pl.Series, markers: Small) -> npt.NDArray[np.int8]:
    """Return 1 for explicit, 0 for clean, -1 for not known, by the flag or else by what the title says."""
    said = np.where(markers & say.MARKER_BITS["explicit"], 1, np.where(markers & say.MARKER_BITS["clean"], 0, -1))
    return np.where(flags.is_null().to_numpy(), said, flags.fill_null(False).cast(pl.Int8).to_numpy()).astype(np.int8)


def _identifiers(texts: pl.Series) -> Hashes:
    """Return hashes of identifiers, whatever their case, spaces or hyphens."""
    if texts.null_count() == len(texts):
        return np.zeros(len(texts), np.uint64)
    plain = texts.fill_null("").str.to_lowercase().str.replace_all("[^a-z0-9]", "")
    return letters("\n".join(plain.to_list()).encode()).whole()
