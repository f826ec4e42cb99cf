"""What the history of clean-up adds up becomes columns, with the indexes that make it fast."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0013_decisions_with_evidence"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditRetention",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("deletable_before", models.DateTimeField(null=True)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="auditrecord",
            name="audit_newest",
        ),
        migrations.AddField(
            model_name="auditrecord",
            name="group_count",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="auditrecord",
            name="play_count",
            field=models.PositiveBigIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="auditrecord",
            name="track_count",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddIndex(
            model_name="auditrecord",
            index=models.Index(
                fields=[
                    "created_at",
                    "action",
                    "was_successful",
                    "group_count",
                    "track_count",
                    "play_count",
                    "duration_seconds",
                ],
                name="audit_history",
            ),
        ),
        migrations.AddIndex(
            model_name="cleanupaction",
            index=models.Index(fields=["created_at"], name="cleanup_time"),
        ),
        migrations.AddIndex(
            model_name="duplicateanalysistrack",
            index=models.Index(condition=models.Q(("still_exists", False)), fields=["deleted_at"], name="member_gone"),
        ),
    ]
