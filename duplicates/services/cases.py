"""Many groups at once, each judged for itself: what a plan, a removal and a choice of keeper work on.

A `Case` is a group with what is to become of it. Guards that refuse one write the reason on it and the others go on;
each guard costs the same few queries however many cases there are, and one group is a set of one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext as _

from duplicates.exceptions import DuplicatesError, GroupChanged, LastCopy
from duplicates.models import (
    CleanupAction,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
    KeeperChoice,
)
from duplicates.services import guards
from duplicates.services.impact import decision_of
from library.models import Track


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of one group. With a rule its keeper is chosen first; without one it has to be that already."""

    group_id: int
    keeper_id: int
    label: str
    removing: Sequence[int] = ()
    seen_version: str = ""
    rule: str = ""
    reason: str = ""


@dataclass(slots=True)
class Case:
    """One group with its members in order, what is to become of it, and what became of it.

    `before` is the decision on the group as it was.
    """

    wanted: Wanted
    group: DuplicateAnalysisGroup
    members: guards.Members
    keeper_id: int = 0
    removing: list[int] = field(default_factory=list)
    rule: str = ""
    reason: str = ""
    before: dict[str, Any] = field(default_factory=dict)
    refused: DuplicatesError | None = None
    choice: KeeperChoice | None = None
    action: CleanupAction | None = None

    @property
    def concerned(self) -> list[int]:
        """The tracks a removal is about: the keeper and the copies that go."""
        return [self.keeper_id, *self.removing]


def allowed(cases: Iterable[Case]) -> list[Case]:
    """Return the cases that nothing forbids so far."""
    return [case for case in cases if case.refused is None]


def ask(cases: Iterable[Case], guard: Callable[[Case], None]) -> None:
    """Ask a guard about each case that is not refused yet; its error becomes the reason."""
    for case in allowed(cases):
        try:
            guard(case)
        except DuplicatesError as refused:
            case.refused = refused


def lock(wanted: Sequence[Wanted]) -> list[Case]:
    """Lock the groups and return a case for each, in order; one whose group is gone is refused."""
    ids = [one.group_id for one in wanted]
    # Not joined: PostgreSQL would show the person of before the wait for the lock, that is, nobody.
    rows = DuplicateAnalysisGroup.objects.select_for_update().prefetch_related("resolved_by")
    groups = {group.pk: group for group in rows.filter(pk__in=ids).order_by("pk")}
    share_analyses(groups.values())
    members = members_of(groups)
    cases = []
    for one in wanted:
        group = groups.get(one.group_id) or DuplicateAnalysisGroup(pk=one.group_id)
        case = Case(one, group, members[one.group_id], one.keeper_id, list(one.removing), one.rule, one.reason)
        case.before = decision_of(group)
        if one.group_id not in groups or group.analysis.deleting_at:
            case.refused = gone(one.label)
        cases.append(case)
    return cases


def lock_one(group: DuplicateAnalysisGroup) -> DuplicateAnalysisGroup:
    """Lock one group and return it as it is now. Raises GroupChanged where it is gone."""
    # Whoever resolved it is read after the lock: a join shows who it was before.
    rows = DuplicateAnalysisGroup.objects.select_for_update(of=("self",)).select_related("analysis")
    locked = rows.defer("analysis__learnt_tables").filter(pk=group.pk).first()
    if locked is None or locked.analysis.deleting_at:
        raise gone(str(group))
    return locked


def gone(label: str) -> GroupChanged:
    """Return what is said of a group that is there no more; looking at it again would not help."""
    return GroupChanged(_("%(label)s is gone: its analysis was deleted.") % {"label": label}, way_out="")


def share_analyses(groups: Iterable[DuplicateAnalysisGroup]) -> None:
    """Let groups of one analysis share one object for it, without its weights, which are large."""
    listed = list(groups)
    rows = DuplicateAnalysisResult.everything.defer("learnt_tables")
    analyses = rows.in_bulk({group.analysis_id for group in listed})
    for group in listed:
        group.analysis = analyses[group.analysis_id]


