"""Removes duplicates without losing anything: merges them into the keeper and puts them in quarantine, or refuses.

Of two people at once one wins and the other is told: everything is decided under the lock of the library revision. A
plan removes the copies of hundreds of groups at once, a person those of one: by the same functions.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from duplicates.choices import LedgerKind
from duplicates.exceptions import LastCopy, NotConfirmed
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisGroup, LedgerEntry
from duplicates.services import audit, guards, impact, keepers
from duplicates.services.cases import Case, CopiesLeft, Wanted, allowed, ask, judge_removals, lock, tracks_of
from duplicates.services.impact import Decided
from duplicates.services.stored_words import as_stored
from duplicates.site_settings import site
from library import quarantine
from library.changes import recording
from library.moved import Moved, MovedPlace, MovedValue, as_json
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

    type Actor = AbstractBaseUser | None


def remove_duplicates(
    *,
    group: DuplicateAnalysisGroup,
    keeper_id: int,
    removing: Collection[int],
    actor: "Actor",
    now: datetime,
    batch_id: uuid.UUID | None = None,
    seen_version: str = "",
) -> CleanupAction:
    """Merge copies of a group into its keeper and put them in quarantine; return the action, which can be undone.

    Raises the error that says why when a copy is gone, edited since, protected, declared different from the keeper or
    no direct match with it, when the group is decided already or not as the person saw it (`seen_version`), and
    LastCopy when any group of any analysis would lose its last copy.
    """
    wanted = Wanted(group.pk, keeper_id, str(group), tuple(removing), seen_version)
    with audit.attempt("duplicates.removed", subject=group, actor=actor, now=now), recording(_cause(group)):
        _require_few(removing)
        impact.follow_library(now=now)  # else a group might count a copy that an import has pruned
        (case,) = remove_together([wanted], actor=actor, now=now, batch_id=batch_id)
        if case.refused is not None:
            raise case.refused
        assert case.action is not None
    return case.action


def remove_together(
    wanted: Sequence[Wanted], *, actor: "Actor", now: datetime, batch_id: uuid.UUID | None = None
) -> list[Case]:
    """Remove copies of groups of one analysis, and choose their keepers first where a rule says so.

    Returns what became of each, in order: its action, or why it was refused; a group that is refused stays as it was.
    Takes the same few queries for one group and for hundreds. Call it within `recording`.
    """
    cases = [case for part in _disjoint(wanted) for case in _remove_disjoint(part, actor, now, batch_id)]
    places = {one: place for place, one in enumerate(wanted)}
    return sorted(cases, key=lambda case: places[case.wanted])


def _require_few(removing: Collection[int]) -> None:
    """Refuse what takes a plan whose count is typed."""
    if len(removing) > settings.BULK_REMOVAL_LIMIT:
        named = {"count": number(len(removing)), "limit": number(settings.BULK_REMOVAL_LIMIT)}
        raise NotConfirmed(
            _("%(count)s copies; more than %(limit)s are removed by a plan alone.") % named,
            way_out=_("Make a plan for this group, and confirm it by typing the number."),
        )


def _cause(group: DuplicateAnalysisGroup) -> str:
    return f"analysis:{group.analysis_id}"


def _disjoint(wanted: Sequence[Wanted]) -> Iterator[list[Wanted]]:
    """Yield parts in which no track is concerned twice; groups of one analysis are nearly always one such part."""
    waiting = list(wanted)
    while waiting:
        taken: set[int] = set()
        part: list[Wanted] = []
        later: list[Wanted] = []
        for one in waiting:
            concerned = {one.keeper_id, *one.removing}
            (later if taken & concerned else part).append(one)
            taken |= concerned
        yield part
        waiting = later


def _remove_disjoint(wanted: Sequence[Wanted], actor: "Actor", now: datetime, batch_id: uuid.UUID | None) -> list[Case]:
    cases = lock(wanted)
    keepers.require_seen(cases)
    tracks = tracks_of(cases)
    keepers.give_keepers(cases, tracks, actor=actor, now=now)
    ask(cases, lambda case: guards.require_keeper(case.group, case.keeper_id))
    for case in allowed(cases):
        wished = set(case.removing)
        case.removing = [pk for pk in case.members if pk in wished] + sorted(wished - case.members.keys())
    left = CopiesLeft()
    judge_removals(cases, tracks, left)
    try:
        with transaction.atomic():
            _write(allowed(cases), tracks, left, actor=actor, now=now, batch_id=batch_id)
    except (LastCopy, IntegrityError) as error:
        return _refused_by_the_database(error, cases, actor, now, batch_id)
    return cases


def _refused_by_the_database(
    error: LastCopy | IntegrityError, cases: list[Case], actor: "Actor", now: datetime, batch_id: uuid.UUID | None
) -> list[Case]:
    """Find the one of several that the database, or the count after the removal, refuses; the others go on."""
    doing = allowed(cases)
    if len(doing) > 1:
        again = [one for case in doing for one in _remove_disjoint([case.wanted], actor, now, batch_id)]
        return [case for case in cases if case.refused is not None] + again
    refusal = error if isinstance(error, LastCopy) else audit.refusal_of_the_database(error)
    if refusal is None:
        raise error
    doing[0].refused = refusal
    return cases


def _write(
    cases: Sequence[Case],
    tracks: guards.Tracks,
    left: CopiesLeft,
    *,
    actor: "Actor",
    now: datetime,
    batch_id: uuid.UUID | None,
) -> None:
    """Do what nothing forbids: keepers, merges, quarantine, groups, actions with their ledger, audit records."""
    if not cases:
        return
    chosen_from = {case.group.pk: _keeper_before(case) for case in cases}
    keepers.write_choices(cases, actor=actor, now=now)
    removals = {case.keeper_id: [tracks[pk] for pk in case.removing] for case in cases}
    moved = quarantine.remove(removals, now=now)
    decided = impact.follow_tracks([pk for case in cases for pk in case.removing], actor=actor, now=now)
    shares = _shares(cases, moved, decided, left)
    for case in cases:
        case.action = _new_action(case, tracks, actor=actor, now=now, batch_id=batch_id)
        case.action.places_moved = len(shares[case.keeper_id].places)
    CleanupAction.objects.bulk_create(case.action for case in cases if case.action)
    LedgerEntry.objects.bulk_create(
        entry for case in cases for entry in _ledger(case, shares[case.keeper_id], chosen_from[case.group.pk])
    )
    audit.record_each(_record(case, tracks, shares[case.keeper_id], actor=actor, now=now) for case in cases)


def _keeper_before(case: Case) -> int | None:
    return case.choice.before["group"]["keeper_track_id"] if case.choice is not None else None


class _Share:
    """What of everything that moved belongs to one removal."""

    def __init__(self, values: list[MovedValue]) -> None:
        self.values = values
        self.places: list[MovedPlace] = []
        self.decided: list[Decided] = []


def _shares(cases: Sequence[Case], moved: Moved, decided: Iterable[Decided], left: CopiesLeft) -> dict[int, _Share]:
    """Return the share of each removal, by keeper: no two have the same one."""
    shares = {case.keeper_id: _Share(moved.values.get(case.keeper_id, [])) for case in cases}
    keeper_of = {pk: case.keeper_id for case in cases for pk in case.concerned}
    for place in moved.places:
        # A place that opened because a keeper left it by hand belongs to whom it goes to, or to the first.
        owner = next((keeper_of[pk] for pk in (place.before, place.after) if pk in keeper_of), cases[0].keeper_id)
        shares[owner].places.append(place)
    # The last removal that took a copy of a group is the one that decided it.
    decider = {group_id: case.keeper_id for case in cases for pk in case.removing for group_id in left.groups_of[pk]}
    for one in decided:
        shares[decider.get(one.group_id, cases[0].keeper_id)].decided.append(one)
    return shares


def _new_action(
    case: Case,
    tracks: guards.Tracks,
    *,
    actor: "Actor",
    now: datetime,
    batch_id: uuid.UUID | None,
) -> CleanupAction:
    copies = [tracks[pk] for pk in case.removing]
    sizes = [copy.size_bytes for copy in copies]
    action_id = uuid.uuid4()
    return CleanupAction(
        action_id=action_id,
        batch_id=batch_id or action_id,
        analysis_id=case.group.analysis_id,
        group=case.group,
        label=as_stored(case.group),
        keeper_track_id=case.keeper_id,
        user_id=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        created_at=now,
        expires_at=now + timedelta(days=site.QUARANTINE_DAYS),
        removed_count=len(copies),
        plays_moved=sum(copy.play_count for copy in copies),
        bytes_freed=None if None in sizes else sum(size or 0 for size in sizes),
    )


def _ledger(case: Case, share: _Share, chosen_from: int | None) -> Iterator[LedgerEntry]:
    """Yield one line for each track, value, place and group that changed, and for the choice of the keeper."""
    action = case.action
    assert action is not None
    removed_at = as_json(action.created_at)
    for pk in case.removing:
        yield LedgerEntry(action=action, kind=LedgerKind.TRACK, track_id=pk, field="quarantined_at", after=removed_at)
    for value in share.values:
        yield LedgerEntry(
            action=action,
            kind=LedgerKind.VALUE,
            track_id=value.track_id,
            field=value.field,
            before=value.before,
            after=value.after,
        )
    for place in share.places:
        yield LedgerEntry(
            action=action,
            kind=LedgerKind.PLACE,
            playlist_id=place.playlist_id,
            position=place.position,
            track_id=place.before,
            before=place.before,
            after=place.after,
        )
    for one in share.decided:
        yield LedgerEntry(
            action=action, kind=LedgerKind.GROUP, group_id=one.group_id, before=one.before, after=one.after
        )
    if case.choice is not None:
        yield LedgerEntry(
            action=action,
            kind=LedgerKind.KEEPER,
            group_id=case.group.pk,
            track_id=case.keeper_id,
            before=chosen_from,
            after=case.choice.pk,
        )


def _record(case: Case, tracks: guards.Tracks, share: _Share, *, actor: "Actor", now: datetime) -> AuditRecord:
    action, copies = case.action, [tracks[pk] for pk in case.removing]
    assert action is not None
    return audit.new_record(
        "duplicates.removed",
        actor=actor,
        now=now,
        subject=case.group,
        before={"removed": [{"track_id": copy.pk, "name": str(copy), "source": copy.source} for copy in copies]},
        after={"action_id": str(action.pk), "keeper_track_id": action.keeper_track_id},
        counts={
            "groups": len(share.decided),
            "tracks": action.removed_count,
            "plays": action.plays_moved,
            "playlist_places": action.places_moved,
            "bytes": action.bytes_freed,
        },
    )
