"""Looks members of groups up in the iTunes reference catalogue.

A member is found exactly by its persistent id, by its ISRC, or by equal title and artist with no conflict of length; or
fuzzily by the matcher's own comparisons. All catalogue entries of one song are considered and the closest is taken. A
catalogue that is missing, old or could not be read is a sentence, never an error.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import ITunesMatch
from duplicates.engine.linking import best_links
from duplicates.engine.memory import members_at_once
from duplicates.engine.progress import Stage
from duplicates.engine.records import TRACK_SCHEMA, TrackColumns
from duplicates.engine.settings import EngineSettings
from duplicates.services.loading import load_catalogue, load_members, load_named
from duplicates.services.matching_catalogue import equal_by_keys, with_keys
from duplicates.services.progress import RunReporter
from library.models import ImportStatus, ITunesTrack, LibraryImport

# From this probability on the matcher's best entry counts as found.
FUZZY_FROM = 0.80
OLD_CATALOG = timedelta(days=30)
FEW = 2_000  # members, as of a refresh, of which it is worth asking first whether the catalogue names them all
# What is compared with the entry found; moments are seconds since 1970.
_COMPARED: dict[str, pl.DataType] = {
    **{name: pl.String() for name in ("title", "artist", "album", "genre")},
    **{name: pl.Int64() for name in ("play_count", "last_played_at", "added_at")},
}
_CATALOGUE_COLUMNS = frozenset(field.column for field in ITunesTrack._meta.concrete_fields)
_MEMBER = {
    "source_track_id": pl.String(),
    "isrc": pl.String(),
    "album_artist": pl.String(),
    "duration_ms": pl.Int64(),
    **_COMPARED,
}
_ENTRY = {
    "persistent_id": pl.String(),
    **{name: kind for name, kind in TRACK_SCHEMA.items() if name in _CATALOGUE_COLUMNS},
    **_COMPARED,
}
NO_CATALOG = lazy("No iTunes catalogue is loaded. Load one with: uv run manage.py import_library PATH --catalog")


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


def cross_reference(
    track_ids: npt.NDArray[np.int64],
    *,
    columns: TrackColumns,
    settings: EngineSettings,
    reporter: RunReporter,
    now: datetime,
) -> CrossReference:
    """Look the given tracks, which `columns` describes, up in the catalogue; reads it once, or what they name of it."""
    if not len(track_ids) or not ITunesTrack.objects.exists():
        reporter.advance(len(track_ids))
        return CrossReference(note=_note(now))
    members = load_members(track_ids, _MEMBER)
    if (named := _all_named(members)) is not None:
        reporter.advance(len(track_ids))
        return CrossReference(named, _note(now))
    entries = load_catalogue(_ENTRY, report=reporter.repeat).with_row_index("entry")
    reporter.advance(len(track_ids) // 4)
    exact = equal_by_keys(with_keys(members, "source_track_id"), with_keys(entries, "persistent_id"))
    reporter.advance(len(track_ids) // 2)
    missing = members.join(exact, on="track_id", how="anti")["track_id"]
    unfound = columns.frame.filter(pl.col("track_id").is_in(missing.implode()))
    fuzzy = _likeliest(unfound, entries, len(columns), settings, reporter)
    findings = dict(_findings(exact.with_columns(probability=pl.lit(1.0)), ITunesMatch.EXACT, members, entries))
    findings |= dict(_findings(fuzzy, ITunesMatch.FUZZY, members, entries))
    reporter.advance(len(track_ids))
    return CrossReference(findings, _note(now))


def _all_named(members: pl.DataFrame) -> dict[int, Finding] | None:
    """Return what is found of a few members by the keys that have an index; None where one has to be looked for.

    A key that is more trusted comes first anyway, so nothing in the rest of the catalogue could be found instead.
    """
    if members.height > FEW:
        return None
    entries = load_named(_ENTRY, members["source_track_id"], members["isrc"]).with_row_index("entry")
    if not entries.height:
        return None
    keyed = with_keys(members, "source_track_id"), with_keys(entries, "persistent_id")
    exact = equal_by_keys(*keyed, keys=("identity", "isrc"))
    if exact.height < members.height:
        return None
    return dict(_findings(exact.with_columns(probability=pl.lit(1.0)), ITunesMatch.EXACT, members, entries))


def _likeliest(
    wanted: pl.DataFrame, entries: pl.DataFrame, total: int, settings: EngineSettings, reporter: RunReporter
) -> pl.DataFrame:
    """Link what no key found, by the matcher's comparisons; probabilities below FUZZY_FROM find nothing.

    Tracks that say the same are asked for once: a song held a thousand times needs one answer. As many are asked for
    together as memory allows.
    """
    said = [name for name in TRACK_SCHEMA if name != "track_id"]
    asked = wanted.unique(said, keep="first", maintain_order=True)
    if not asked.height:
        return pl.DataFrame(schema={"track_id": pl.Int64, "entry": pl.UInt32, "probability": pl.Float64})
    parts = asked.iter_slices(members_at_once(total, entries.height, settings))
    found = pl.concat(_linked(part, entries, settings, reporter) for part in parts)
    answered = asked.join(found, on="track_id").select(*said, "entry", "probability")
    return wanted.join(answered, on=said, nulls_equal=True).select("track_id", "entry", "probability")


def _linked(
    asked: pl.DataFrame, entries: pl.DataFrame, settings: EngineSettings, reporter: RunReporter
) -> pl.DataFrame:
    """Return the likeliest entry of each track asked for, where there is one."""
    offset = int(asked["track_id"].to_numpy().max()) + 1
    both = TrackColumns(pl.concat([asked, _as_tracks(entries, offset)]))
    links = best_links(both, np.arange(len(both)) >= asked.height, settings, progress=_Quietly(reporter))
    sure = links.probability >= FUZZY_FROM
    return pl.DataFrame(
        {
            "track_id": links.record_ids[sure],
            "entry": (links.entry_ids[sure] - offset).astype(np.uint32),
            "probability": links.probability[sure].round(6),
        }
    )


def _as_tracks(entries: pl.DataFrame, offset: int) -> pl.DataFrame:
    """Return the catalogue as track columns, the ids counting from `offset`."""
    missing = [pl.lit(None, kind).alias(name) for name, kind in TRACK_SCHEMA.items() if name not in _ENTRY]
    numbered = entries.with_columns(missing).with_columns(track_id=pl.col("entry").cast(pl.Int64) + offset)
    return numbered.select(list(TRACK_SCHEMA))


class _Quietly:
    """Passes the engine's reports on as a wish to stop and nothing else: the stage stays the cross-reference."""

    def __init__(self, reporter: RunReporter) -> None:
        self._reporter = reporter

    def begin(self, stage: Stage, total: int) -> None:
        self._reporter.repeat()

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        self._reporter.repeat()


