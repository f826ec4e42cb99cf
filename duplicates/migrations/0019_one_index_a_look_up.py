"""Drop three indexes that a longer one begins with, or that is there twice: each row of a result paid for them.

By their names, because SQLite would otherwise copy both tables.
"""

import django.db.models.deletion
from django.db import migrations, models

TABLES = {"group": "duplicates_duplicateanalysisgroup", "member": "duplicates_duplicateanalysistrack"}
# (table, column, name of the index that Django made for it)
NEEDLESS = (
    (TABLES["group"], "analysis_id", "duplicates_duplicateanalysisgroup_analysis_id_62d5cbd8"),
    (TABLES["member"], "group_id", "duplicates_duplicateanalysistrack_group_id_8424fca9"),
    (TABLES["member"], "track_id", "duplicates_duplicateanalysistrack_track_id_383feaf2"),
)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0018_built_in_profiles")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {index}", f"CREATE INDEX IF NOT EXISTS {index} ON {table} ({column})"
                )
                for table, column, index in NEEDLESS
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="duplicateanalysisgroup",
                    name="analysis",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="groups",
                        to="duplicates.duplicateanalysisresult",
                    ),
                ),
                migrations.AlterField(
                    model_name="duplicateanalysistrack",
                    name="group",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.DB_CASCADE,
                        related_name="members",
                        to="duplicates.duplicateanalysisgroup",
                    ),
                ),
                migrations.AlterField(
                    model_name="duplicateanalysistrack",
                    name="track",
                    field=models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="library.track",
                    ),
                ),
            ],
        )
    ]
