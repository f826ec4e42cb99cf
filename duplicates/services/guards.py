"""What forbids a removal. Each guard raises the error that says why, naming the copies it is about.

Call them inside the transaction that removes, after its locks are taken: what they saw then stays true.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.utils.translation import gettext as _

from duplicates.choices import CleanupState, LedgerKind, Resolution
from duplicates.exceptions import (
    AnalysisNotReady,
    DeclaredDifferent,
    GroupChanged,
    GroupResolved,
    InvalidOptions,
    KeeperChanged,
    LastCopy,
    MemberChanged,
    MemberGone,
    NoDirectMatch,
    TrackProtected,
)
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, LedgerEntry, NotDuplicate
from duplicates.models.records import identity_key
from library.change_triggers import MATCHING_FIELDS
from library.models import LibraryChange, MergedValue, Track
from library.quarantine import as_json

Members = dict[int, DuplicateAnalysisTrack]
Tracks = dict[int, Track]
_IN_SNAPSHOT = tuple(
    name for name in MATCHING_FIELDS if name in {f.name for f in DuplicateAnalysisTrack._meta.concrete_fields}
)


def is_decided(group: DuplicateAnalysisGroup) -> bool:
    """Has somebody decided about a group? Setting it aside for later only puts the decision off."""
    return group.is_resolved and group.resolution != Resolution.MANUAL_REVIEW


def require_seen(group: DuplicateAnalysisGroup, seen_version: str) -> None:
    """Refuse to go on where a group is not what a person saw; no version is no question. Says what happened instead."""
    if not seen_version or seen_version == group.version:
        return
    require_open(group)
    if group.is_resolved:
        who = group.resolved_by.get_username() if group.resolved_by else _("The system")
        raise GroupChanged(_("%(who)s has set %(group)s aside meanwhile.") % {"who": who, "group": group})
    if (choice := group.keeper_choices.order_by("-pk").first()) is not None:
        named = {"who": choice.user_name or _("The system"), "group": group}
        raise KeeperChanged(_("%(who)s has changed the keeper of %(group)s meanwhile.") % named)
    raise GroupChanged(_("%(group)s has changed since you looked at it.") % {"group": group})


def require_open(group: DuplicateAnalysisGroup) -> None:
    """Refuse a group that somebody has decided about, or whose analysis is not finished. Set aside is not decided."""
    if not group.analysis.has_groups:
        raise AnalysisNotReady
    if is_decided(group):
        who = group.resolved_by.get_username() if group.resolved_by else "The system"
        raise GroupResolved(f"{who} has decided about {group} already: {group.get_resolution_display().lower()}.")


def require_members(
    group: DuplicateAnalysisGroup, members: Members, *, keeper_id: int, removing: Collection[int]
) -> None:
    """Refuse a keeper that is not the group's, tracks that are not its members, and taking all of them."""
    if strangers := sorted(set(removing) - members.keys()):
        raise InvalidOptions(f"Tracks {', '.join(map(str, strangers))} are no members of {group}.")
    if not removing:
        raise InvalidOptions("Name at least one copy to remove.")
    if keeper_id != group.keeper_track_id:
        raise KeeperChanged(f"The keeper of {group} is track {group.keeper_track_id}, not {keeper_id}.")
    if keeper_id in removing:
        raise LastCopy(f"Track {keeper_id} is the copy of {group} to keep.")


def require_present(members: Members, tracks: Tracks, wanted: Iterable[int]) -> None:
    """Refuse copies that are not in the library any more, and say who removed them."""
    gone = [pk for pk in wanted if pk not in tracks or tracks[pk].quarantined_at is not None]
    if not gone:
        return
    entry = (
        LedgerEntry.objects.filter(kind=LedgerKind.TRACK, track_id__in=gone, action__state=CleanupState.DONE)
        .select_related("action")
        .order_by("-pk")
        .first()
    )
    by = f", removed by {entry.action.user_name or 'the system'} meanwhile" if entry else ""
    raise MemberGone(f"No longer in the library: {_named(members, gone)}{by}.")