def members_of(group_ids: Iterable[int]) -> dict[int, guards.Members]:
    """Return the members of groups by track, in their order; nothing for a group without any."""
    found: dict[int, guards.Members] = defaultdict(dict)
    for member in DuplicateAnalysisTrack.objects.filter(group_id__in=list(group_ids)).order_by("group_id", "position"):
        found[member.group_id][member.track_id] = member
    return found


def judge_removals(cases: Sequence[Case], tracks: guards.Tracks, left: "CopiesLeft") -> None:
    """Ask every guard of a removal about cases of one analysis; the tracks are those the cases concern.

    What is allowed takes its copies from `left`, so that of two cases that together would take a last copy the first
    goes on and the second is refused.
    """
    ask(cases, lambda case: guards.require_members(case.group, case.members, case.keeper_id, case.removing))
    removers = guards.removers_of(guards.gone(tracks, (pk for case in allowed(cases) for pk in case.concerned)))
    ask(cases, lambda case: guards.require_present(case.members, tracks, case.concerned, removers))
    ask(cases, lambda case: guards.require_removable(case.members, tracks, case.removing))
    apart = guards.declared_different((case.members, case.keeper_id, case.removing) for case in allowed(cases))
    ask(cases, lambda case: guards.require_alike(case.members, case.keeper_id, case.removing, apart))
    if asked := allowed(cases):
        members = {pk: case.members[pk] for case in asked for pk in case.concerned}
        changed = guards.changed_fields(asked[0].group, members, tracks, list(members))
        ask(asked, lambda case: guards.refuse_changed(case.members, changed, case.concerned))
    left.look_up(pk for case in allowed(cases) for pk in case.removing)
    ask(cases, left.take)
    left.say_of_which(cases)


class CopiesLeft:
    """How many copies every saved group has left, in any analysis, while cases that are allowed take theirs."""

    def __init__(self) -> None:
        self._left: dict[int, int] = {}
        self.groups_of: dict[int, list[int]] = {}

    def look_up(self, track_ids: Iterable[int]) -> None:
        """Read of which groups these tracks are copies, and how many those have."""
        self.groups_of = {pk: [] for pk in track_ids}
        members = DuplicateAnalysisTrack.objects.filter(track_id__in=self.groups_of.keys(), still_exists=True)
        for track_id, group_id in members.values_list("track_id", "group_id"):
            self.groups_of[track_id].append(group_id)
        new = {group_id for ids in self.groups_of.values() for group_id in ids} - self._left.keys()
        there = DuplicateAnalysisTrack.objects.filter(group_id__in=new, still_exists=True)
        self._left |= dict(there.values("group_id").annotate(many=Count("pk")).values_list("group_id", "many"))

    def take(self, case: Case) -> None:
        """Count the copies of a case as gone. Raises LastCopy where a group would be left without any."""
        taken: dict[int, int] = defaultdict(int)
        for group_id in (group_id for pk in case.removing for group_id in self.groups_of[pk]):
            taken[group_id] += 1
        for group_id, many in taken.items():
            if self._left[group_id] - many < 1:
                raise LastCopy(group_id=group_id)
        for group_id, many in taken.items():
            self._left[group_id] -= many

    def say_of_which(self, cases: Iterable[Case]) -> None:
        """Name the group of which a refused case would take the last copy."""
        refused = {
            case.group.pk: case.refused.facts["group_id"]
            for case in cases
            if isinstance(case.refused, LastCopy) and "group_id" in case.refused.facts
        }
        groups = DuplicateAnalysisGroup.objects.in_bulk(set(refused.values())) if refused else {}
        share_analyses(groups.values())
        for case in cases:
            if group := groups.get(refused.get(case.group.pk, 0)):
                case.refused = LastCopy(
                    _("This would remove the last copy of %(group)s in the analysis %(analysis)s.")
                    % {"group": group, "analysis": group.analysis}
                )


def tracks_of(cases: Iterable[Case]) -> guards.Tracks:
    """Lock and return the tracks that the cases concern."""
    ids = sorted({pk for case in allowed(cases) for pk in case.concerned})
    return Track.objects.select_for_update().in_bulk(ids)
