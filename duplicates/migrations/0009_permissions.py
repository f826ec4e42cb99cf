from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0008_library_mark"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="cleanupaction",
            options={
                "permissions": [
                    ("remove_duplicates", "Can remove duplicates and undo it"),
                    ("purge_removed", "Can delete removed duplicates for good"),
                ]
            },
        ),
        migrations.AlterModelOptions(
            name="duplicateanalysisgroup",
            options={"permissions": [("review_groups", "Can decide about groups")], "verbose_name": "duplicate group"},
        ),
        migrations.AlterModelOptions(
            name="duplicateanalysisresult",
            options={
                "permissions": [
                    ("view_all_analyses", "Can view everybody's analyses"),
                    ("manage_all_analyses", "Can cancel, pin and delete everybody's analyses"),
                    ("run_analysis", "Can run analyses"),
                    ("export_analysis", "Can export analyses"),
                ],
                "verbose_name": "analysis",
                "verbose_name_plural": "analyses",
            },
        ),
    ]
