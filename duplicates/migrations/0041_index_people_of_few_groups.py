import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0040_touch_mark"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="duplicateanalysisgroup",
            name="keeper_chosen_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DB_SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="duplicateanalysisgroup",
            name="resolved_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.DB_SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="duplicateanalysisgroup",
            index=models.Index(
                condition=models.Q(("resolved_by__isnull", False)), fields=["resolved_by"], name="group_resolved_by"
            ),
        ),
        migrations.AddIndex(
            model_name="duplicateanalysisgroup",
            index=models.Index(
                condition=models.Q(("keeper_chosen_by__isnull", False)),
                fields=["keeper_chosen_by"],
                name="group_chosen_by",
            ),
        ),
        migrations.AddIndex(
            model_name="duplicateanalysisgroup",
            index=models.Index(
                condition=models.Q(("keeper_chosen_at__isnull", False)), fields=["analysis"], name="group_chosen"
            ),
        ),
    ]
