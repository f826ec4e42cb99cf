"""Note of each analysis whether it matched only what changed, and on whose tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0020_plan_undo"),
    ]

    operations = [
        migrations.AddField(
            model_name="duplicateanalysisresult",
            name="learns_anew",
            field=models.BooleanField(default=False, help_text="Match every track, however few have changed."),
        ),
        migrations.AddField(
            model_name="duplicateanalysisresult",
            name="tables_of",
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="duplicateanalysisresult",
            name="tables_revision",
            field=models.PositiveBigIntegerField(blank=True, editable=False, null=True),
        ),
    ]
