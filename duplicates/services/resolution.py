"""What a person decides about groups."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from duplicates.choices import Resolution
from duplicates.exceptions import InvalidOptions
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import audit

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def mark_groups_resolved(
    analysis: DuplicateAnalysisResult,
    group_ids: Sequence[int],
    resolution: str,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> int:
    """Note a decision on open groups of one analysis; return how many took it.

    `deleted` is a statement of fact, so groups with more than one member left in the library refuse it.
    """
    if resolution not in Resolution.values:
        raise InvalidOptions(f"{resolution!r} is no resolution. Choose from {', '.join(Resolution.values)}.")
    with transaction.atomic():
        groups = DuplicateAnalysisGroup.objects.select_for_update().filter(analysis=analysis, pk__in=group_ids)
        present = {group.pk: group for group in groups}
        for missing in sorted(set(group_ids) - present.keys()):
            raise InvalidOptions(f"Group {missing} does not belong to analysis {analysis.pk}.")
        if resolution == Resolution.DELETED:
            for group in present.values():
                if group.remaining_count > 1:
                    raise InvalidOptions(
                        f"Group {group} still has {group.remaining_count} tracks in the library. Remove them first."
                    )
        open_ids = [pk for pk, group in present.items() if not group.is_resolved]
        DuplicateAnalysisGroup.objects.filter(pk__in=open_ids).update(
            is_resolved=True, resolution=resolution, resolved_at=now, resolved_by_id=actor.pk if actor else None
        )
        audit.record(
            "groups.resolved",
            actor=actor,
            now=now,
            subject=analysis,
            after={"resolution": resolution, "group_ids": open_ids},
            counts={"groups": len(open_ids)},
        )
    return len(open_ids)
