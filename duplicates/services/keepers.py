"""Gives a group another keeper, and takes that back exactly.

Every member is judged against the new keeper, so that nothing is removed later that matches only the old one. Choices
are kept as a pile, each with what it replaced; `keeper_chosen_by` and `keeper_chosen_at` on the group name the one in
force, for pages and for a refresh that carries it over.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions, NothingToUndo
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, KeeperChoice
from duplicates.services import audit, guards
from duplicates.services.cases import Case, Wanted, allowed, ask, lock, lock_one
from duplicates.services.evidence import NOT_COMPARED, Verdict, Verdicts, verdicts_against
from library.models import Track
from library.moved import as_json
from library.row_updates import update_rows

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
) -> KeeperChoice:
    """Keep another member of an open group; return the choice, which can be taken back.

    `seen_version` is the group's `version` as the person saw it; one that is no longer true raises KeeperChanged,
    GroupResolved or GroupChanged, saying who came in between. Raises InvalidOptions for a track that is no member,
    MemberGone for one that left the library, and CannotExplain where the members cannot be judged against it.
    """
    with audit.attempt("keeper.chosen", subject=group, actor=actor, now=now), transaction.atomic():
        wanted = Wanted(
            group.pk, track_id, str(group), seen_version=seen_version, rule=CHOSEN, reason=_chosen_by(actor)
        )
        cases = lock([wanted])
        require_seen(cases)
        give_keepers(cases, Track.objects.in_bulk([track_id]), actor=actor, now=now)
        for case in cases:
            if case.refused is not None:
                raise case.refused
        return write_choices(cases, actor=actor, now=now)[0]


def require_seen(cases: Iterable[Case]) -> None:
    """Refuse the groups that are decided, or not what a person or a plan saw."""
    listed = list(cases)
    others = [case.group.pk for case in allowed(listed) if case.wanted.seen_version not in ("", case.group.version)]
    choosers = guards.choosers_of(others)
    ask(listed, lambda case: guards.require_seen(case.group, case.wanted.seen_version, choosers))
    ask(listed, lambda case: guards.require_open(case.group))


def give_keepers(
    cases: Iterable[Case], tracks: guards.Tracks, *, actor: "AbstractBaseUser | None", now: datetime
) -> None:
    """Give groups of one analysis the keepers that are wanted, without writing anything; refuse those that cannot be.

    A case without a rule keeps the keeper it has.
    """
    choosing = [case for case in cases if case.rule]
    ask(choosing, lambda case: _require_a_member_that_is_here(case, tracks))
    if not (asked := allowed(choosing)):
        return
    wanted = [(case.group, list(case.members.values()), case.keeper_id) for case in asked]
    verdicts, unjudged = verdicts_against(asked[0].group.analysis, wanted)
    for case in asked:
        case.refused = unjudged.get(case.group.pk)
    for case in allowed(asked):
        members = list(case.members.values())
        case.choice = _new_choice(case.group, members, case.keeper_id, actor=actor, now=now)
        case.group.keeper_rule, case.group.keeper_reason = case.rule, case.reason
        case.group.keeper_chosen_at, case.group.keeper_chosen_by_id = now, actor.pk if actor else None
        _set_keeper(case.group, members, case.keeper_id, verdicts)
        case.members = {one.track_id: one for one in sorted(members, key=lambda one: one.position)}


def write_choices(cases: Iterable[Case], *, actor: "AbstractBaseUser | None", now: datetime) -> list[KeeperChoice]:
    """Write the keepers that were given to cases that are not refused since; return the choices."""
    chosen = [(case, case.choice) for case in allowed(cases) if case.choice is not None]
    choices = KeeperChoice.objects.bulk_create(choice for _, choice in chosen)
    _write([case.group for case, _ in chosen], [one for case, _ in chosen for one in case.members.values()])
    audit.record_each(
        audit.new_record(
            "keeper.chosen",
            actor=actor,
            now=now,
            subject=case.group,
            before={name: choice.before["group"][name] for name in _OF_THE_GROUP[:3]},
            after={name: getattr(case.group, name) for name in _OF_THE_GROUP[:3]},
        )
        for case, choice in chosen
    )
    return choices


def _new_choice(
    group: DuplicateAnalysisGroup,
    members: Members,
    track_id: int,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> KeeperChoice:
    return KeeperChoice(
        group=group,
        track_id=track_id,
        before=_state(group, members),
        user_id=actor.pk if actor else None,
        user_name=actor.get_username() if actor else "",
        created_at=now,
    )


def take_back_choice(
    *, group: DuplicateAnalysisGroup, actor: "AbstractBaseUser | None", now: datetime, seen_version: str = ""
) -> KeeperChoice:
    """Give an open group the keeper it had before the newest choice, with all its evidence.

    Raises NothingToUndo where nobody has chosen, and for a version that is no longer true as `choose_keeper` does.
    """
    with audit.attempt("keeper.choice_undone", subject=group, actor=actor, now=now), transaction.atomic():
        group = lock_one(group)
        guards.require_seen(group, seen_version)
        guards.require_open(group)
        choice = group.keeper_choices.filter(undone_at=None).order_by("-pk").first()
        if choice is None:
            raise NothingToUndo(_("Nobody has chosen another keeper for %(group)s.") % {"group": group})
        undo_choices([choice.pk], now=now)
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
    _new_choice(
        group, members, chosen.keeper_track_id, actor=chosen.keeper_chosen_by, now=chosen.keeper_chosen_at
    ).save()
    verdicts, unjudged = verdicts_against(group.analysis, [(group, members, chosen.keeper_track_id)])
    for refused in unjudged.values():
        raise refused
    group.keeper_rule, group.keeper_reason = chosen.keeper_rule, chosen.keeper_reason
    group.keeper_chosen_at, group.keeper_chosen_by_id = chosen.keeper_chosen_at, chosen.keeper_chosen_by_id
    _set_keeper(group, members, chosen.keeper_track_id, verdicts)
    _write([group], members)


def undo_choices(choice_ids: Collection[int], *, now: datetime) -> None:
    """Undo choices, wherever in the pile they lie: a later one stays in force and falls back on what they had.

    Those that are undone already stay so.
    """
    undoing = list(KeeperChoice.objects.filter(pk__in=choice_ids, undone_at=None))
    if not undoing:
        return
    piles: dict[int, list[KeeperChoice]] = defaultdict(list)
    in_force = KeeperChoice.objects.filter(group_id__in=[one.group_id for one in undoing], undone_at=None)
    for choice in in_force.order_by("-pk"):
        piles[choice.group_id].append(choice)
    gone = {choice.pk for choice in undoing}
    falling_back, states = [], {}
    for group_id, pile in piles.items():
        above: KeeperChoice | None = None
        for choice in pile:
            if choice.pk not in gone:
                above = choice
            elif above is None:
                states[group_id] = choice.before
            else:
                above.before = choice.before
                falling_back.append(above)
    KeeperChoice.objects.filter(pk__in=gone).update(undone_at=now)
    update_rows(KeeperChoice, ["before"], ((choice.pk, choice.before) for choice in falling_back))
    _write_states(states)


def _set_keeper(group: DuplicateAnalysisGroup, members: Members, keeper_id: int, verdicts: Verdicts) -> None:
    """Give a group its keeper, its members their evidence against it, and the group what follows; write nothing."""
    found = {member.pk: verdicts.get((keeper_id, member.track_id), NOT_COMPARED) for member in members}
    order = sorted(members, key=lambda one: (one.track_id != keeper_id, -found[one.pk].similarity, one.track_id))
    keeper, others = order[0], [found[member.pk].similarity for member in order[1:]]
    group.keeper_track_id, group.title, group.artist = keeper_id, keeper.title, keeper.artist
    group.confidence, group.average_similarity = min(others), sum(others) / len(others)
    for place, member in enumerate(order):
        _give(member, place, found[member.pk])


def _give(member: DuplicateAnalysisTrack, place: int, verdict: Verdict) -> None:
    member.position, member.is_canonical = place, place == 0
    member.similarity, member.match_weight = verdict.similarity, verdict.match_weight
    member.evidence, member.matches_keeper = verdict.evidence, verdict.matches_keeper


def _write(groups: Collection[DuplicateAnalysisGroup], members: Iterable[DuplicateAnalysisTrack]) -> None:
    """Write groups' keepers with their members' places and evidence.

    On the way no two members hold the same place and none is the keeper.
    """
    if not groups:
        return
    update_rows(
        DuplicateAnalysisGroup,
        _OF_THE_GROUP,
        ([group.pk, *(getattr(group, name) for name in _OF_THE_GROUP)] for group in groups),
    )
    named = (*_OF_A_MEMBER, "is_canonical")
    DuplicateAnalysisTrack.objects.filter(group__in=groups).update(
        is_canonical=False, position=F("position") + _OUT_OF_THE_WAY
    )
    update_rows(DuplicateAnalysisTrack, named, ([one.pk, *(getattr(one, name) for name in named)] for one in members))


def _require_a_member_that_is_here(case: Case, tracks: guards.Tracks) -> None:
    if case.keeper_id not in case.members:
        named = {"track": case.keeper_id, "group": case.group}
        raise InvalidOptions(_("Track %(track)s is no member of %(group)s.") % named)
    guards.require_present(case.members, tracks, [case.keeper_id])


def _chosen_by(actor: "AbstractBaseUser | None") -> str:
    return _("Chosen by %(who)s") % {"who": actor.get_username()} if actor else _("Chosen by the system")


def _state(group: DuplicateAnalysisGroup, members: Members) -> dict[str, Any]:
    """Return the group's keeper and its members' evidence as JSON holds them."""
    return {
        "group": {name: as_json(getattr(group, name)) for name in _OF_THE_GROUP},
        "members": {str(one.pk): [getattr(one, name) for name in _OF_A_MEMBER] for one in members},
    }


def _write_states(states: Mapping[int, dict[str, Any]]) -> None:
    """Write back what `_state` returned, by group."""
    groups = DuplicateAnalysisGroup.objects.select_for_update().in_bulk(sorted(states))
    choosers = {state["group"]["keeper_chosen_by_id"] for state in states.values()} - {None}
    there = set(get_user_model().objects.filter(pk__in=choosers).values_list("pk", flat=True)) if choosers else set()
    members = list(DuplicateAnalysisTrack.objects.filter(group_id__in=groups.keys()))
    for pk, group in groups.items():
        values = dict(states[pk]["group"])
        if values["keeper_chosen_at"] is not None:
            values["keeper_chosen_at"] = datetime.fromisoformat(values["keeper_chosen_at"])
        if values["keeper_chosen_by_id"] not in there:
            values["keeper_chosen_by_id"] = None  # who chose then has gone since
        for name, value in values.items():
            setattr(group, name, value)
    for member in members:
        place, *verdict = states[member.group_id]["members"][str(member.pk)]
        _give(member, place, Verdict(*verdict))
    _write(groups.values(), members)
