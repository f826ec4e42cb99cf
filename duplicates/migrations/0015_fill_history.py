"""Copies what was counted in older audit records into the columns the history adds up, and freezes who decided.

Records written before these columns existed would count as nothing. Works in batches; running it again is harmless.
"""

from itertools import batched

from django.db import migrations
from django.db.models import Q

ROWS_A_BATCH = 1_000


def fill_history(apps, schema_editor):
    records = apps.get_model("duplicates", "AuditRecord")._default_manager.using(schema_editor.connection.alias)
    counted = records.exclude(counts={}).order_by("pk").values_list("pk", "counts")
    for batch in batched(counted.iterator(chunk_size=ROWS_A_BATCH), ROWS_A_BATCH):
        rows = [
            records.model(
                pk=pk,
                group_count=_whole(counts, "groups", "groups_found"),
                track_count=_whole(counts, "tracks", "duplicates_found"),
                play_count=_whole(counts, "plays"),
            )
            for pk, counts in batch
        ]
        records.bulk_update(rows, ["group_count", "track_count", "play_count"])


def _whole(counts, *names):
    found = [counts[name] for name in names if isinstance(counts, dict) and isinstance(counts.get(name), int)]
    return max(found[0], 0) if found else 0


def freeze_names(apps, schema_editor):
    decisions = apps.get_model("duplicates", "NotDuplicate")._default_manager.using(schema_editor.connection.alias)
    for decision in decisions.filter(~Q(user=None), user_name="").select_related("user").iterator(chunk_size=1_000):
        decision.user_name = decision.user.username
        decision.save(update_fields=["user_name"])


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0014_history_of_clean_up"),
    ]

    operations = [
        migrations.RunPython(fill_history, migrations.RunPython.noop),
        migrations.RunPython(freeze_names, migrations.RunPython.noop),
    ]
