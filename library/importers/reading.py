"""The one door to the readers: a path and options in, items out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from library.importers.audio_folder import read_audio_folder
from library.importers.csv_tracks import read_csv
from library.importers.itunes_xml import read_itunes_xml
from library.importers.opening import check_path, detect_format, open_source
from library.importers.records import ImportedItem, UnreadableSource

UNREADABLE_CODES = {"itunes": "ITUNES_LIBRARY_UNREADABLE", "csv": "CSV_UNREADABLE", "audio": "AUDIO_FOLDER_UNREADABLE"}


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What a person may say about a source before it is read."""

    format: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    id_column: str = ""


def resolve_format(path: Path, options: ReadingOptions) -> str:
    """Return the format of what lies at `path`; raise `UnreadableSource` when options and path do not go together."""
    check_path(path)
    name = detect_format(path) if options.format == "auto" else options.format
    if (name == "audio") != path.is_dir():
        kind = "a folder" if path.is_dir() else "a file"
        raise UnreadableSource(f"It is {kind}; the format {name} needs the other.", code="WRONG_FORMAT")
    if name != "csv" and (options.mapping or options.id_column):
        raise UnreadableSource(f"Columns can be mapped for CSV only; this is {name}.", code="WRONG_FORMAT")
    return name


def read_source(path: Path, *, name: str, options: ReadingOptions, this_year: int) -> Iterator[ImportedItem]:
    """Yield what the source holds; at the first fault raise `UnreadableSource`, after everything before it."""
    if name == "audio":
        yield from read_audio_folder(path, this_year=this_year)
    elif name == "csv":
        yield from read_csv(
            lambda: open_source(path), mapping=options.mapping, id_column=options.id_column, this_year=this_year
        )
    else:
        with open_source(path) as stream:
            yield from read_itunes_xml(stream)


def default_source(path: Path) -> str:
    """Return the name a source goes by when neither it nor the person gives one: its file or folder, without `.gz`."""
    name = path.resolve().name or "root"
    return name.removesuffix(".gz").encode("utf-8", "backslashreplace").decode()
