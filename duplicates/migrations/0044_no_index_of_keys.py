"""Drop the index of group keys: a group is found again by a member of it, and every row saved paid for it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0043_when_a_plan_decided"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="duplicateanalysisgroup",
            name="group_identity",
        ),
    ]
