"""What a person decides about one group, as they saw it: nobody overwrites what somebody else did meanwhile.

Each verb takes the group's `version` as the person saw it and refuses, saying what happened, where it is another by
now. Removing copies has a module of its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.choices import Resolution
from duplicates.exceptions import InvalidOptions, NothingToUndo
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import audit, different, guards, keepers
from duplicates.services.cases import Case, Wanted, allowed, ask, lock, lock_one
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from library.models import Track

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    type Actor = AbstractBaseUser | None


def decide(
    *, group: DuplicateAnalysisGroup, resolution: Resolution, actor: "Actor", now: datetime, seen_version: str = ""
) -> DuplicateAnalysisGroup:
    """Note a decision on an open group, or one set aside, and return it as it is then."""
    with _as_seen("groups.resolved", group, seen_version, actor=actor, now=now) as seen:
        guards.require_open(seen)
        mark_groups_resolved(seen.analysis, [seen.pk], resolution, actor=actor, now=now)
        seen.refresh_from_db()
    return seen


def decide_together(wanted: Sequence[Wanted], resolution: Resolution, *, actor: "Actor", now: datetime) -> list[Case]:
    """Note one decision on groups of one analysis, and choose their keepers first where a rule says so.

    Returns what became of each, in order; one that is refused stays as it was. Takes the same few queries for one group
    and for hundreds. Call it within a transaction.
    """
    cases = lock(wanted)
    keepers.require_seen(cases)
    choosing = {case.keeper_id for case in allowed(cases) if case.rule}
    keepers.give_keepers(cases, Track.objects.in_bulk(sorted(choosing)), actor=actor, now=now)
    if resolution == Resolution.NOT_DUPLICATES:
        ask(cases, lambda case: different.require_few_members(case.group, len(case.members)))
    if doing := allowed(cases):
        keepers.write_choices(cases, actor=actor, now=now)
        mark_groups_resolved(
            doing[0].group.analysis, [case.group.pk for case in doing], resolution, actor=actor, now=now
        )
    return cases


def reopen(
    *, group: DuplicateAnalysisGroup, actor: "Actor", now: datetime, seen_version: str = ""
) -> DuplicateAnalysisGroup:
    """Take the decision on a group back and return it as it is then. Raises NothingToUndo for an open one."""
    with _as_seen("groups.reopened", group, seen_version, actor=actor, now=now) as seen:
        if not reopen_groups(seen.analysis, [seen.pk], actor=actor, now=now):
            raise NothingToUndo(_("%(group)s is open.") % {"group": seen})
        seen.refresh_from_db()
    return seen


def split_out(
    *, group: DuplicateAnalysisGroup, track_id: int, actor: "Actor", now: datetime, seen_version: str = ""
) -> DuplicateAnalysisGroup:
    """Declare one member different from every other, so that the next analysis keeps it out of their group.

    A group none of whose members can be duplicates any more is decided as no duplicates.
    """
    with _as_seen("pairs.declared_different", group, seen_version, actor=actor, now=now) as seen:
        guards.require_open(seen)
        member, others = _member(seen, track_id)
        if different.are_all_apart(seen, others):
            # Declares what is missing itself, so that reopening takes back this last word and not those before.
            mark_groups_resolved(seen.analysis, [seen.pk], Resolution.NOT_DUPLICATES, actor=actor, now=now)
        else:
            different.declare_different([(member, other) for other in others], actor=actor, now=now)
        seen.refresh_from_db()
    return seen


def put_back(
    *, group: DuplicateAnalysisGroup, track_id: int, actor: "Actor", now: datetime, seen_version: str = ""
) -> DuplicateAnalysisGroup:
    """Take back that one member is different from the others. Raises NothingToUndo where nobody said so."""
    with _as_seen("pairs.taken_back", group, seen_version, actor=actor, now=now) as seen:
        guards.require_open(seen)
        member, _others = _member(seen, track_id)
        key = different.key_of(member)
        decisions = [one for one in different.decisions_on(seen) if key in (one.left_key, one.right_key)]
        if not decisions:
            raise NothingToUndo(_("Nobody has declared %(track)s different.") % {"track": member})
        different.take_back(decisions, actor=actor, now=now)
    return seen


@contextmanager
def _as_seen(
    verb: str, group: DuplicateAnalysisGroup, seen_version: str, *, actor: "Actor", now: datetime
) -> Iterator[DuplicateAnalysisGroup]:
    """Lock a group that is still what the person saw, in a transaction; keep a record of a refusal."""
    with audit.attempt(verb, subject=group, actor=actor, now=now), transaction.atomic():
        locked = lock_one(group)
        guards.require_seen(locked, seen_version)
        yield locked


def _member(
    group: DuplicateAnalysisGroup, track_id: int
) -> tuple[DuplicateAnalysisTrack, list[DuplicateAnalysisTrack]]:
    """Return a member and the others."""
    members = list(group.members.order_by("position"))
    named = [member for member in members if member.track_id == track_id]
    if not named:
        raise InvalidOptions(_("Track %(track)s is no member of %(group)s.") % {"track": track_id, "group": group})
    return named[0], [member for member in members if member.track_id != track_id]
