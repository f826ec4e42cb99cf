"""Fills in by which group older decisions were made: reopening that group must still take them back, and no others.

A group and the pairs it declared were written with one time. A pair declared by hand has another time and stays empty.
"""

import logging
from collections import defaultdict
from itertools import batched
from typing import Any

from django.db import migrations

from duplicates.models.records import identity_key

logger = logging.getLogger("reprise.migrations")
GROUPS_A_BATCH = 200


def fill(apps: Any, schema_editor: Any) -> None:
    """Name the group in each decision in force that was made at the moment its group was decided."""
    decided = apps.get_model("duplicates", "DuplicateAnalysisGroup").objects.filter(resolution="not_duplicates")
    times = decided.exclude(resolved_at=None).order_by("resolved_at").values_list("pk", "resolved_at")
    filled = 0
    for batch in batched(times.iterator(), GROUPS_A_BATCH):
        filled += _fill_batch(apps, dict(batch))
    if filled:
        logger.info("Named the group of %d decisions", filled)


def _fill_batch(apps: Any, time_of: dict[int, Any]) -> int:
    members = apps.get_model("duplicates", "DuplicateAnalysisTrack").objects.filter(group_id__in=time_of)
    groups_of: dict[str, set[int]] = defaultdict(set)
    for group_id, source, source_track_id in members.values_list("group_id", "source", "source_track_id"):
        groups_of[identity_key(source, source_track_id)].add(group_id)
    decisions = apps.get_model("duplicates", "NotDuplicate").objects
    changed = []
    for one in decisions.filter(revoked_at=None, decided_group_id=None, created_at__in=set(time_of.values())):
        both = groups_of.get(one.left_key, set()) & groups_of.get(one.right_key, set())
        made_by = [pk for pk in sorted(both) if time_of[pk] == one.created_at]
        if made_by:
            one.decided_group_id = made_by[0]
            changed.append(one)
    decisions.bulk_update(changed, ["decided_group_id"], batch_size=GROUPS_A_BATCH)
    return len(changed)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0033_decision_names_its_group")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
