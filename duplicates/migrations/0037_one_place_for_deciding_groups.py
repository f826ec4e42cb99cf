"""Drops the column that named one deciding group: they have a table of their own now."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0036_fill_deciding_groups")]

    operations = [
        migrations.RemoveIndex(model_name="notduplicate", name="not_duplicate_decided_group"),
        migrations.RemoveField(model_name="notduplicate", name="decided_group_id"),
    ]
