from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0037_one_place_for_deciding_groups"),
    ]

    operations = [
        migrations.RemoveField(
            model_name="duplicateanalysisresult",
            name="cancel_requested",
        ),
    ]
