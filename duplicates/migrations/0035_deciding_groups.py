"""Lets a not-duplicate decision name every group that declares its pair, not only the first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0034_fill_decided_groups")]

    operations = [
        migrations.CreateModel(
            name="DecidingGroup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("group_id", models.BigIntegerField()),
                (
                    "decision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="deciding_groups",
                        to="duplicates.notduplicate",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("group_id", "decision"), name="deciding_group_once"),
                ],
            },
        ),
    ]
