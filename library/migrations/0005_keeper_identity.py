"""A merge remembers where its keeper comes from, so that a keeper pruned and imported again is recognised."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0004_listening"),
    ]

    operations = [
        migrations.AddField(
            model_name="merge",
            name="keeper_source",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="merge",
            name="keeper_source_track_id",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddIndex(
            model_name="merge",
            index=models.Index(fields=["keeper_source", "keeper_source_track_id"], name="merge_keeper_identity"),
        ),
    ]
