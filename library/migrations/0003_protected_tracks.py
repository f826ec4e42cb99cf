from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("library", "0002_merges"),
    ]

    operations = [
        migrations.AddField(
            model_name="track",
            name="is_protected",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Never removed as a duplicate.", verbose_name="protected"
            ),
        ),
    ]
