"""Takes decisions back that people filled into the CSV export of an analysis: keepers, resolutions, not duplicates.

Each group is decided as its row says, through the verbs of the review page, if it is still what the file shows: where
somebody decided otherwise meanwhile, nothing is overwritten and the report says who did what. Rows may be sorted or
left out. A dry run does the very same and takes it back, group by group.
"""

import csv
import io
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import TYPE_CHECKING

from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from duplicates.choices import Resolution
from duplicates.exceptions import DuplicatesError
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import audit, different, guards, keepers, reviewing
from duplicates.services.decision_files import Problem, read_rows
from duplicates.services.export_contents import NOT_DUPLICATE
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

REQUIRED = ("analysis_id", "group", "group_version", "track_id")
GROUPS_A_BLOCK = 500
_STOPPED = "Stopped on its way by %(reason)s; what it counts was decided before and stays."
_YES = {"yes", "y", "true", "1", "x"}
_NO = {"no", "n", "false", "0", ""}


@dataclass(slots=True)
class EditedImport:
    """What an edited export brought, or would bring."""

    rows: int = 0
    groups: int = 0
    unchanged: int = 0  # groups that are as the file wants them
    keepers: int = 0
    resolutions: int = 0
    not_duplicates: int = 0  # members taken out of their group
    conflicts: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class _Wish:
    """What the rows of one group say."""

    line: int
    version: str
    keepers: list[int] = field(default_factory=list)  # as it was when it was exported
    new_keepers: list[int] = field(default_factory=list)
    not_keepers: list[int] = field(default_factory=list)
    resolutions: set[str] = field(default_factory=set)
    apart: list[int] = field(default_factory=list)
    is_edited: bool = False  # as far as the file can tell; where it cannot, it is


@dataclass(slots=True)
class _Change:
    """What is to become of one group."""

    keeper_id: int | None = None
    resolution: str | None = None
    apart: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.keeper_id is not None or self.resolution is not None or bool(self.apart)


def sentence_of(report: EditedImport, *, dry_run: bool) -> str:
    """Say what a file brought, or would bring."""
    changed = {
        "groups": number(report.groups),
        "keepers": number(report.keepers),
        "decisions": number(report.resolutions),
        "apart": number(report.not_duplicates),
        "same": number(report.unchanged),
        "conflicts": number(len(report.conflicts)),
    }
    said = _("%(groups)s groups: %(keepers)s keepers, %(decisions)s decisions and %(apart)s members taken out")
    rest = _("%(same)s groups are as the file wants them; %(conflicts)s conflicts.")
    state = _("Nothing was changed.") if dry_run else ""
    return f"{said}; {rest} {state}".strip() % changed


class _Refused(Exception):
    """A group that is left alone."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _TakenBack(Exception):
    """The end of a dry run."""


def is_edited_export(text: str) -> bool:
    """Is this a CSV export of an analysis, by its first line?"""
    try:
        header = next(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")), [])
    except csv.Error:
        return False
    return set(REQUIRED) <= set(header)


def analysis_named(text: str) -> str:
    """Return the id of the analysis an edited export belongs to, by its first row; nothing where it names none."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    return str(next(rows, {}).get("analysis_id") or "").strip()


def import_edited_export(
    analysis: DuplicateAnalysisResult,
    text: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    dry_run: bool = False,
) -> EditedImport:
    """Decide groups of the analysis as the file says. Raises InvalidOptions for a text that is no such file.

    What stops it on its way leaves the groups decided by then, and an audit record that counts them.
    """
    report = EditedImport()
    wishes = _collect(text, analysis, report)
    try:
        _take_all(wishes, analysis, report, actor=actor, now=now, dry_run=dry_run)
    except BaseException as error:
        if not dry_run:
            with suppress(DatabaseError):  # the fault that stopped it is the one to tell
                _record(analysis, report, actor=actor, now=now, stopped_by=error)
        raise
    report.conflicts.sort(key=lambda one: one.line)
    if not dry_run:
        _record(analysis, report, actor=actor, now=now)
    return report


def _take_all(
    wishes: dict[int, _Wish],
    analysis: DuplicateAnalysisResult,
    report: EditedImport,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    dry_run: bool,
) -> None:
    for block in batched(wishes.items(), GROUPS_A_BLOCK):
        places = [place for place, _wish in block]
        groups = analysis.groups.filter(position__in=places).select_related("analysis", "resolved_by")
        found = {group.position: group for group in groups.defer("analysis__learnt_tables")}
        for place, wish in block:
            _take(found.get(place), wish, report, actor=actor, now=now, dry_run=dry_run)


