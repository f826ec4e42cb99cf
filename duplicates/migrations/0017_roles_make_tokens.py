"""Let the ready-made groups make tokens for the API."""

from typing import Any

from django.db import migrations

from duplicates.roles import OWN_TOKENS, VIEWER, grant

EVERYBODY = (VIEWER, "Reviewer", "Curator", "Administrator")


def forwards(apps: Any, schema_editor: Any) -> None:
    for role in EVERYBODY:
        grant(apps, schema_editor.connection.alias, role, OWN_TOKENS)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0016_api_tokens")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
