"""Lets the history of clean-up walk one index kind by kind, instead of sorting a year of records by kind."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0027_decided_groups"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="auditrecord",
            name="audit_action_time",
        ),
        migrations.RemoveIndex(
            model_name="auditrecord",
            name="audit_history",
        ),
        migrations.AddIndex(
            model_name="auditrecord",
            index=models.Index(fields=["created_at"], name="audit_time"),
        ),
        migrations.AddIndex(
            model_name="auditrecord",
            index=models.Index(
                fields=[
                    "action",
                    "created_at",
                    "was_successful",
                    "group_count",
                    "track_count",
                    "play_count",
                    "duration_seconds",
                ],
                name="audit_history_by_kind",
            ),
        ),
    ]
