"""Let the ready-made group Administrator change the site's settings."""

from typing import Any

from django.db import migrations

from duplicates.roles import ADMINISTRATOR, SITE_SETTINGS, grant


def forwards(apps: Any, schema_editor: Any) -> None:
    grant(apps, schema_editor.connection.alias, ADMINISTRATOR, SITE_SETTINGS)


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0023_site_settings")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
