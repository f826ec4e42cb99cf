"""From track columns to records the matcher can compare.

Every text column is folded, blanks become missing, titles and credits are taken apart. Records come out ordered by
track id, so nothing later can depend on the order of the file, and each record is read alone, so any part of a library
can be normalised anywhere. What a record lacks is empty text, 0 or -1; two empty values are never equal to anyone
downstream.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz

from duplicates.engine import vocabulary as say
from duplicates.engine.artists import GUESTS, SEPARATES
from duplicates.engine.hashing import Hashes, Ints, Letters, letters
from duplicates.engine.memory import budget
from duplicates.engine.misplaced import (
    MAY_HOLD_VALUES,
    SEEMS_TO_HOLD_VALUES,
    free_title,
    is_displaced,
    is_number_like,
    length_among,
    length_of,
)
from duplicates.engine.parts import Chunk, Keeping, chunks_of, in_parts
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from duplicates.engine.text import fold, without_spaces
from duplicates.engine.text_columns import (
    at_once,
    fold_column,
    joined,
    put,
    romanised_column,
    rows_matching,
    same,
    words_column,
)
from duplicates.engine.title_columns import take_apart
from duplicates.engine.titles import BUILT_IN, Vocabulary, vocabulary_of

Small = npt.NDArray[np.int32]

# Records read at a time: bounds memory and the wait for a cancel. Every call of the column library costs as much for a
# short column as for a longer one, so a large library is read in longer ones, as long as every thread has several.
CHUNK, LONG_CHUNK = 25_000, 60_000
CHUNKS_A_THREAD = 8
LONGEST_BLANK = 32  # letters
ALMOST_UNKNOWN = 85.0  # of 100: "[unkown]"


def _folded_phrases(written: frozenset[str]) -> frozenset[str]:
    """Return phrases of the vocabulary as folded texts have them, with single spaces, too."""
    folded = [text.strip() for text in fold(sorted(written))]
    return frozenset(folded) | {" ".join(text.split()) for text in folded}


BLANKS, NO_ARTIST = _folded_phrases(say.BLANKS), _folded_phrases(say.NO_ARTIST)
_ANY_BLANK = "|".join(re.escape(blank).replace(r"\ ", " +") for blank in sorted(BLANKS) if "  " not in blank)
_AROUND = "[ ().<>-]*"
# A folded text that matches nothing of this is no blank; about the others `_says_nothing` decides.
MAY_BE_BLANK = rf"^{_AROUND}(?:unknown|(?:{_ANY_BLANK}){_AROUND}$|[?ý ().-]*$)|^\(.*\)$"
LONGEST_TEXT = 1000  # letters; nobody tells songs apart by what lies beyond
NO_ALBUM = np.uint64(1)  # under `exact` having no album is a value: two tracks without one agree, one without does not
LONGEST_MS = 1 << 40
WORDS = ("title", "other", "artist", "album", "credits", "version", "unparsed")
TEXTS = (*WORDS, "people")
HASHED = ("title", "other", "artist", "album", "version")
_FIELD_COLUMNS = {"duration": "duration_ms"}


@dataclass(frozen=True, slots=True)
class _Read:
    """The folded columns of one chunk; what says nothing is empty, 0, or -1 for the year of the century."""

    title: pl.Series
    artist: pl.Series
    album: pl.Series
    unparsed: pl.Series
    number: Ints
    duration_ms: Ints
    year: Small


@dataclass(frozen=True, slots=True)
class Records:
    """The normalised library, one entry per record, ordered by track id. Hashes ignore spaces; 0 is nothing."""

    track_id: Ints
    texts: pl.DataFrame  # WORDS as words; people as `artists.read_credit` reads them, where a name alone is not all
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

    def taken(self, rows: Ints) -> "Records":
        """Return these rows, in the order given."""
        return Records(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def normalise(
    columns: TrackColumns,
    settings: EngineSettings,
    advance: Callable[[int], None] = lambda done: None,
    keeping: Keeping["Records"] | None = None,
) -> Records:
    """Return the records of a library; ignored fields are blank. `advance` hears how many records are done.

    Finished parts are kept where `keeping` says, so that they outlive a run that is killed.
    """
    frame = _without_ignored(columns.frame, settings)
    if not frame["track_id"].is_sorted():
        frame = frame.sort("track_id")
    if not frame.height:
        return _normalise(pl.DataFrame([{"track_id": 0}], schema=frame.schema), BUILT_IN)[:0]
    vocabulary = vocabulary_of(settings.version_words)
    size = min(max(CHUNK, frame.height // (CHUNKS_A_THREAD * settings.threads)), LONG_CHUNK)
    size = budget(frame.height, settings, text_bytes=columns.text_bytes).chunk(size)
    chunks = chunks_of(frame.height, size, settings.threads)

    def read(chunk: Chunk) -> Records:
        return _normalise(frame.slice(chunk[0], chunk[1] - chunk[0]), vocabulary)

    parts = in_parts(chunks, read, keeping=keeping, threads=settings.threads, advance=advance)
    records = together(list(parts))
    if settings.preset is Preset.EXACT:
        records = replace(records, album=np.maximum(records.album, NO_ALBUM))
    return records


def together(parts: list[Records]) -> Records:
    """Put runs of records together, in the order given."""
    columns_of = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Records)
        if field.name != "texts"
    }
    return Records(texts=pl.concat([part.texts for part in parts], rechunk=True), **columns_of)


def _without_ignored(frame: pl.DataFrame, settings: EngineSettings) -> pl.DataFrame:
    """Blank the columns this run must not look at."""
    names = [_FIELD_COLUMNS.get(name, name) for name in sorted(settings.ignored_fields)]
    return frame.with_columns(pl.lit(None).cast(frame.schema[name]).alias(name) for name in names)


def _normalise(frame: pl.DataFrame, vocabulary: Vocabulary) -> Records:
    """Normalise one chunk of track columns."""
    read = _read(frame)
    parts = take_apart(read.title, read.artist, read.album, read.number, vocabulary)
    artist = read.artist.zip_with(read.artist != "", parts["artist"])
    found_album = parts["album"] if (read.album == "").any() else read.album
    album = read.album.zip_with(read.album != "", _album_cores(found_album)[0])
    folded = {"title": parts["core"], "other": parts["other"], "artist": artist, "album": album}
    folded |= {"version": parts["version"], "credits": parts["credits"], "unparsed": read.unparsed}
    texts = at_once(words_column, folded) | {"people": _people(artist, parts["credits"])}
    keys = {name: _key(texts[name]) for name in HASHED}
    hashes = {name: key.whole() for name, key in keys.items()}
    markers = parts["markers"].to_numpy()
    return Records(
        track_id=frame["track_id"].to_numpy(),
        texts=pl.DataFrame({name: texts[name] for name in TEXTS}),
        **hashes,
        full=_whole_titles(read.title, parts["core"], hashes["title"]),
        letters=_signature(keys["title"], texts["title"]) | keys["other"].signature(),
        is_generic=texts["title"].str.contains(say.GENERIC_TITLE).to_numpy(),
        markers=markers,
        is_guess=parts["is_guess"].to_numpy(),
        duration_ms=read.duration_ms.clip(0, LONGEST_MS),
        year=read.year,
        number=read.number.astype(np.int32),
        disc=frame["disc_number"].fill_null(0).cast(pl.Int32).to_numpy(),
        explicit=_explicit(frame["explicit"], markers),
        isrc=_identifiers(frame["isrc"]),
        recording_id=_identifiers(frame["musicbrainz_recording_id"]),
    )


def _read(frame: pl.DataFrame) -> _Read:
    """Fold the columns of one chunk and put values where they belong."""
    folded = _folded(frame.select("title", "artist", "album_artist", "album"))
    artist, album_artist = _named(folded["artist"]), _named(folded["album_artist"])
    album, year_behind = _album_cores(folded["album"])
    year = frame["year"].fill_null(frame["release_date"].dt.year())
    read = _Read(
        folded["title"],
        artist.zip_with(artist != "", album_artist),
        album,
        _unparsed(frame["unparsed"]),
        frame["track_number"].fill_null(0).cast(pl.Int64).to_numpy().copy(),
        frame["duration_ms"].fill_null(0).to_numpy().copy(),
        (year.fill_null(year_behind) % 100).fill_null(-1).cast(pl.Int32).to_numpy().copy(),
    )
    rows = rows_matching(read.title, MAY_HOLD_VALUES)
    rows = rows[read.title[rows].str.contains(SEEMS_TO_HOLD_VALUES).to_numpy()]
    rows = np.union1d(rows, np.flatnonzero((read.unparsed != "").to_numpy()))
    return _put_back(read, rows) if len(rows) else read


def _put_back(read: _Read, rows: Ints) -> _Read:
    """Move values that stand in the wrong column where they belong, as far as their shape tells.

    A row that slid one column to the right has its number for a title and its length for an artist.
    """
    titles, artists, unparsed = (texts[rows].to_list() for texts in (read.title, read.artist, read.unparsed))
    for place, row in enumerate(rows.tolist()):
        title = titles[place]
        if unparsed[place]:
            read.duration_ms[row] = read.duration_ms[row] or length_among(unparsed[place])
            if is_displaced(unparsed[place]) and is_number_like(title):
                read.number[row] = int(title) if title.isdecimal() and len(title) <= 3 else 0
                read.duration_ms[row] = length_of(artists[place])
                title = ""
                artists[place] = "" if is_number_like(artists[place]) else artists[place]
        freed = free_title(title)
        titles[place] = freed.title
        read.duration_ms[row] = read.duration_ms[row] or freed.duration_ms
        if read.year[row] < 0 and freed.year:
            read.year[row] = freed.year % 100
    return replace(
        read,
        title=put(read.title, rows, pl.Series(titles, dtype=pl.String)),
        artist=put(read.artist, rows, pl.Series(artists, dtype=pl.String)),
    )


def _people(artist: pl.Series, guests: pl.Series) -> pl.Series:
    """Return artists that may be more than one name, with the guests their titles name; empty for the others."""
    several, guest = artist.str.contains(SEPARATES), guests != ""
    return pl.select(
        pl.when(guest).then(artist + GUESTS + guests).when(several).then(artist).otherwise(pl.lit(""))
    ).to_series()


def _key(words: pl.Series) -> Letters:
    return letters(without_spaces(joined(words)))


def _whole_titles(title: pl.Series, core: pl.Series, hashed: Hashes) -> Hashes:
    """Return the hashes of titles as they stand, given those of their cores: most have nothing else."""
    rows = np.flatnonzero((title != core).to_numpy())
    whole = hashed.copy()
    if len(rows):
        whole[rows] = _key(words_column(title[rows])).whole()
    return whole


def _unparsed(texts: pl.Series) -> pl.Series:
    """Return the values nobody could read, folded, without those that say nothing."""
    nothing = same("", len(texts))
    if texts.null_count() == len(texts):
        return nothing
    rows = np.flatnonzero((_filled(texts) != "").to_numpy())
    if not len(rows):
        return nothing
    lines = pl.DataFrame({"row": rows, "line": texts[rows].str.split("\n")}).explode("line")
    known = lines.with_columns(line=_known(fold_column(lines["line"]))).filter(pl.col("line") != "")
    kept = known.group_by("row", maintain_order=True).agg(pl.col("line").str.join(" "))
    return put(nothing, kept["row"].to_numpy(), kept["line"].str.strip_chars())


def _folded(frame: pl.DataFrame) -> dict[str, pl.Series]:
    """Return text columns folded, without the values that say nothing."""
    filled = {name: _filled(frame[name]) for name in frame.columns if frame[name].null_count() < frame.height}
    nothing = dict.fromkeys(frame.columns, same("", frame.height))
    return nothing | at_once(lambda texts: _known(fold_column(texts.str.slice(0, LONGEST_TEXT))), filled)


def _filled(texts: pl.Series) -> pl.Series:
    """Return texts with nothing where there is none."""
    return texts.fill_null("") if texts.null_count() else texts


def _known(folded: pl.Series) -> pl.Series:
    """Empty the values that only say that nothing is known, `[Unknown]` and `n.a.` among them."""
    rows = rows_matching(folded, MAY_BE_BLANK)
    if not len(rows):
        return folded
    texts = folded[rows].to_list()
    return put(folded, rows, pl.Series(["" if _says_nothing(text) else text for text in texts], dtype=pl.String))


def _says_nothing(text: str) -> bool:
    """Tell whether a folded value is a blank: in words, misspelt in brackets, numbered, or lost letters alone."""
    plain = " ".join(text.strip(" ()<>-.").split())
    if len(text) >= LONGEST_BLANK:
        return not plain.strip("?ý ")
    if plain in BLANKS or not plain.strip("?ý "):
        return True
    if plain.startswith("unknown"):
        return plain.rstrip(" (0123456789") in BLANKS
    return text[0] == "(" and text[-1] == ")" and fuzz.ratio(plain, "unknown") >= ALMOST_UNKNOWN


def _named(artists: pl.Series) -> pl.Series:
    """Empty the artists that stand for nobody in particular: `Various Artists`."""
    rows = np.flatnonzero(artists.str.strip_chars().is_in(NO_ARTIST).to_numpy())
    return put(artists, rows, same("", len(rows)))


def _signature(title: Letters, words: pl.Series) -> Hashes:
    """Return the letter pairs of titles, with those of their Latin spelling where they are written otherwise."""
    signs = title.signature()
    rows = np.flatnonzero((words.str.len_bytes() != words.str.len_chars()).to_numpy())
    if len(rows):
        signs[rows] |= letters(joined(romanised_column(words[rows]))).signature()
    return signs


def _album_cores(folded: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return albums without their edition, and the years that stood behind them."""
    cores = folded.str.strip_chars()
    years = same(None, len(folded), pl.Int32())
    rows = rows_matching(cores, say.EDITION.pattern)
    if not len(rows):
        return cores, years
    parts = [_album_core(text) for text in cores[rows].to_list()]
    years = years.scatter(rows, pl.Series([year for _, year in parts], dtype=pl.Int32))
    return put(cores, rows, pl.Series([core for core, _ in parts], dtype=pl.String)), years


@lru_cache(maxsize=1 << 16)
def _album_core(folded: str) -> tuple[str, int | None]:
    """Return an album without its edition, and the year that stood behind it."""
    year, core = None, folded
    while found := say.EDITION.search(core):
        year = int(found["year"]) if found["year"] else year
        core = core[: found.start()].rstrip() if found.start() or found["nothing"] else core
        if not found.start():
            break
    return core, year


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
