from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0039_exports_and_clean_up_are_leased"),
        ("library", "0008_track_touches"),
    ]

    operations = [
        migrations.AddField(
            model_name="duplicateanalysisresult",
            name="touch_mark",
            field=models.PositiveBigIntegerField(blank=True, editable=False, null=True),
        ),
    ]
