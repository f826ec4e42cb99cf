"""Decisions that two tracks differ as a CSV file: written out, and read in with a report of what contradicts them.

A file may come from another library: what its tracks are travels with the decision, so it waits for tracks that are not
here yet. Nothing is overwritten: a row that contradicts what was decided or happened here is named and left out.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import MAXYEAR, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions
from duplicates.models import NotDuplicate
from duplicates.services import audit, different
from duplicates.services.csv_cells import as_cell, from_cell
from duplicates.services.decision_evidence import Evidence, evidence_of, what_changed
from library.models import Merge, Track
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

_SIDE = ("source", "source_track_id", "file", "title", "artist", "album", "duration_ms", "isrc", "explicit")
COLUMNS = (
    *(f"left_{name}" for name in _SIDE),
    *(f"right_{name}" for name in _SIDE),
    "decided_at",
    "decided_by",
    "note",
)
REQUIRED = ("left_source", "left_source_track_id", "right_source", "right_source_track_id")
MOST_ROWS = 100_000
ROWS_A_BLOCK = 500
FIRST_YEAR = 1900
_LIMITS = {"source": 100, "source_track_id": 300, "isrc": 12}
_BOOLEANS = {"true": True, "false": False, "": None}


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was left out: its line in the file, a code for machines, and why."""

    line: int
    code: str
    message: str


@dataclass(slots=True)
class DecisionImport:
    """What a file of decisions brought, or would bring."""

    rows: int = 0
    added: int = 0
    known: int = 0  # in force here already
    waiting: int = 0  # of the added: one of their tracks is not in the library
    conflicts: list[Problem] = field(default_factory=list)
    unreadable: list[Problem] = field(default_factory=list)