def _findings(
    found: pl.DataFrame, match: ITunesMatch, members: pl.DataFrame, entries: pl.DataFrame
) -> Iterator[tuple[int, Finding]]:
    """Yield what was found by track id, with the fields that differ between a member and its entry."""
    theirs = [pl.col(name).alias(f"their_{name}") for name in _COMPARED]
    pairs = found.join(members.select("track_id", *_COMPARED), on="track_id").join(
        entries.select("entry", "persistent_id", *theirs), on="entry"
    )
    differs = [pl.col(name).ne_missing(pl.col(f"their_{name}")) for name in _COMPARED]
    rows = pairs.sort("track_id").select(
        "track_id",
        "probability",
        "persistent_id",
        *_COMPARED,
        *(f"their_{name}" for name in _COMPARED),
        *(one.alias(f"differs_{place}") for place, one in enumerate(differs)),
    )
    count = len(_COMPARED)
    for track_id, probability, persistent_id, *values in rows.iter_rows():
        ours, others, marks = values[:count], values[count : 2 * count], values[2 * count :]
        differences = tuple(
            {"field": name, "library": _shown(name, our), "itunes": _shown(name, other)}
            for name, our, other, is_different in zip(_COMPARED, ours, others, marks, strict=True)
            if is_different
        )
        yield track_id, Finding(match, probability, persistent_id, differences)


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    return datetime.fromtimestamp(value, UTC).isoformat() if name.endswith("_at") else str(value)


def _note(now: datetime) -> str:
    """Say what stands in the way: no catalogue, one that could not be read, or one not renewed for long."""
    loads = LibraryImport.objects.filter(is_catalog=True, is_dry_run=False)
    loaded = loads.filter(status__in=[ImportStatus.COMPLETED, ImportStatus.PARTIAL], completed_at__isnull=False)
    newest = loaded.order_by("-completed_at").first()
    failed = loads.filter(status=ImportStatus.FAILED).order_by("-started_at").first()
    is_empty, sentences = not ITunesTrack.objects.exists(), []
    if failed is not None and (newest is None or newest.started_at < failed.started_at):
        sentences.append(_unreadable(failed, is_empty=is_empty))
    elif is_empty:
        sentences.append(str(NO_CATALOG))
    if not is_empty and newest is not None and newest.completed_at and now - newest.completed_at >= OLD_CATALOG:
        days = (now - newest.completed_at).days
        sentences.append(
            _("The iTunes catalogue was loaded %(days)s days ago; load it again for what is new.") % {"days": days}
        )
    return " ".join(sentences)


def _unreadable(failed: LibraryImport, *, is_empty: bool) -> str:
    """Say that the newest load of a catalogue failed, why, and what that means."""
    why = f" ({failed.error_message.strip().rstrip('.')})" if failed.error_message.strip() else ""
    outcome = _("so no track was looked up") if is_empty else _("so the entries of an earlier one were used")
    return _("The iTunes catalogue %(file_name)s could not be read%(why)s, %(outcome)s.") % {
        "file_name": failed.file_name or failed.source,
        "why": why,
        "outcome": outcome,
    }
