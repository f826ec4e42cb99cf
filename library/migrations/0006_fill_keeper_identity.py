"""Writes down where the keepers of older merges come from, as far as they are still there. Harmless to run again."""

from itertools import batched

from django.db import migrations

ROWS_A_BATCH = 1_000


def fill_keeper_identity(apps, schema_editor):
    alias = schema_editor.connection.alias
    merges = apps.get_model("library", "Merge")._default_manager.using(alias)
    tracks = apps.get_model("library", "Track")._default_manager.using(alias)
    waiting = merges.filter(keeper_source="").order_by("pk").values_list("pk", "keeper_id")
    for batch in batched(list(waiting), ROWS_A_BATCH):
        keepers = {keeper_id for _, keeper_id in batch}
        rows = tracks.filter(pk__in=keepers).values_list("pk", "source", "source_track_id")
        known = {pk: (source, source_track_id) for pk, source, source_track_id in rows}
        merges.bulk_update(
            [
                merges.model(pk=pk, keeper_source=known[keeper][0], keeper_source_track_id=known[keeper][1])
                for pk, keeper in batch
                if keeper in known
            ],
            ["keeper_source", "keeper_source_track_id"],
        )


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0005_keeper_identity"),
    ]

    operations = [
        migrations.RunPython(fill_keeper_identity, migrations.RunPython.noop),
    ]
