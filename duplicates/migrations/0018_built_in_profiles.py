"""Give the built-in keeper profiles their rows, and the ready-made groups a view of profiles and plans.

The rules are written out as they were when this was made: what the engine makes of them later needs its own step. A
profile of the same name that somebody else may have made by then becomes the built-in one.
"""

from typing import Any

from django.db import migrations
from django.utils import timezone

from duplicates.roles import ADMINISTRATOR, CURATOR, REVIEWER, VIEWER, grant

BUILT_IN: dict[str, tuple[str, tuple[str, ...]]] = {
    "keep_canonical": (
        "The copy that is used most: plays weigh 40 points, a shorter title 30, a later last play 20, an earlier date "
        "added 10. What an analysis chooses by itself.",
        ("protected", "canonical"),
    ),
    "keep_most_played": (
        "The copy played most often; then the one played last, then the one added first.",
        ("protected", "most_played", "played_most_recently", "added_first"),
    ),
    "keep_itunes_version": (
        "The copy that matches the iTunes catalogue exactly; where none or several do, the one played most.",
        ("protected", "in_itunes", "most_played", "played_most_recently", "added_first"),
    ),
    "keep_best_quality": (
        "The copy that sounds best: lossless before the rest, then the better codec, the bit rate and the size.",
        ("protected", "lossless", "codec_family", "highest_bit_rate", "largest_file", "most_played", "added_first"),
    ),
    "keep_oldest": ("The copy that was added first.", ("protected", "added_first", "most_played")),
    "keep_shortest_title": (
        "The copy with the shortest title; look at the preview, as a short title may be a cut one.",
        ("protected", "shortest_title", "most_played", "added_first"),
    ),
}
ALL_ROLES, MAKERS = (VIEWER, REVIEWER, CURATOR, ADMINISTRATOR), (CURATOR, ADMINISTRATOR)


def forwards(apps: Any, schema_editor: Any) -> None:
    using = schema_editor.connection.alias
    profiles = apps.get_model("duplicates", "KeeperProfile").objects.using(using)
    for name, (description, rules) in BUILT_IN.items():
        profiles.update_or_create(
            name=name,
            defaults={
                "description": description,
                "rules": [{"rule": rule, "prefer": []} for rule in rules],
                "is_built_in": True,
                "changed_at": timezone.now(),
            },
        )
    for role in ALL_ROLES:
        grant(apps, using, role, ("duplicates.view_keeperprofile", "duplicates.view_cleanupplan"))
    for role in MAKERS:
        grant(apps, using, role, (f"duplicates.{verb}_keeperprofile" for verb in ("add", "change", "delete")))


def backwards(apps: Any, schema_editor: Any) -> None:
    profiles = apps.get_model("duplicates", "KeeperProfile").objects.using(schema_editor.connection.alias)
    profiles.filter(name__in=BUILT_IN, is_built_in=True).delete()


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0017_roles_make_tokens"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [migrations.RunPython(forwards, backwards)]
