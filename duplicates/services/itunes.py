"""Looks members of groups up in the iTunes reference catalogue.

A member is found exactly by its persistent id, by its ISRC, or by equal title and artist with no conflict of length; or
fuzzily by the matcher's own comparisons. All catalogue entries of one song are considered and the closest is taken. No
catalogue, or one that is old, is a sentence, never an error.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.choices import ITunesMatch
from duplicates.engine.linking import best_links
from duplicates.engine.progress import Stage
from duplicates.engine.records import TRACK_SCHEMA, TrackColumns
from duplicates.engine.settings import EngineSettings
from duplicates.services.loading import load_snapshots
from duplicates.services.progress import RunReporter
from library.models import ImportStatus, ITunesTrack, LibraryImport

# Two lengths further apart than this are not taken for one recording.
LENGTH_CONFLICT_MS = 10_000
# From this probability on the matcher's best entry counts as found.
FUZZY_FROM = 0.80
OLD_CATALOG = timedelta(days=30)
ENTRIES_PER_QUERY = 500
_COMPARED = ("title", "artist", "album", "genre", "play_count", "last_played_at", "added_at")
_CATALOGUE_COLUMNS = frozenset(field.column for field in ITunesTrack._meta.concrete_fields)
_FIELDS = ("isrc", "duration_ms", *_COMPARED)
NO_CATALOG = "No iTunes catalogue is loaded. Load one with: uv run manage.py import_library PATH --catalog"


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


def cross_reference(
    track_ids: npt.NDArray[np.int64],
    *,
    columns: TrackColumns,
    settings: EngineSettings,
    reporter: RunReporter,
    now: datetime,
) -> CrossReference:
    """Look the given tracks, which `columns` describes, up in the catalogue; reads it once, twice for what is left."""
    reporter.begin("cross_reference", len(track_ids))
    if not ITunesTrack.objects.exists():
        reporter.advance(len(track_ids))
        return CrossReference(note=NO_CATALOG)
    members = _Members(track_ids)
    findings = _exact_findings(members, reporter)
    left_over = np.array([track_id for track_id in members.values if track_id not in findings], np.int64)
    findings |= _fuzzy_findings(left_over, members, columns, settings, reporter)
    reporter.advance(len(track_ids))
    return CrossReference(findings, _age_note(now))


class _Members:
    """The members to look up: what each is called at its source, and the fields that are compared."""

    def __init__(self, track_ids: npt.NDArray[np.int64]) -> None:
        rows = load_snapshots(track_ids, ("source_track_id", *_FIELDS))
        self.identity = {track_id: str(row[0]) for track_id, row in rows.items()}
        self.values = {track_id: dict(zip(_FIELDS, row[1:], strict=True)) for track_id, row in rows.items()}

    def keys(self) -> set[tuple[str, str]]:
        return {key for track_id, values in self.values.items() for key in _keys(self.identity[track_id], values)}


def _exact_findings(members: _Members, reporter: RunReporter) -> dict[int, Finding]:
    index = _Index()
    index.fill(members.keys())
    findings = {}
    for done, (track_id, values) in enumerate(members.values.items(), 1):
        finding = _find(members.identity[track_id], values, index)
        if finding is not None:
            findings[track_id] = finding
        if done % 1_000 == 0:
            reporter.advance(done // 2)
    return findings


def _fuzzy_findings(
    track_ids: npt.NDArray[np.int64],
    members: _Members,
    columns: TrackColumns,
    settings: EngineSettings,
    reporter: RunReporter,
) -> dict[int, Finding]:
    """Link what no key found, by the matcher's comparisons; probabilities below FUZZY_FROM find nothing."""
    wanted = columns.frame.filter(pl.col("track_id").is_in(track_ids))
    if not wanted.height:
        return {}
    offset = int(columns.frame["track_id"].to_numpy().max()) + 1
    persistent_ids, entries = _catalogue_frame(offset)
    both = TrackColumns(pl.concat([wanted, entries]))
    is_entry = np.arange(len(both)) >= wanted.height
    links = best_links(both, is_entry, settings, progress=_Quietly(reporter))
    sure = links.probability >= FUZZY_FROM
    chosen = [persistent_ids[int(entry) - offset] for entry in links.entry_ids[sure]]
    found = _entries_by_key(chosen)
    return {
        int(track_id): Finding(
            ITunesMatch.FUZZY,
            round(float(probability), 6),
            key[1],
            tuple(_differences(members.values[int(track_id)], found[key])),
        )
        for track_id, probability, key in zip(links.record_ids[sure], links.probability[sure], chosen, strict=True)
        if key in found
    }


def _catalogue_frame(offset: int) -> tuple[list[tuple[str, str]], pl.DataFrame]:
    """Return the catalogue as track columns with ids from `offset`, and the key of each entry."""
    names = [name for name in TRACK_SCHEMA if name in _CATALOGUE_COLUMNS]
    rows = ITunesTrack.objects.order_by("pk").values_list("catalog", "persistent_id", *names).iterator(chunk_size=5_000)
    keys, values = [], []
    for catalog, persistent_id, *row in rows:
        keys.append((catalog, persistent_id))
        values.append(row)
    frame = pl.DataFrame(values, schema={name: TRACK_SCHEMA[name] for name in names}, orient="row").with_columns(
        track_id=pl.int_range(offset, offset + len(keys), dtype=pl.Int64)
    )
    missing = [pl.lit(None, kind).alias(name) for name, kind in TRACK_SCHEMA.items() if name not in frame.columns]
    return keys, frame.with_columns(missing).select(list(TRACK_SCHEMA))


def _entries_by_key(keys: list[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Read the compared fields of the named entries."""
    found = {}
    for start in range(0, len(keys), ENTRIES_PER_QUERY):
        wanted = set(keys[start : start + ENTRIES_PER_QUERY])
        rows = ITunesTrack.objects.filter(persistent_id__in={persistent_id for _, persistent_id in wanted})
        for row in rows.values("catalog", "persistent_id", *_FIELDS):
            found[row.pop("catalog"), row.pop("persistent_id")] = row
    return found


class _Quietly:
    """Passes the engine's reports on as a wish to stop and nothing else: the stage stays the cross-reference."""

    def __init__(self, reporter: RunReporter) -> None:
        self._reporter = reporter

    def begin(self, stage: Stage, total: int) -> None:
        self._reporter.repeat()

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        self._reporter.repeat()


def _age_note(now: datetime) -> str:
    """Say so when the catalogue has not been renewed for long."""
    loaded = LibraryImport.objects.filter(
        is_catalog=True, is_dry_run=False, status__in=[ImportStatus.COMPLETED, ImportStatus.PARTIAL]
    )
    newest = loaded.order_by("-completed_at").first()
    if newest is None or newest.completed_at is None or now - newest.completed_at < OLD_CATALOG:
        return ""
    days = (now - newest.completed_at).days
    return f"The iTunes catalogue was loaded {days} days ago; load it again for what is new."


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
