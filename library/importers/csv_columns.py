"""Decides which column means which field, from the header and from what the person mapped by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from library.importers.csv_headers import FIELD_ORDER, folded, meaning_of, rank_of, unit_of
from library.importers.records import TRACK_FIELDS, UnreadableSource

CODE = "CSV_COLUMNS_UNKNOWN"
# What a person may write before the "=": the fields of a track, and the spellings everybody uses for some.
FIELD_ALIASES = {
    "name": "title",
    "song": "title",
    "albumartist": "album_artist",
    "track": "track_number",
    "number": "track_number",
    "disc": "disc_number",
    "length": "duration",
    "time": "duration",
    "duration_ms": "duration",
    "date": "release_date",
    "mbid": "musicbrainz_recording_id",
    "bit_rate": "bit_rate_kbps",
    "sample_rate": "sample_rate_hz",
    "size": "size_bytes",
    "last_played": "last_played_at",
    "date_added": "added_at",
}
MAPPABLE_FIELDS = tuple("duration" if name == "duration_ms" else name for name in TRACK_FIELDS if name not in
                        {"unparsed", "availability"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is read: its place, the field it fills, and the unit its header promises for lengths."""

    place: int
    field: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read, and the place of the one that holds the key, if any."""

    read: tuple[Column, ...]
    id_place: int | None = None

    @property
    def fields(self) -> frozenset[str]:
        return frozenset(column.field for column in self.read)


def parse_mapping(pairs: Sequence[str]) -> dict[str, str]:
    """Return field → column from `FIELD=COLUMN` texts; raise ValueError with a sentence for anything else."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        name, equals, column = pair.partition("=")
        field = name.strip().lower().replace("-", "_").replace(" ", "_")
        if not equals or not column.strip():
            raise ValueError(f"“{pair}” is not FIELD=COLUMN, such as title=song_name.")
        if FIELD_ALIASES.get(field, field) not in MAPPABLE_FIELDS:
            raise ValueError(f"“{name}” is not a field. The fields are {', '.join(MAPPABLE_FIELDS)}.")
        if field in mapping:
            raise ValueError(f"The field “{name}” is mapped twice.")
        mapping[field] = column.strip()
    return mapping


def count_known(header: Sequence[str], *, mapping: Mapping[str, str], id_column: str) -> int:
    """Return how many columns of a header are understood. Used to find the delimiter."""
    wanted = {folded(name) for name in (*mapping.values(), id_column) if name}
    return sum(meaning_of(name) is not None or folded(name) in wanted for name in header)


def choose_columns(header: Sequence[str], *, mapping: Mapping[str, str], id_column: str) -> Columns:
    """Return the columns to read. What the person mapped wins; the rest is recognised where the field is still free.

    Raises `UnreadableSource` when a named column is missing, or nothing tells which column is the title.
    """
    if not any(folded(name) for name in header):
        raise UnreadableSource(
            "The first row is blank, where the names of the columns should stand, such as title,artist.",
            code=CODE,
            line=1,
            byte=0,
        )
    mapped = [_mapped_column(header, name, column) for name, column in mapping.items()]
    id_place = _find(header, id_column) if id_column else None
    taken_places = {column.place for column in mapped} | ({id_place} if id_place is not None else set())
    taken_fields = {column.field for column in mapped}
    recognised = _recognise(header, taken_places, taken_fields)
    if id_place is None and (found := recognised.pop("id", None)) is not None:
        id_place = found.place
    recognised.pop("id", None)
    columns = sorted([*mapped, *recognised.values()], key=lambda column: FIELD_ORDER.index(column.field))
    if not mapped and "title" not in {column.field for column in columns}:
        raise UnreadableSource(
            f"No column is known as the title. Its columns are: {_listed(header)}. "
            "Name them with --map title=COLUMN artist=COLUMN.",
            code=CODE,
            line=1,
            byte=0,
        )
    return Columns(tuple(columns), id_place)


def _mapped_column(header: Sequence[str], name: str, column: str) -> Column:
    field = FIELD_ALIASES.get(name, name)
    place = _find(header, column)
    unit = "ms" if name == "duration_ms" else unit_of(header[place]) if field == "duration" else ""
    return Column(place, field, unit)


def _recognise(header: Sequence[str], taken_places: set[int], taken_fields: set[str]) -> dict[str, Column]:
    """Return for each free field its best column: the header that stands first in the vocabulary."""
    best: dict[str, tuple[int, Column]] = {}
    for place, name in enumerate(header):
        meaning = meaning_of(name)
        if meaning is None or place in taken_places or meaning.field in taken_fields:
            continue
        rank = rank_of(name)
        if meaning.field not in best or rank < best[meaning.field][0]:
            best[meaning.field] = (rank, Column(place, meaning.field, meaning.unit))
    columns = {field: column for field, (_, column) in best.items()}
    # "Track" is the number beside a title, and the title where there is no other.
    if "title" not in columns and "title" not in taken_fields and "track_number" in columns:
        place = columns["track_number"].place
        if folded(header[place]) == "track":
            del columns["track_number"]
            columns["title"] = Column(place, "title")
    return columns


def _find(header: Sequence[str], name: str) -> int:
    """Return the place of a column named by a person: exactly as written, else by its letters and digits."""
    for same in (lambda text: text, str.strip, folded):
        for place, candidate in enumerate(header):
            if same(candidate) == same(name):
                return place
    raise UnreadableSource(
        f"There is no column “{name}”. Its columns are: {_listed(header)}.", code=CODE, line=1, byte=0
    )


def _listed(header: Sequence[str]) -> str:
    names = [name.strip()[:40] for name in header[:30]]
    return ", ".join(names) + (", …" if len(header) > 30 else "")
