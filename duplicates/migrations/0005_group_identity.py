"""Give groups an identity that a refresh hands on. Groups saved before start with the key of their members."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0004_preferences_for_warnings")]

    operations = [
        migrations.AddField(
            model_name="duplicateanalysisgroup",
            name="identity",
            field=models.CharField(
                default="",
                editable=False,
                help_text="Stays when a refresh adds or drops members.",
                max_length=32,
            ),
            preserve_default=False,
        ),
        migrations.RunSQL("UPDATE duplicates_duplicateanalysisgroup SET identity = group_key", migrations.RunSQL.noop),
    ]