# --- Reading ----------------------------------------------------------------------------------------------------------


def _collect(text: str, analysis: DuplicateAnalysisResult, report: EditedImport) -> dict[int, _Wish]:
    """Return what is wished for, by the group's place; rows that say nothing of use are conflicts."""
    wishes: dict[int, _Wish] = {}
    spoilt: set[int] = set()
    for line, row in read_rows(text, REQUIRED):
        report.rows += 1
        try:
            _read(line, row, analysis, wishes)
        except _Refused as refused:
            report.conflicts.append(Problem(line, refused.code, str(refused)))
            if _is_whole(row["group"]):
                spoilt.add(int(row["group"]))
    report.groups = len(wishes)
    return {place: wish for place, wish in wishes.items() if place not in spoilt}


def _read(line: int, row: dict[str, str], analysis: DuplicateAnalysisResult, wishes: dict[int, _Wish]) -> None:
    if row["analysis_id"].strip().lower() != str(analysis.pk):
        raise _Refused("OTHER_ANALYSIS", _("This row belongs to analysis %(id)s.") % {"id": row["analysis_id"]})
    place, track_id = (_whole(row, name) for name in ("group", "track_id"))
    is_keeper = _flag(row, "is_canonical") if "is_canonical" in row else None
    is_apart = _flag(row, NOT_DUPLICATE) if NOT_DUPLICATE in row else False
    wish = wishes.setdefault(place, _Wish(line, row["group_version"]))
    if wish.version != row["group_version"]:
        raise _Refused("TWO_VERSIONS", _("The rows of group %(group)s come from two exports.") % {"group": place})
    if is_keeper:
        # Only the keeper it had has no evidence against itself.
        (wish.new_keepers if row.get("evidence") else wish.keepers).append(track_id)
    elif is_keeper is not None:
        wish.not_keepers.append(track_id)
    if is_apart:
        wish.apart.append(track_id)
    if "resolution" in row:
        wish.resolutions.add(_resolution(row["resolution"]))
    wish.is_edited = wish.is_edited or _is_edited(row, wish)


def _is_edited(row: dict[str, str], wish: _Wish) -> bool:
    """Does this row, or what was read of its group so far, differ from what the export wrote?"""
    if wish.apart or wish.new_keepers or len(wish.resolutions) > 1 or len(wish.keepers) > 1 or "evidence" not in row:
        return True
    return "resolution" in row and bool(row["resolution"].strip()) != (row.get("is_resolved", "").lower() == "true")


def _whole(row: dict[str, str], name: str) -> int:
    if not _is_whole(row[name]):
        raise _Refused("UNREADABLE", _("%(name)s is %(text)r, not a whole number.") % {"name": name, "text": row[name]})
    return int(row[name])


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _flag(row: dict[str, str], name: str) -> bool:
    text = row[name].strip().lower()
    if text not in _YES | _NO:
        raise _Refused("UNREADABLE", _("%(name)s is %(text)r, not yes or no.") % {"name": name, "text": row[name]})
    return text in _YES


def _resolution(text: str) -> str:
    value = text.strip().lower()
    if value and value not in Resolution.values:
        accepted = ", ".join(Resolution.values)
        raise _Refused("UNREADABLE", _("%(text)r is none of %(all)s.") % {"text": text, "all": accepted})
    return value


# --- Deciding ---------------------------------------------------------------------------------------------------------


def _take(
    group: DuplicateAnalysisGroup | None,
    wish: _Wish,
    report: EditedImport,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    dry_run: bool,
) -> None:
    """Decide about one group, in a transaction of its own."""
    try:
        if group is None:
            raise _Refused("NO_SUCH_GROUP", _("The analysis has no such group."))
        change = _change(group, wish)
        if not change or not (wish.is_edited or wish.version == group.version):
            report.unchanged += 1
            return
        with transaction.atomic():
            _apply(group, change, wish.version, actor=actor, now=now)
            if dry_run:
                raise _TakenBack
    except _TakenBack:
        pass
    except (_Refused, DuplicatesError) as refused:
        report.conflicts.append(Problem(wish.line, refused.code, str(refused)))
        return
    report.keepers += change.keeper_id is not None
    report.resolutions += change.resolution is not None
    report.not_duplicates += len(change.apart)


