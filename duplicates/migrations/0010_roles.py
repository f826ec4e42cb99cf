"""Make the ready-made groups, and let who might resolve groups decide about them under the permission's new name."""

from typing import Any

from django.db import migrations

from duplicates.roles import create_roles

OLD, NEW = "resolve_groups", "review_groups"


def rename(apps: Any, using: str, old: str, new: str) -> None:
    """Rename the permission in place, so that everybody keeps it."""
    permissions = apps.get_model("auth", "Permission").objects.using(using).filter(content_type__app_label="duplicates")
    if not permissions.filter(codename=new).exists():
        permissions.filter(codename=old).update(codename=new)


def forwards(apps: Any, schema_editor: Any) -> None:
    rename(apps, schema_editor.connection.alias, OLD, NEW)
    create_roles(apps, schema_editor.connection.alias)


def backwards(apps: Any, schema_editor: Any) -> None:
    """The groups may have members by now and stay."""
    rename(apps, schema_editor.connection.alias, NEW, OLD)


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0009_permissions"),
        ("library", "0004_listening"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(forwards, backwards)]
