"""Decisions keep the evidence they were based on, and why they ended."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0012_cleanup_plans"),
    ]

    operations = [
        migrations.AddField(
            model_name="notduplicate",
            name="left_evidence",
            field=models.JSONField(default=dict, help_text="What the track said of itself then, and where it was."),
        ),
        migrations.AddField(
            model_name="notduplicate",
            name="reopened_because",
            field=models.TextField(blank=True, help_text="What changed, where it ended by itself."),
        ),
        migrations.AddField(
            model_name="notduplicate",
            name="right_evidence",
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name="notduplicate",
            name="user_name",
            field=models.CharField(blank=True, help_text="Frozen; blank means the system.", max_length=150),
        ),
        migrations.AlterField(
            model_name="notduplicate",
            name="revoked_at",
            field=models.DateTimeField(blank=True, help_text="Since when it is no longer in force.", null=True),
        ),
        migrations.AddIndex(
            model_name="notduplicate",
            index=models.Index(fields=["right_key"], name="not_duplicate_right"),
        ),
        migrations.AddIndex(
            model_name="notduplicate",
            index=models.Index(fields=["-created_at"], name="not_duplicate_newest"),
        ),
    ]
