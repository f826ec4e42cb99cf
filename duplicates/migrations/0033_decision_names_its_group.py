"""Lets a not-duplicate decision name the group whose decision made it."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0032_language")]

    operations = [
        migrations.AddField(
            model_name="notduplicate",
            name="decided_group_id",
            field=models.BigIntegerField(
                blank=True,
                help_text="The group that was decided; empty where a person declared the pair.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="notduplicate",
            index=models.Index(
                condition=Q(decided_group_id__isnull=False, revoked_at__isnull=True),
                fields=["decided_group_id"],
                name="not_duplicate_decided_group",
            ),
        ),
    ]
