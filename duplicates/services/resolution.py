"""What a person decides about groups."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils.translation import gettext as _

from duplicates.choices import Resolution
from duplicates.exceptions import InvalidOptions
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import audit, different
from duplicates.services.guards import is_decided
from library.moved import as_json

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser
    from django.db.models import QuerySet


@audit.recorded("groups.resolved", subject="analysis")
def mark_groups_resolved(
    analysis: DuplicateAnalysisResult,
    group_ids: Sequence[int],
    resolution: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> int:
    """Note a decision on open groups of one analysis, or those set aside for later; return how many took it.

    `deleted` is a statement of fact, so groups with more than one member left in the library refuse it.
    `not_duplicates` also declares every two members different, for every later analysis.
    """
    if resolution not in Resolution.values:
        raise InvalidOptions(
            _("%(resolution)r is no resolution. Choose from %(values)s.")
            % {"resolution": resolution, "values": ", ".join(Resolution.values)}
        )
    with transaction.atomic():
        groups = _locked(analysis, group_ids)
        present = _all_present(groups, analysis, group_ids)
        if resolution == Resolution.DELETED:
            for group in present.values():
                if group.remaining_count > 1:
                    raise InvalidOptions(
                        _("Group %(group)s still has %(remaining_count)s tracks in the library. Remove them first.")
                        % {"group": group, "remaining_count": group.remaining_count}
                    )
        open_ids = [pk for pk, group in present.items() if not is_decided(group) and group.resolution != resolution]
        DuplicateAnalysisGroup.objects.filter(pk__in=open_ids).update(
            is_resolved=True, resolution=resolution, resolved_at=now, resolved_by_id=actor.pk if actor else None
        )
        if resolution == Resolution.NOT_DUPLICATES and open_ids:
            different.declare_groups_different([present[pk] for pk in open_ids], actor=actor, now=now)
        audit.record(
            "groups.resolved",
            actor=actor,
            now=now,
            subject=analysis,
            after={"resolution": resolution, "group_ids": open_ids},
            counts={"groups": len(open_ids)},
        )
    return len(open_ids)


@audit.recorded("groups.reopened", subject="analysis")
def reopen_groups(
    analysis: DuplicateAnalysisResult,
    group_ids: Sequence[int],
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> int:
    """Take decisions on groups of one analysis back; return how many were decided.

    The pairs that deciding a group as no duplicates declared may be found again; those that a person declared, or
    another group still declares, stay apart. A group whose copies were removed is reopened by undoing the removal, and
    refused here.
    """
    with transaction.atomic():
        groups = _locked(analysis, group_ids)
        decided = [group for group in _all_present(groups, analysis, group_ids).values() if group.is_resolved]
        for group in decided:
            require_several_left(group)
        before = [
            {"group_id": group.pk, "resolution": group.resolution, "resolved_at": as_json(group.resolved_at)}
            for group in decided
        ]
        apart = [group for group in decided if group.resolution == Resolution.NOT_DUPLICATES]
        pairs = different.take_back_groups(apart, actor=actor, now=now) if apart else 0
        DuplicateAnalysisGroup.objects.filter(pk__in=[group.pk for group in decided]).update(
            is_resolved=False, resolution="", resolved_at=None, resolved_by=None
        )
        audit.record(
            "groups.reopened",
            actor=actor,
            now=now,
            subject=analysis,
            before={"groups": before},
            counts={"groups": len(decided), "pairs_taken_back": pairs},
        )
    return len(decided)


def require_several_left(group: DuplicateAnalysisGroup) -> None:
    """Refuse to reopen a group whose copies were removed."""
    if group.remaining_count < 2:
        raise InvalidOptions(_("Only one copy of %(group)s is left. Undo the removal instead.") % {"group": group})


def _locked(analysis: DuplicateAnalysisResult, group_ids: Sequence[int]) -> "QuerySet[DuplicateAnalysisGroup]":
    """Return the groups to be locked, always in the same order: two people who decide the same ones cannot block."""
    rows = DuplicateAnalysisGroup.objects.select_for_update()
    return rows.filter(analysis=analysis, pk__in=group_ids).order_by("pk")


def _all_present(
    groups: "QuerySet[DuplicateAnalysisGroup]", analysis: DuplicateAnalysisResult, group_ids: Sequence[int]
) -> dict[int, DuplicateAnalysisGroup]:
    """Return the groups by key, all of them or none."""
    present = {group.pk: group for group in groups}
    for missing in sorted(set(group_ids) - present.keys()):
        raise InvalidOptions(
            _("Group %(missing)s does not belong to analysis %(pk)s.") % {"missing": missing, "pk": analysis.pk}
        )
    return present
