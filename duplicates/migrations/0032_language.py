"""Adds the language in which a person wants the pages."""

from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0031_quarantine_list")]

    operations = [
        migrations.AddField(
            model_name="duplicatepreferences",
            name="language",
            field=models.CharField(
                blank=True, choices=settings.LANGUAGES, help_text="Empty: the browser's.", max_length=10
            ),
        ),
    ]
