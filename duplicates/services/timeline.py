"""Everything that happened to one song: imported, edited, in which groups, kept, removed, restored, decided.

A fixed number of queries, each over an index that begins with the track, whatever its history; of a long one the newest
events.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.choices import CleanupState, LedgerKind
from duplicates.models import DuplicateAnalysisTrack, LedgerEntry, NotDuplicate
from duplicates.models.records import identity_key
from library.models import ChangeKind, LibraryChange, LibraryImport, Track

NEWEST = 200  # of each kind of source


class EventKind(TextChoices):
    """What happened."""

    ADDED = "added", gettext_lazy("Added")
    CHANGED = "changed", gettext_lazy("Changed")
    GROUPED = "grouped", gettext_lazy("Found in a group")
    DECIDED = "decided", gettext_lazy("Declared different")
    REOPENED = "reopened", gettext_lazy("Decision ended")
    REMOVED = "removed", gettext_lazy("Removed")
    RESTORED = "restored", gettext_lazy("Restored")
    MERGED = "merged", gettext_lazy("Took over")
    GONE = "gone", gettext_lazy("Left the library")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: when, what, in words, and what it is about (`subject` is a model's name and a key)."""

    at: datetime
    kind: EventKind
    sentence: str
    who: str = ""
    subject: tuple[str, Any] | None = None


def track_timeline(track: Track) -> list[Event]:
    """Return what happened to a track, the newest first."""
    entries = list(LedgerEntry.objects.filter(track_id=track.pk).select_related("action").order_by("-pk")[:NEWEST])
    events = [
        *_from_changes(track),
        *_from_groups(track),
        *_from_removals(entries),
        *_from_merges(track, entries),
        *_from_decisions(track),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)[:NEWEST]


def _from_changes(track: Track) -> Iterator[Event]:
    """Read the change log, and which imports its causes name; clean-up tells its own part better."""
    changes = list(LibraryChange.objects.filter(track_id=track.pk).order_by("-revision")[:NEWEST])
    imports = _imports_of(changes)
    is_recorded = any(change.kind == ChangeKind.ADDED and change.cause.startswith("import:") for change in changes)
    if not is_recorded:
        yield Event(track.created_at, EventKind.ADDED, _("Came from %(source)s") % {"source": track.source})
    for newer, change in zip([None, *changes], changes, strict=False):
        row = imports.get(change.cause.removeprefix("import:"))
        by = _("by the import of %(file)s") % {"file": row.file_name} if row else _("by hand")
        subject = ("library.libraryimport", row.pk) if row else None
        if change.kind == ChangeKind.MODIFIED:
            said = _("%(fields)s edited %(by)s") % {"fields": _edited(change, newer, track), "by": by}
            yield Event(change.changed_at, EventKind.CHANGED, said, subject=subject)
        elif change.cause.startswith(("analysis:", "cleanup:", "purge")):
            continue
        elif change.kind == ChangeKind.ADDED and row:
            yield Event(change.changed_at, EventKind.ADDED, _("Added %(by)s") % {"by": by}, subject=subject)
        elif change.kind == ChangeKind.DELETED:
            yield Event(change.changed_at, EventKind.GONE, _("Left the library, %(by)s") % {"by": by}, subject=subject)


def _imports_of(changes: list[LibraryChange]) -> dict[str, LibraryImport]:
    ids = {change.cause.removeprefix("import:") for change in changes if change.cause.startswith("import:")}
    wanted = [UUID(text) for text in ids if _is_uuid(text)]
    rows = LibraryImport.objects.filter(pk__in=wanted).only("pk", "file_name")
    return {str(row.pk): row for row in rows}


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _edited(change: LibraryChange, newer: LibraryChange | None, track: Track) -> str:
    """Name the fields an edit altered: those that differ from what came next, or from today."""
    before = change.before if isinstance(change.before, dict) else {}
    then = newer.before if newer and isinstance(newer.before, dict) else None
    after = then if then is not None else {name: _as_recorded(getattr(track, name)) for name in before}
    names = [name.replace("_", " ") for name, value in sorted(before.items()) if after.get(name, value) != value]
    return ", ".join(names).capitalize() or _("A value")


def _as_recorded(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _from_groups(track: Track) -> Iterator[Event]:
    members = DuplicateAnalysisTrack.objects.filter(track_id=track.pk, group__analysis__started_at__isnull=False)
    members = members.filter(group__analysis__deleting_at=None)
    for member in members.select_related("group__analysis").order_by("-pk")[:NEWEST]:
        group, analysis = member.group, member.group.analysis
        said = _("As the keeper of %(group)s") if group.keeper_track_id == track.pk else _("In %(group)s")
        sentence = (said % {"group": group}) + f" ({analysis.get_preset_display()})"
        yield Event(
            analysis.age_anchor, EventKind.GROUPED, sentence, subject=("duplicates.duplicateanalysisgroup", group.pk)
        )


def _from_removals(entries: list[LedgerEntry]) -> Iterator[Event]:
    for entry in entries:
        action = entry.action
        if entry.kind != LedgerKind.TRACK:
            continue
        said = _("Removed in favour of track %(keeper)s: %(label)s")
        sentence = said % {"keeper": action.keeper_track_id, "label": action.label}
        subject = ("library.track", action.keeper_track_id)
        yield Event(action.created_at, EventKind.REMOVED, sentence, action.user_name, subject)
        if action.state == CleanupState.UNDONE and action.ended_at:
            yield Event(action.ended_at, EventKind.RESTORED, _("The removal was undone"))
        elif action.state == CleanupState.PURGED and action.ended_at:
            yield Event(action.ended_at, EventKind.GONE, _("Its time in quarantine was over"))


def _from_merges(track: Track, entries: list[LedgerEntry]) -> Iterator[Event]:
    """Say what this track took over, from removals in force and undone ones alike."""
    actions = {entry.action_id: entry.action for entry in entries if entry.action.keeper_track_id == track.pk}
    for action in actions.values():
        said = _("Took over from %(count)s removed copies: %(plays)s plays, %(places)s playlist places")
        values = {"count": action.removed_count, "plays": action.plays_moved, "places": action.places_moved}
        yield Event(action.created_at, EventKind.MERGED, said % values, action.user_name)
        if action.state == CleanupState.UNDONE and action.ended_at:
            yield Event(action.ended_at, EventKind.RESTORED, _("Gave back what it had taken over"))


def _from_decisions(track: Track) -> Iterator[Event]:
    key = identity_key(track.source, track.source_track_id)
    for decision in NotDuplicate.objects.filter(Q(left_key=key) | Q(right_key=key)).order_by("-pk")[:NEWEST]:
        subject = ("duplicates.notduplicate", decision.pk)
        other = decision.right_label if decision.left_key == key else decision.left_label
        said = _("Not a duplicate of %(other)s") % {"other": other}
        yield Event(decision.created_at, EventKind.DECIDED, said, decision.user_name, subject)
        if decision.revoked_at:
            why = decision.reopened_because or _("taken back")
            said = _("May be a duplicate of %(other)s again: %(why)s") % {"other": other, "why": why}
            yield Event(decision.revoked_at, EventKind.REOPENED, said, subject=subject)
