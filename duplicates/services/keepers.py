"""Gives a group another keeper, and takes that back exactly.

Every member is judged against the new keeper, so that nothing is removed later that matches only the old one. Choices
are kept as a pile, each with what it replaced; `keeper_chosen_by` and `keeper_chosen_at` on the group name the one in
force, for pages and for a refresh that carries it over.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions, NothingToUndo
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, KeeperChoice
from duplicates.services import audit, guards
from duplicates.services.evidence import NOT_COMPARED, Verdict, Verdicts, verdicts_against
from library.models import Track
from library.quarantine import as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

CHOSEN = "chosen"
_OF_THE_GROUP = (
    "keeper_track_id",
    "keeper_rule",
    "keeper_reason",
    "title",
    "artist",
    "confidence",
    "average_similarity",
    "keeper_chosen_by_id",
    "keeper_chosen_at",
)
_OF_A_MEMBER = ("position", "similarity", "match_weight", "evidence", "matches_keeper")
# Positions move out of the way before they are written anew: two members never hold the same one.
_OUT_OF_THE_WAY = 1_000_000_000
Members = list[DuplicateAnalysisTrack]


def choose_keeper(
    *,
    group: DuplicateAnalysisGroup,
    track_id: int,
    actor: "AbstractBaseUser | None",
    now: datetime,
    seen_version: str = "",
    rule: str = CHOSEN,
    reason: str = "",
    verdicts: Verdicts | None = None,
) -> KeeperChoice:
    """Keep another member of an open group; return the choice, which can be taken back.

    `seen_version` is the group's `version` as the person saw it; one that is no longer true raises KeeperChanged,
    GroupResolved or GroupChanged, saying who came in between. Raises InvalidOptions for a track that is no member,
    MemberGone for one that left the library, and CannotExplain where the members cannot be judged against it.
    """
    with audit.attempt("keeper.chosen", subject=group, actor=actor, now=now), transaction.atomic():
        group = _locked(group)
        guards.require_seen(group, seen_version)
        guards.require_open(group)
        members = list(group.members.order_by("position"))
        _require_a_member_that_is_here(group, members, track_id)
        choice = KeeperChoice.objects.create(
            group=group,
            track_id=track_id,
            before=_state(group, members),
            user_id=actor.pk if actor else None,
            user_name=actor.get_username() if actor else "",
            created_at=now,
        )
        verdicts = verdicts or verdicts_against(group.analysis, [(group, members, track_id)])
        group.keeper_rule, group.keeper_reason = rule, reason or _chosen_by(actor)
        group.keeper_chosen_at, group.keeper_chosen_by_id = now, actor.pk if actor else None
        set_keeper(group, members, track_id, verdicts)
        audit.record(
            "keeper.chosen",
            actor=actor,
            now=now,
            subject=group,
            before={name: choice.before["group"][name] for name in _OF_THE_GROUP[:3]},
            after={name: getattr(group, name) for name in _OF_THE_GROUP[:3]},
        )
    return choice


def take_back_choice(
    *, group: DuplicateAnalysisGroup, actor: "AbstractBaseUser | None", now: datetime, seen_version: str = ""
) -> KeeperChoice:
    """Give an open group the keeper it had before the newest choice, with all its evidence.

    Raises NothingToUndo where nobody has chosen, and for a version that is no longer true as `choose_keeper` does.
    """
    with audit.attempt("keeper.choice_undone", subject=group, actor=actor, now=now), transaction.atomic():
        group = _locked(group)
        guards.require_seen(group, seen_version)
        guards.require_open(group)
        choice = group.keeper_choices.filter(undone_at=None).order_by("-pk").first()
        if choice is None:
            raise NothingToUndo(_("Nobody has chosen another keeper for %(group)s.") % {"group": group})
        undo_choice(choice, now=now)
        audit.record(
            "keeper.choice_undone",
            actor=actor,
            now=now,
            subject=group,
            before={"keeper_track_id": choice.track_id},
            after={"keeper_track_id": choice.before["group"]["keeper_track_id"]},
        )
    return choice


def carry_choice(chosen: DuplicateAnalysisGroup, group: DuplicateAnalysisGroup) -> None:
    """Give a group of a newer analysis the keeper that a person chose in `chosen`; it can be taken back there, too.

    Call it in the transaction that carries decisions over.
    """
    if chosen.keeper_chosen_at is None:
        return
    members = list(group.members.order_by("position"))
    who = chosen.keeper_chosen_by
    KeeperChoice.objects.create(
        group=group,
        track_id=chosen.keeper_track_id,
        before=_state(group, members),
        user=who,
        user_name=who.get_username() if who else "",
        created_at=chosen.keeper_chosen_at,
    )
    verdicts = verdicts_against(group.analysis, [(group, members, chosen.keeper_track_id)])
    group.keeper_rule, group.keeper_reason = chosen.keeper_rule, chosen.keeper_reason
    group.keeper_chosen_at, group.keeper_chosen_by_id = chosen.keeper_chosen_at, chosen.keeper_chosen_by_id
    set_keeper(group, members, chosen.keeper_track_id, verdicts)


def undo_choice(choice: KeeperChoice, *, now: datetime) -> None:
    """Undo one choice, wherever in the pile it lies: a later one stays in force and falls back on what this one had."""
    later = KeeperChoice.objects.filter(group_id=choice.group_id, undone_at=None, pk__gt=choice.pk).order_by("pk")
    above = later.first()
    choice.undone_at = now
    choice.save(update_fields=["undone_at"])
    if above is not None:
        above.before = choice.before
        above.save(update_fields=["before"])
        return
    group = DuplicateAnalysisGroup.objects.select_for_update().get(pk=choice.group_id)
    _write_state(group, choice.before)


def set_keeper(group: DuplicateAnalysisGroup, members: Members, keeper_id: int, verdicts: Verdicts) -> None:
    """Write a group's keeper and its members' evidence against it, and what follows for the group."""
    found = {member.pk: verdicts.get((keeper_id, member.track_id), NOT_COMPARED) for member in members}
    order = sorted(members, key=lambda one: (one.track_id != keeper_id, -found[one.pk].similarity, one.track_id))
    keeper, others = order[0], [found[member.pk].similarity for member in order[1:]]
    group.keeper_track_id, group.title, group.artist = keeper_id, keeper.title, keeper.artist
    group.confidence, group.average_similarity = min(others), sum(others) / len(others)
    group.save(update_fields=_OF_THE_GROUP)
    for place, member in enumerate(order):
        _give(member, place, found[member.pk])
    _write_members(group, order)


def _give(member: DuplicateAnalysisTrack, place: int, verdict: Verdict) -> None:
    member.position, member.is_canonical = place, place == 0
    member.similarity, member.match_weight = verdict.similarity, verdict.match_weight
    member.evidence, member.matches_keeper = verdict.evidence, verdict.matches_keeper


def _write_members(group: DuplicateAnalysisGroup, members: Iterable[DuplicateAnalysisTrack]) -> None:
    """Write the members' places and evidence; on the way no two hold the same place and none is the keeper."""
    group.members.update(is_canonical=False, position=F("position") + _OUT_OF_THE_WAY)
    DuplicateAnalysisTrack.objects.bulk_update(list(members), [*_OF_A_MEMBER, "is_canonical"], batch_size=100)


