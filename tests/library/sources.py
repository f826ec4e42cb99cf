"""Makes the sources that import tests read: iTunes libraries, CSV files and small audio files."""

import struct
import wave
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
if TYPE_CHECKING:
    from library.models import LibraryImport

LIBRARY_ID = "0123456789ABCDEF"
HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE plist PUBLIC "-//Apple Computer//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n'
    '<plist version="1.0">\n'
)


def plist(value: Any) -> str:
    """Write a value the way iTunes does."""
    if isinstance(value, bool):
        return "<true/>" if value else "<false/>"
    if isinstance(value, int):
        return f"<integer>{value}</integer>"
    if isinstance(value, datetime):
        return f"<date>{value:%Y-%m-%dT%H:%M:%SZ}</date>"
    if isinstance(value, Mapping):
        pairs = "".join(f"<key>{escape(str(key))}</key>{plist(item)}\n" for key, item in value.items())
        return f"<dict>\n{pairs}</dict>"
    if isinstance(value, list | tuple):
        return f"<array>\n{''.join(plist(item) for item in value)}</array>"
    return f"<string>{escape(str(value))}</string>"


def entry(number: int, **fields: Any) -> dict[str, Any]:
    """Describe a song the way iTunes does; `fields` overrides, and None leaves a key out."""
    values = {
        "Track ID": 100 + number,
        "Name": f"Song {number}",
        "Artist": "The Quiet Tide",
        "Kind": "MPEG audio file",
        "Total Time": 215_000,
        "Persistent ID": f"{number:016X}",
        "Track Type": "File",
        "Location": f"file://localhost/Users/user/Music/{number}.mp3",
    }
    values |= {name.replace("_", " "): value for name, value in fields.items()}
    return {name: value for name, value in values.items() if value is not None}


def playlist(name: str, track_ids: Iterable[int], **fields: Any) -> dict[str, Any]:
    """Describe a playlist by the Track IDs of its places."""
    return {
        "Name": name,
        **{key.replace("_", " "): value for key, value in fields.items()},
        "Playlist Persistent ID": f"{sum(map(ord, name)):016X}",
        "Playlist Items": [{"Track ID": track_id} for track_id in track_ids],
    }


def itunes_xml(
    entries: Iterable[Mapping[str, Any]], playlists: Sequence[Mapping[str, Any]] = (), *, library_id: str = LIBRARY_ID
) -> str:
    """Write a whole library."""
    library: dict[str, Any] = {"Major Version": 1, "Application Version": "12.9.4.104"}
    if library_id:
        library["Library Persistent ID"] = library_id
    library["Tracks"] = {str(song["Track ID"]): song for song in entries}
    library["Playlists"] = playlists
    return f"{HEAD}{plist(library)}\n</plist>\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def run_import(path: Path, **options: Any) -> "LibraryImport":
    """Import with the tests' clock."""
    from library.importing import import_library  # noqa: PLC0415 (the makers above need no Django)

    return import_library(path=path, **{"now": NOW} | options)


def flac(*, seconds: float = 1.0, **comments: str) -> bytes:
    """Return a FLAC file of silence that is only headers, with Vorbis comments."""
    rate = 44_100
    samples = round(seconds * rate)
    packed = (rate << 44) | (1 << 41) | (15 << 36) | samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
    texts = [f"{name}={value}".encode() for name, value in comments.items()]
    block = struct.pack("<I", 0) + struct.pack("<I", len(texts))
    block += b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return b"fLaC" + b"\x00" + len(info).to_bytes(3, "big") + info + b"\x84" + len(block).to_bytes(3, "big") + block


def write_wav(path: Path, *, seconds: float = 0.1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(round(8000 * seconds) * 2))
    return path


def library(
    folder: Path, *entries: dict[str, Any], playlists: Sequence[dict[str, Any]] = (), **options: Any
) -> "LibraryImport":
    """Import an iTunes library made of these entries."""
    return run_import(write(folder / "Library.xml", itunes_xml(entries, playlists)), **options)


def places(name: str) -> list[str]:
    """Return the titles of a playlist in its order."""
    from library.models import PlaylistEntry  # noqa: PLC0415 (the benchmarks make sources without Django)

    entries = PlaylistEntry.objects.filter(playlist__name=name).order_by("position")
    return list(entries.values_list("track__title", flat=True))
