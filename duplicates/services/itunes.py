"""Looks members of groups up in the iTunes reference catalogue.

A member is found by its persistent id, by its ISRC, or by equal title and artist with no conflict of length. All
catalogue entries of one song are considered and the closest is taken. No catalogue is a sentence, never an error.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from duplicates.choices import ITunesMatch
from duplicates.services.loading import load_snapshots
from duplicates.services.progress import RunReporter
from library.models import ITunesTrack

# Two lengths further apart than this are not taken for one recording.
LENGTH_CONFLICT_MS = 10_000
_COMPARED = ("title", "artist", "album", "genre", "play_count", "last_played_at", "added_at")
_FIELDS = ("isrc", "duration_ms", *_COMPARED)
NO_CATALOG = "No iTunes catalogue is loaded. Load one with: manage.py import_library PATH --catalog"


@dataclass(frozen=True, slots=True)
class Finding:
    """One member found in the catalogue: how, how surely, where, and which fields differ."""

    match: ITunesMatch
    confidence: float
    persistent_id: str
    differences: tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class CrossReference:
    """Findings by track id; a member without one is not in the catalogue. `note` says what stood in the way."""

    findings: dict[int, Finding] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A catalogue entry that shares a key with some member."""

    persistent_id: str
    values: dict[str, Any]


class _Index:
    """The catalogue entries that share a key with any member, by each of the three keys. Keeps all of a song."""

    def __init__(self) -> None:
        self.by_key: dict[tuple[str, str], list[_Entry]] = defaultdict(list)

    def fill(self, wanted: set[tuple[str, str]]) -> None:
        rows = ITunesTrack.objects.order_by("persistent_id").values("persistent_id", *_FIELDS)
        for row in rows.iterator(chunk_size=5_000):
            entry = _Entry(row.pop("persistent_id"), row)
            for key in _keys(entry.persistent_id, row):
                if key in wanted:
                    self.by_key[key].append(entry)


def cross_reference(track_ids: npt.NDArray[np.int64], *, reporter: RunReporter) -> CrossReference:
    """Look the given tracks up; reads the catalogue once."""
    reporter.begin("cross_reference", len(track_ids))
    if not ITunesTrack.objects.exists():
        reporter.advance(len(track_ids))
        return CrossReference(note=NO_CATALOG)
    members = {
        track_id: (values[0], dict(zip(_FIELDS, values[1:], strict=True)))
        for track_id, values in load_snapshots(track_ids, ("source_track_id", *_FIELDS)).items()
    }
    index = _Index()
    index.fill({key for source_track_id, values in members.values() for key in _keys(source_track_id, values)})
    findings = {}
    for done, (track_id, (source_track_id, values)) in enumerate(members.items(), 1):
        finding = _find(source_track_id, values, index)
        if finding is not None:
            findings[track_id] = finding
        if done % 1_000 == 0:
            reporter.advance(done)
    reporter.advance(len(track_ids))
    return CrossReference(findings)


def text_key(title: str, artist: str) -> str:
    """Return title and artist in one normal form; empty when the title is."""
    if not title.strip():
        return ""
    return "\0".join(" ".join(unicodedata.normalize("NFKC", text).casefold().split()) for text in (title, artist))


def _keys(identity: str, values: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield the keys of one track or entry, the surest first."""
    yield "persistent_id", identity.upper()
    if values["isrc"]:
        yield "isrc", values["isrc"]
    if key := text_key(values["title"], values["artist"]):
        yield "text", key


def _find(identity: str, values: dict[str, Any], index: _Index) -> Finding | None:
    for key in _keys(identity, values):
        entries = [
            entry
            for entry in index.by_key.get(key, ())
            if key[0] != "text" or not _lengths_conflict(values, entry.values)
        ]
        if entries:
            best = min(entries, key=lambda entry: _distance(values, entry))
            return Finding(ITunesMatch.EXACT, 1.0, best.persistent_id, tuple(_differences(values, best.values)))
    return None


def _lengths_conflict(ours: dict[str, Any], theirs: dict[str, Any]) -> bool:
    if ours["duration_ms"] is None or theirs["duration_ms"] is None:
        return False
    return bool(abs(ours["duration_ms"] - theirs["duration_ms"]) > LENGTH_CONFLICT_MS)


def _distance(ours: dict[str, Any], entry: _Entry) -> tuple[bool, int, str]:
    """Order entries of one song: same album first, then the nearest length, then by id."""
    theirs = entry.values
    known = ours["duration_ms"] is not None and theirs["duration_ms"] is not None
    gap = abs(ours["duration_ms"] - theirs["duration_ms"]) if known else LENGTH_CONFLICT_MS
    return (text_key(ours["album"], "") != text_key(theirs["album"], ""), gap, entry.persistent_id)


def _differences(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterable[dict[str, str]]:
    for name in _COMPARED:
        if ours[name] != theirs[name]:
            yield {"field": name, "library": _shown(ours[name]), "itunes": _shown(theirs[name])}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