def _locked(group: DuplicateAnalysisGroup) -> DuplicateAnalysisGroup:
    wanted = DuplicateAnalysisGroup.objects.select_for_update(of=("self",)).select_related("analysis", "resolved_by")
    return wanted.defer("analysis__learnt_tables").get(pk=group.pk)


def _require_a_member_that_is_here(group: DuplicateAnalysisGroup, members: Members, track_id: int) -> None:
    named = {member.track_id: member for member in members}
    if track_id not in named:
        raise InvalidOptions(_("Track %(track)s is no member of %(group)s.") % {"track": track_id, "group": group})
    guards.require_present(named, Track.objects.in_bulk([track_id]), [track_id])


def _chosen_by(actor: "AbstractBaseUser | None") -> str:
    return _("Chosen by %(who)s") % {"who": actor.get_username()} if actor else _("Chosen by the system")


def _state(group: DuplicateAnalysisGroup, members: Members) -> dict[str, Any]:
    """Return the group's keeper and its members' evidence as JSON holds them."""
    return {
        "group": {name: as_json(getattr(group, name)) for name in _OF_THE_GROUP},
        "members": {str(one.pk): [getattr(one, name) for name in _OF_A_MEMBER] for one in members},
    }


def _write_state(group: DuplicateAnalysisGroup, state: dict[str, Any]) -> None:
    """Write back what `_state` returned."""
    for name, value in state["group"].items():
        setattr(group, name, value)
    if group.keeper_chosen_at is not None:
        group.keeper_chosen_at = datetime.fromisoformat(state["group"]["keeper_chosen_at"])
    chosen_by = group.keeper_chosen_by_id
    if chosen_by is not None and not get_user_model().objects.filter(pk=chosen_by).exists():
        group.keeper_chosen_by_id = None  # who chose then has gone since
    group.save(update_fields=_OF_THE_GROUP)
    members = list(group.members.all())
    for member in members:
        place, *verdict = state["members"][str(member.pk)]
        _give(member, place, Verdict(*verdict))
    _write_members(group, members)
