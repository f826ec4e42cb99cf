"""Let the ready-made groups that run analyses bring files into the library."""

from typing import Any

from django.db import migrations

from duplicates.roles import ADMINISTRATOR, CURATOR, IMPORTS, grant


def forwards(apps: Any, schema_editor: Any) -> None:
    for role in (CURATOR, ADMINISTRATOR):
        grant(apps, schema_editor.connection.alias, role, (IMPORTS,))


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0024_administrators_settings"), ("library", "0007_queued_imports")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
