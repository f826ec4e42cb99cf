"""Names every group that declares a pair: the one that did so first, and those decided the same way since.

A decision named only the first. When that group was reopened, the pair would have come back although another group
still says that its tracks differ. Pairs that a person declared by themselves name no group and stay so. Works in
batches; going back keeps the first group of each decision.
"""

import logging
from collections import defaultdict
from itertools import batched
from typing import Any

from django.db import migrations

from duplicates.models.records import identity_key

logger = logging.getLogger("reprise.migrations")
ROWS_A_BATCH = 1_000
GROUPS_A_BATCH = 200


def fill(apps: Any, schema_editor: Any) -> None:
    """Copy the first group of each decision, then add the others that hold both of its tracks."""
    noted = apps.get_model("duplicates", "DecidingGroup").objects
    first = apps.get_model("duplicates", "NotDuplicate").objects.exclude(decided_group_id=None).order_by("pk")
    for batch in batched(first.values_list("pk", "decided_group_id").iterator(), ROWS_A_BATCH):
        noted.bulk_create(
            (noted.model(decision_id=pk, group_id=group_id) for pk, group_id in batch), ignore_conflicts=True
        )
    decided = apps.get_model("duplicates", "DuplicateAnalysisGroup").objects.filter(resolution="not_duplicates")
    further = 0
    for batch in batched(decided.order_by("pk").values_list("pk", flat=True).iterator(), GROUPS_A_BATCH):
        further += _fill_batch(apps, batch)
    if further:
        logger.info("Named %d further groups of decisions", further)


def _fill_batch(apps: Any, group_ids: tuple[int, ...]) -> int:
    members = apps.get_model("duplicates", "DuplicateAnalysisTrack").objects.filter(group_id__in=group_ids)
    groups_of: dict[str, set[int]] = defaultdict(set)
    for group_id, source, source_track_id in members.values_list("group_id", "source", "source_track_id"):
        groups_of[identity_key(source, source_track_id)].add(group_id)
    decisions = apps.get_model("duplicates", "NotDuplicate").objects
    noted = apps.get_model("duplicates", "DecidingGroup").objects
    new = []
    for keys in batched(sorted(groups_of), GROUPS_A_BATCH):
        by_groups = decisions.filter(left_key__in=keys, revoked_at=None).exclude(decided_group_id=None)
        for one in by_groups.only("left_key", "right_key", "decided_group_id"):
            both = groups_of[one.left_key] & groups_of.get(one.right_key, set())
            new += [noted.model(decision=one, group_id=pk) for pk in sorted(both - {one.decided_group_id})]
    noted.bulk_create(new, batch_size=ROWS_A_BATCH, ignore_conflicts=True)
    return len(new)


def keep_the_first(apps: Any, schema_editor: Any) -> None:
    """Write one group of each decision back where the older release looks for it."""
    decisions = apps.get_model("duplicates", "NotDuplicate").objects
    for one in apps.get_model("duplicates", "DecidingGroup").objects.order_by("-group_id").iterator():
        decisions.filter(pk=one.decision_id).update(decided_group_id=one.group_id)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0035_deciding_groups")]

    operations = [migrations.RunPython(fill, keep_the_first)]
