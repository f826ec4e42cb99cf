"""Decisions that two tracks differ: made, taken back, and kept by where the tracks come from.

They outlive the analysis they were made in. The next run keeps such a pair apart, whatever the evidence says, as long
as both tracks say what they said then: `decision_review` looks whether they do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import batched, combinations
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions
from duplicates.models import DecidingGroup, DuplicateAnalysisGroup, DuplicateAnalysisTrack, NotDuplicate
from duplicates.models.records import identity_key
from duplicates.services import audit
from duplicates.services.decision_evidence import Evidence, evidence_of
from duplicates.services.stored_words import as_stored
from library.models import Track
from library.numbers import number

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

# Every pair of a group is a decision of its own: 100 members are 4,950 of them.
MOST_MEMBERS = 100
KEYS_A_QUERY = 200
type Pair = tuple[str, str]


def require_few_members(group: DuplicateAnalysisGroup, many: int) -> None:
    """Refuse a group whose members would make too many pairs."""
    if many > MOST_MEMBERS:
        raise InvalidOptions(
            _("%(group)s has %(many)s members; at most %(most)s can be declared different at once.")
            % {"group": group, "many": number(many), "most": number(MOST_MEMBERS)}
        )


def declare_groups_different(
    groups: Sequence[DuplicateAnalysisGroup], *, actor: "AbstractBaseUser | None", now: datetime, note: str = ""
) -> int:
    """Declare every two members of each group different; return how many pairs were not yet.

    Each pair notes the group, so that `take_back_groups` finds it; those declared by themselves before do not.
    """
    members: dict[int, list[DuplicateAnalysisTrack]] = {group.pk: [] for group in groups}
    for member in DuplicateAnalysisTrack.objects.filter(group__in=groups).order_by("group_id", "position"):
        members[member.group_id].append(member)
    for group in groups:
        require_few_members(group, len(members[group.pk]))
    pairs = [pair for listed in members.values() for pair in combinations(listed, 2)]
    return declare_different(pairs, actor=actor, now=now, note=note, decides_groups=True)


@audit.recorded("pairs.declared_different")
def declare_different(
    pairs: Sequence[tuple[DuplicateAnalysisTrack, DuplicateAnalysisTrack]],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    note: str = "",
    decides_groups: bool = False,
) -> int:
    """Declare pairs of members different; return how many were not yet. Of equal decisions at once one counts.

    Where that decides their groups, the decisions note which. Where it does not, they stand by themselves from now on:
    reopening a group that declared them before takes them back no more.
    """
    locations = _locations(member for pair in pairs for member in pair)
    decisions = [
        (_decision(left, right, locations, actor=actor, now=now, note=note), left.group_id)
        for left, right in pairs
        if key_of(left) != key_of(right)
    ]
    with transaction.atomic():
        known = _lock_in_force(pair_of(one) for one, _group in decisions)
        new = [one for one, _group in decisions if pair_of(one) not in known]
        NotDuplicate.objects.bulk_create(new, ignore_conflicts=True)
        if decides_groups:
            _note_groups([(pair_of(one), group_id) for one, group_id in decisions], known)
        else:
            DecidingGroup.objects.filter(decision__in=known.values()).delete()
        audit.record(
            "pairs.declared_different",
            actor=actor,
            now=now,
            after={"pairs": [as_stored(one) for one in new[:10]], "note": note},
            counts={"pairs": len(new), "known_before": len(decisions) - len(new)},
        )
    return len(new)


def _lock_in_force(pairs: Iterable[Pair]) -> dict[Pair, int]:
    """Return the decisions in force on these pairs by pair, locked: nobody takes one back meanwhile."""
    wanted = set(pairs)
    found: dict[Pair, int] = {}
    for part in batched(sorted({left for left, _right in wanted}), KEYS_A_QUERY):
        rows = NotDuplicate.objects.in_force().select_for_update().filter(left_key__in=part).order_by("pk")
        found |= {(left, right): pk for pk, left, right in rows.values_list("pk", "left_key", "right_key")}
    return {pair: pk for pair, pk in found.items() if pair in wanted}


def _note_groups(pairs: Sequence[tuple[Pair, int]], known: Mapping[Pair, int]) -> None:
    """Note by which groups the pairs are declared now, but for those that were declared by themselves before."""
    declared = _lock_in_force(pair for pair, _group in pairs)
    noted = DecidingGroup.objects.filter(decision__in=known.values()).values_list("decision_id", flat=True)
    alone = set(known.values()) - set(noted)
    DecidingGroup.objects.bulk_create(
        (
            DecidingGroup(decision_id=declared[pair], group_id=group_id)
            for pair, group_id in pairs
            if pair in declared and declared[pair] not in alone
        ),
        ignore_conflicts=True,
    )


def pair_of(decision: NotDuplicate) -> Pair:
    """Return the keys of a decision, the smaller first."""
    return decision.left_key, decision.right_key


@audit.recorded("pairs.taken_back")
def take_back(decisions: Iterable[NotDuplicate], *, actor: "AbstractBaseUser | None", now: datetime) -> int:
    """Take decisions back, so that the next run looks at the evidence again; return how many were in force."""
    named = list(decisions)
    with transaction.atomic():
        count = NotDuplicate.objects.filter(pk__in=[one.pk for one in named], revoked_at=None).update(revoked_at=now)
        audit.record(
            "pairs.taken_back",
            actor=actor,
            now=now,
            before={"pairs": [as_stored(one) for one in named[:10]]},
            counts={"pairs": count},
        )
    return count


def decisions_on(*groups: DuplicateAnalysisGroup) -> list[NotDuplicate]:
    """Return the decisions in force on pairs of members of the same group."""
    keys: dict[str, set[int]] = defaultdict(set)
    for member in DuplicateAnalysisTrack.objects.filter(group__in=groups):
        keys[key_of(member)].add(member.group_id)
    found: list[NotDuplicate] = []
    for part in batched(sorted(keys), KEYS_A_QUERY):
        found.extend(NotDuplicate.objects.filter(left_key__in=part, revoked_at=None).order_by("pk"))
    return [one for one in found if keys[one.left_key] & keys.get(one.right_key, set())]


def are_all_apart(group: DuplicateAnalysisGroup, members: Iterable[DuplicateAnalysisTrack]) -> bool:
    """Is every two of these members of a group that are in the library declared different by now?"""
    said = {pair_of(one) for one in decisions_on(group)}
    keys = sorted({key_of(member) for member in members if member.still_exists})
    return all(pair in said for pair in combinations(keys, 2))


def take_back_groups(
    groups: Sequence[DuplicateAnalysisGroup], *, actor: "AbstractBaseUser | None", now: datetime
) -> int:
    """Take back what deciding these groups declared, but for pairs that another group declares too; return how many."""
    found: dict[int, NotDuplicate] = {}
    ids = {group.pk for group in groups}
    for part in batched(sorted(ids), KEYS_A_QUERY):
        noted = DecidingGroup.objects.filter(group_id__in=part).values("decision_id")
        found |= {one.pk: one for one in NotDuplicate.objects.in_force().select_for_update().filter(pk__in=noted)}
    declared: dict[int, set[int]] = defaultdict(set)
    for part in batched(sorted(found), KEYS_A_QUERY):
        for pk, group_id in DecidingGroup.objects.filter(decision__in=part).values_list("decision_id", "group_id"):
            declared[pk].add(group_id)
    DecidingGroup.objects.filter(group_id__in=ids).delete()
    return take_back([one for pk, one in sorted(found.items()) if declared[pk] <= ids], actor=actor, now=now)


def hand_on(groups: Mapping[int, int]) -> None:
    """Let what groups declared be declared by others, which carry their decision on: the older by the newer."""
    for older, newer in groups.items():
        DecidingGroup.objects.filter(group_id=older).update(group_id=newer)


def join(ending: NotDuplicate, staying: NotDuplicate) -> None:
    """Let one of two decisions on the same pair stand for both: by itself, if one of them does, or for their groups."""
    noted = [set(one.deciding_groups.values_list("group_id", flat=True)) for one in (ending, staying)]
    if not all(noted):
        staying.deciding_groups.all().delete()
        return
    DecidingGroup.objects.bulk_create(
        DecidingGroup(decision=staying, group_id=group_id) for group_id in sorted(noted[0] - noted[1])
    )


def in_force(pairs: Iterable[Pair]) -> set[Pair]:
    """Return which of the pairs (smaller key first) are declared different."""
    wanted = set(pairs)
    found: set[Pair] = set()
    for part in batched(sorted({left for left, _right in wanted}), KEYS_A_QUERY):
        decided = NotDuplicate.objects.filter(left_key__in=part, revoked_at=None)
        found.update(decided.values_list("left_key", "right_key"))
    return found & wanted


def key_of(member: DuplicateAnalysisTrack) -> str:
    """Return by which key decisions name a member."""
    return identity_key(member.source, member.source_track_id)


def _decision(
    left: DuplicateAnalysisTrack,
    right: DuplicateAnalysisTrack,
    locations: dict[int, str],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    note: str,
) -> NotDuplicate:
    return new_decision(
        evidence_of(left, location=locations.get(left.track_id, "")),
        evidence_of(right, location=locations.get(right.track_id, "")),
        actor=actor,
        now=now,
        note=note,
    )


def new_decision(
    one: Evidence, other: Evidence, *, actor: "AbstractBaseUser | None", now: datetime, note: str = ""
) -> NotDuplicate:
    """Return an unsaved decision about two tracks; whichever comes first, the smaller key is left."""
    keyed = ((identity_key(said["source"], said["source_track_id"]), said) for said in (one, other))
    (left_key, left), (right_key, right) = sorted(keyed, key=lambda side: side[0])
    return NotDuplicate(
        left_key=left_key,
        right_key=right_key,
        left_label=_label(left),
        right_label=_label(right),
        left_evidence=dict(left),
        right_evidence=dict(right),
        user_id=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        created_at=now,
        note=note,
    )


def _label(said: Evidence) -> str:
    on_album = f" on {said['album']}" if said["album"] else ""
    return f"{said['title'] or 'Untitled'} by {said['artist'] or 'unknown artist'}{on_album}"


def _locations(members: Iterable[DuplicateAnalysisTrack]) -> dict[int, str]:
    """Return where the files of members lie, which a snapshot does not say."""
    ids = {member.track_id for member in members}
    return dict(Track.objects.filter(pk__in=ids).values_list("pk", "location"))