def _change(group: DuplicateAnalysisGroup, wish: _Wish) -> _Change:
    """Return what differs from the group as it is. Raises as `require_seen` where somebody else is the reason."""
    if wish.is_edited and wish.version and wish.version != group.version:
        if _is_so(group, wish):
            return _Change()
        guards.require_seen(group, wish.version)
    decided = group.resolution if group.is_resolved else ""
    change = _Change(_keeper(group, wish), _wanted_resolution(decided, wish.resolutions))
    change.apart = _still_together(group, wish.apart)
    if change.resolution == Resolution.DELETED:
        raise _Refused("NEEDS_A_PLAN", _("Copies are removed by a plan, which shows first what goes."))
    return change


def _is_so(group: DuplicateAnalysisGroup, wish: _Wish) -> bool:
    """Is the group as the file wants it already, whoever did it?"""
    keepers_wanted = wish.new_keepers or wish.keepers or [group.keeper_track_id]
    decided = group.resolution if group.is_resolved else ""
    wanted = wish.resolutions - {""} or wish.resolutions
    return (
        group.keeper_track_id in keepers_wanted
        and (not wanted or wanted == {decided})
        and not _still_together(group, wish.apart)
    )


def _keeper(group: DuplicateAnalysisGroup, wish: _Wish) -> int | None:
    """Return another keeper where the file names one."""
    others = wish.new_keepers or [one for one in wish.keepers if one != group.keeper_track_id]
    if len(others) > 1:
        raise _Refused("TWO_KEEPERS", _("%(group)s has several keepers in this file.") % {"group": group})
    if others == [group.keeper_track_id]:
        return None
    if not others and not wish.keepers and group.keeper_track_id in wish.not_keepers:
        raise _Refused("NO_KEEPER", _("%(group)s has no keeper in this file.") % {"group": group})
    return others[0] if others else None


def _wanted_resolution(decided: str, wanted: Iterable[str]) -> str | None:
    """Return another decision where the file names one, on one row of the group or on all."""
    others = sorted(set(wanted) - {decided})
    if len(others) > 1:
        named = ", ".join(one or _("open") for one in others)
        raise _Refused("TWO_DECISIONS", _("The rows of this group disagree: %(named)s.") % {"named": named})
    return others[0] if others else None


def _apply(
    group: DuplicateAnalysisGroup,
    change: _Change,
    seen_version: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> None:
    """Do what the file says. The first verb locks the group and asks for its version; the rest follow."""
    if not seen_version:
        raise _Refused("UNREADABLE", _("group_version is blank."))
    guards.require_seen(group, seen_version)
    seen = seen_version
    if change.resolution == "":
        group, seen = reviewing.reopen(group=group, actor=actor, now=now, seen_version=seen), ""
    if change.keeper_id is not None:
        keepers.choose_keeper(group=group, track_id=change.keeper_id, actor=actor, now=now, seen_version=seen)
        seen = ""
    for track_id in change.apart:
        group, seen = _split_out(group, track_id, seen, actor=actor, now=now), ""
    if change.resolution:
        chosen = Resolution(change.resolution)
        group.refresh_from_db()
        if group.resolution != chosen or not group.is_resolved:
            reviewing.decide(group=group, resolution=chosen, actor=actor, now=now, seen_version=seen)


def _split_out(
    group: DuplicateAnalysisGroup, track_id: int, seen: str, *, actor: "AbstractBaseUser | None", now: datetime
) -> DuplicateAnalysisGroup:
    """Take one member out, unless those before it left nothing to take it out of."""
    if guards.is_decided(group):
        return group
    return reviewing.split_out(group=group, track_id=track_id, actor=actor, now=now, seen_version=seen)


def _still_together(group: DuplicateAnalysisGroup, track_ids: list[int]) -> list[int]:
    """Return those of the members that are not apart from all others already, so that a file may be sent twice."""
    if not track_ids:
        return []
    said = {(one.left_key, one.right_key) for one in different.decisions_on(group)}
    keys = {member.track_id: different.key_of(member) for member in group.members.all()}
    return [
        one
        for one in track_ids
        if one not in keys
        or any(
            (min(keys[one], other), max(keys[one], other)) not in said for other in keys.values() if other != keys[one]
        )
    ]


def _record(
    analysis: DuplicateAnalysisResult,
    report: EditedImport,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    stopped_by: BaseException | None = None,
) -> None:
    audit.record(
        "decisions.imported",
        actor=actor,
        now=now,
        subject=analysis,
        was_successful=stopped_by is None,
        message="" if stopped_by is None else _STOPPED % {"reason": type(stopped_by).__name__},
        counts={
            "keepers": report.keepers,
            "resolutions": report.resolutions,
            "members_apart": report.not_duplicates,
            "conflicts": len(report.conflicts),
        },
    )