def require_removable(members: Members, tracks: Tracks, removing: Iterable[int]) -> None:
    """Refuse protected copies and those that match the keeper only through a chain."""
    wanted = list(removing)
    if protected := [pk for pk in wanted if tracks[pk].is_protected]:
        raise TrackProtected(f"Protected from removal: {_named(members, protected)}.")
    if chained := [pk for pk in wanted if not members[pk].matches_keeper]:
        raise NoDirectMatch(f"No direct match with the keeper: {_named(members, chained)}.")


def require_alike(members: Members, keeper_id: int, removing: Iterable[int]) -> None:
    """Refuse copies that somebody declared different from the keeper, here or in any other analysis."""
    if apart := declared_different(members, keeper_id, removing):
        raise DeclaredDifferent(f"Declared different from the keeper: {_named(members, apart)}.")


def declared_different(members: Members, keeper_id: int, others: Iterable[int]) -> list[int]:
    """Return which members somebody declared different from the keeper."""
    keys = {pk: identity_key(members[pk].source, members[pk].source_track_id) for pk in (keeper_id, *others)}
    pairs = {tuple(sorted((keys[keeper_id], keys[pk]))): pk for pk in keys if pk != keeper_id}
    decided = NotDuplicate.objects.filter(
        left_key__in=keys.values(), right_key__in=keys.values(), revoked_at=None
    ).values_list("left_key", "right_key")
    return [pairs[pair] for pair in decided if pair in pairs]


def require_unchanged(group: DuplicateAnalysisGroup, members: Members, tracks: Tracks, wanted: Collection[int]) -> None:
    """Refuse copies whose matching fields differ from what the analysis saw; what a merge filled in is no edit."""
    refuse_changed(members, changed_fields(group, members, tracks, wanted))


def refuse_changed(members: Members, changes: dict[int, list[str]]) -> None:
    """Refuse the first of the copies whose matching fields were edited, naming the fields."""
    for pk, changed in changes.items():
        fields = ", ".join(name.replace("_", " ") for name in changed)
        raise MemberChanged(f"Edited since it was analysed: {_named(members, [pk])} ({fields}).", fields=changed)


def changed_fields(
    group: DuplicateAnalysisGroup, members: Members, tracks: Tracks, wanted: Collection[int]
) -> dict[int, list[str]]:
    """Return the matching fields that were edited since the analysis read them, by track; a merge is no edit."""
    seen = _as_analysed(group.analysis.library_revision, wanted)
    own = {pk: {name: as_json(getattr(tracks[pk], name)) for name in MATCHING_FIELDS} for pk in wanted}
    shown = {pk: dict(values) for pk, values in own.items()}
    for row in MergedValue.objects.filter(track_id__in=wanted, field__in=MATCHING_FIELDS):
        if shown[row.track_id][row.field] == row.written:
            own[row.track_id][row.field] = row.own
    changes = {}
    for pk in wanted:
        analysed = [*((name, as_json(getattr(members[pk], name))) for name in _IN_SNAPSHOT), *seen.get(pk, {}).items()]
        changed = sorted({name for name, value in analysed if value not in (own[pk][name], shown[pk][name])})
        if changed:
            changes[pk] = changed
    return changes


def _as_analysed(revision: int | None, track_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """Return the matching fields as the run read them, of the tracks that were edited after it began."""
    if revision is None:
        return {}
    changes = LibraryChange.objects.filter(track_id__in=track_ids, revision__gt=revision, before__isnull=False)
    before: dict[int, dict[str, Any]] = {}
    for track_id, fields in changes.order_by("id").values_list("track_id", "before"):
        if isinstance(fields, dict):
            before.setdefault(track_id, fields)
    return before


def _named(members: Members, track_ids: Iterable[int]) -> str:
    return "; ".join(f"{members[pk]} (track {pk}, {members[pk].source})" for pk in track_ids)
