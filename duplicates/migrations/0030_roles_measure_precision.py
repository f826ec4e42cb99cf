"""Let the ready-made groups see measured precision, and Administrators switch automatic resolution."""

from typing import Any

from django.db import migrations

from duplicates.roles import ADMINISTRATOR, AUTOMATE, ROLES, VIEW_SAMPLES, grant


def forwards(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    for role in ROLES:
        grant(apps, using, role, (VIEW_SAMPLES,))
    grant(apps, using, ADMINISTRATOR, (AUTOMATE,))


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0029_measured_precision")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