class _Refused(Exception):
    """A row that is left out."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


# --- Writing ----------------------------------------------------------------------------------------------------------


def export_decisions(decisions: Iterable[NotDuplicate] | None = None) -> Iterator[str]:
    """Yield the decisions in force, or those given, as blocks of CSV text; the header first."""
    chosen = NotDuplicate.objects.in_force().order_by("pk").iterator() if decisions is None else decisions
    yield _text([COLUMNS])
    rows: list[list[Any]] = []
    for decision in chosen:
        rows.append(_cells(decision))
        if len(rows) == ROWS_A_BLOCK:
            yield _text(rows)
            rows = []
    if rows:
        yield _text(rows)


def _cells(decision: NotDuplicate) -> list[Any]:
    sides = (decision.left_evidence, decision.right_evidence)
    values = [side.get(name) for side in sides for name in _SIDE]
    return [as_cell(value) for value in (*values, decision.created_at, decision.user_name, decision.note)]


def _text(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()


# --- Reading ----------------------------------------------------------------------------------------------------------


def import_decisions(
    text: str, *, actor: "AbstractBaseUser | None", now: datetime, dry_run: bool = False
) -> DecisionImport:
    """Take over the decisions of a CSV file, all that contradict nothing; with `dry_run` only say what would happen.

    Raises InvalidOptions for a text that is no such file.
    """
    report = DecisionImport()
    seen: set[tuple[str, str]] = set()
    with audit.attempt("pairs.imported", actor=actor, now=now), transaction.atomic():
        for line, row in read_rows(text):
            report.rows += 1
            try:
                _take(row, report, seen, now=now, dry_run=dry_run)
            except _Refused as refused:
                problems = report.unreadable if refused.code == "UNREADABLE" else report.conflicts
                problems.append(Problem(line, refused.code, str(refused)))
        if not dry_run:
            audit.record(
                "pairs.imported",
                actor=actor,
                now=now,
                counts={
                    "pairs": report.added,
                    "known_before": report.known,
                    "conflicts": len(report.conflicts),
                    "unreadable": len(report.unreadable),
                },
            )
    return report


def read_rows(text: str, required: tuple[str, ...] = REQUIRED) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each row with the line of the file it begins on. Raises InvalidOptions for a text that is no such file."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        missing = [name for name in required if name not in (reader.fieldnames or ())]
        if missing:
            raise InvalidOptions(
                _("This is no file of decisions: it has no column %(names)s. Export one to see what it looks like.")
                % {"names": ", ".join(missing)}
            )
        begins = reader.line_num + 1
        for line, row in enumerate(reader, start=1):
            if line > MOST_ROWS:
                raise InvalidOptions(_("More than %(most)s rows. Divide the file.") % {"most": number(MOST_ROWS)})
            yield (
                begins,
                {
                    name: from_cell(value or "")
                    for name, value in row.items()
                    if name is not None and not isinstance(value, list)
                },
            )
            begins = reader.line_num + 1
    except csv.Error as error:
        raise InvalidOptions(
            _("Line %(line)s is no CSV: %(error)s.") % {"line": reader.line_num, "error": error}
        ) from error


def _take(
    row: Mapping[str, str], report: DecisionImport, seen: set[tuple[str, str]], *, now: datetime, dry_run: bool
) -> None:
    sides = (_side(row, "left"), _side(row, "right"))
    decided_at = _moment(row.get("decided_at", ""), now)
    decision = different.new_decision(*sides, actor=None, now=decided_at, note=_words(row, "note"))
    decision.user_name = _words(row, "decided_by")[:150]
    pair = (decision.left_key, decision.right_key)
    if pair[0] == pair[1]:
        raise _Refused("SAME_TRACK", _("Both sides are track %(id)s.") % {"id": sides[0]["source_track_id"]})
    if pair in seen or NotDuplicate.objects.in_force().filter(left_key=pair[0], right_key=pair[1]).exists():
        report.known += 1
        return
    here = [_track(side) for side in sides]
    _require_no_contradiction(decision, sides, here, decided_at)
    seen.add(pair)
    report.added += 1
    report.waiting += None in here
    if not dry_run:
        decision.save()


def _require_no_contradiction(
    decision: NotDuplicate,
    sides: tuple[Evidence, Evidence],
    here: list[Track | None],
    decided_at: datetime,
) -> None:
    ended = NotDuplicate.objects.filter(left_key=decision.left_key, right_key=decision.right_key)
    later = ended.filter(revoked_at__gte=decided_at).order_by("-revoked_at").first()
    if later is not None:
        how = later.reopened_because or _("taken back")
        raise _Refused("DECIDED_LATER", _("%(pair)s: ended here later, %(how)s.") % {"pair": later, "how": how})
    left, right = here
    if left is None or right is None:
        return
    if _is_merged(left, right) or _is_merged(right, left):
        raise _Refused("REMOVED_AS_DUPLICATE", _("%(pair)s: one was removed here for the other.") % {"pair": decision})
    changed = what_changed(sides, (evidence_of(left), evidence_of(right)))
    if changed and all(side["title"] or side["artist"] for side in sides):
        raise _Refused("OTHER_EVIDENCE", _("%(pair)s: %(changed)s.") % {"pair": decision, "changed": changed})


def _is_merged(copy: Track, keeper: Track) -> bool:
    return Merge.objects.filter(track_id=copy.pk, keeper_id=keeper.pk).exists()


def _track(side: Evidence) -> Track | None:
    return Track.objects.filter(source=side["source"], source_track_id=side["source_track_id"]).first()


def _side(row: Mapping[str, str], which: str) -> Evidence:
    """Read one side; of a file without titles the evidence is that of today, if the track is here."""
    said = {name: row.get(f"{which}_{name}", "") for name in _SIDE}
    for name in ("source", "source_track_id"):
        if not said[name]:
            raise _Refused("UNREADABLE", _("%(column)s is blank.") % {"column": f"{which}_{name}"})
    for name, value in said.items():
        if "\0" in value or len(value) > _LIMITS.get(name, 10_000):
            raise _Refused("UNREADABLE", _("%(column)s cannot be stored.") % {"column": f"{which}_{name}"})
    evidence = Evidence(
        **{name: said[name] for name in ("source", "source_track_id", "file", "title", "artist", "album", "isrc")},  # type: ignore[typeddict-item]
        duration_ms=_whole(said["duration_ms"], f"{which}_duration_ms"),
        explicit=_boolean(said["explicit"], f"{which}_explicit"),
    )
    track = _track(evidence) if not (said["title"] or said["artist"]) else None
    return evidence if track is None else evidence_of(track)


def _words(row: Mapping[str, str], column: str) -> str:
    text = row.get(column, "")
    if "\0" in text:
        raise _Refused("UNREADABLE", _("%(column)s cannot be stored.") % {"column": column})
    return text


def _whole(text: str, column: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise _Refused(
            "UNREADABLE", _("%(column)s is %(text)r, not a whole number.") % {"column": column, "text": text}
        )
    return int(text)


def _boolean(text: str, column: str) -> bool | None:
    if text.lower() not in _BOOLEANS:
        raise _Refused("UNREADABLE", _("%(column)s is %(text)r, not true or false.") % {"column": column, "text": text})
    return _BOOLEANS[text.lower()]


def _moment(text: str, now: datetime) -> datetime:
    """Read when it was decided; what the file does not say was decided now."""
    if not text:
        return now
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.year < FIRST_YEAR or moment.year == MAXYEAR:  # which no zone can shift out of time
        raise _Refused("UNREADABLE", _("decided_at is %(text)r, not like 2026-11-22T20:00:00Z.") % {"text": text})
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
    return min(aware, now)
