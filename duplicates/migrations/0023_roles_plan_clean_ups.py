"""Let the ready-made groups see clean-up plans and keeper profiles, and curators keep profiles of their own."""

from typing import Any

from django.db import migrations

from duplicates.roles import ADMINISTRATOR, CURATOR, REVIEWER, VIEWER, grant

SEEN = ("duplicates.view_keeperprofile", "duplicates.view_cleanupplan")
KEPT = tuple(f"duplicates.{verb}_keeperprofile" for verb in ("add", "change", "delete"))


def forwards(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    for role in (VIEWER, REVIEWER, CURATOR, ADMINISTRATOR):
        grant(apps, using, role, SEEN)
    for role in (CURATOR, ADMINISTRATOR):
        grant(apps, using, role, KEPT)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0022_export_files")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
