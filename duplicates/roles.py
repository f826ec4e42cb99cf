"""The ready-made groups of people: Viewer, Reviewer, Curator, Administrator, each with all that the one before it may.

A migration makes them once; from then on they belong to the site, which may change them. A migration that adds a model
or an action later grants it with `grant`. Works on the models of a migration and on those of today alike.
"""

from collections.abc import Iterable
from typing import Any

VIEWER, REVIEWER, CURATOR, ADMINISTRATOR = "Viewer", "Reviewer", "Curator", "Administrator"

_VIEWS = (
    *(
        f"duplicates.view_{model}"
        for model in (
            "duplicateanalysisresult",
            "duplicateanalysisgroup",
            "duplicateanalysistrack",
            "duplicateanalysisexport",
            "cleanupaction",
            "ledgerentry",
            "notduplicate",
            "versionword",
            "auditrecord",
            "keeperprofile",
            "cleanupplan",
            "precisionsample",
        )
    ),
    *(
        f"library.view_{model}"
        for model in ("track", "playlist", "playlistentry", "libraryimport", "librarychange", "itunestrack")
    ),
)
_OWN_PREFERENCES = tuple(f"duplicates.{verb}_duplicatepreferences" for verb in ("view", "add", "change"))
IMPORTS = "library.add_libraryimport"
OWN_TOKENS = ("duplicates.view_apitoken", "duplicates.add_apitoken")
VIEW_SAMPLES, AUTOMATE = "duplicates.view_precisionsample", "duplicates.automate_resolution"
SITE_SETTINGS = ("duplicates.view_sitesetting", "duplicates.change_sitesetting")
# What each role adds to the one before it, and the model each action of ours hangs on.
ROLES: dict[str, tuple[str, ...]] = {
    VIEWER: (*_VIEWS, *_OWN_PREFERENCES, *OWN_TOKENS, "duplicates.view_all_analyses"),
    REVIEWER: ("duplicates.review_groups", "duplicates.export_analysis", "library.listen_to_tracks"),
    CURATOR: (
        "duplicates.remove_duplicates",
        "duplicates.run_analysis",
        "library.change_track",
        IMPORTS,
        "library.view_track_location",
        *(f"duplicates.{verb}_versionword" for verb in ("add", "change", "delete")),
        *(f"duplicates.{verb}_keeperprofile" for verb in ("add", "change", "delete")),
    ),
    ADMINISTRATOR: ("duplicates.purge_removed", "duplicates.manage_all_analyses", *SITE_SETTINGS, AUTOMATE),
}
_MODEL_OF_ACTION = {
    "view_all_analyses": "duplicateanalysisresult",
    "manage_all_analyses": "duplicateanalysisresult",
    "run_analysis": "duplicateanalysisresult",
    "export_analysis": "duplicateanalysisresult",
    "review_groups": "duplicateanalysisgroup",
    "remove_duplicates": "cleanupaction",
    "purge_removed": "cleanupaction",
    "automate_resolution": "automaticresolution",
    "listen_to_tracks": "track",
    "view_track_location": "track",
}


def create_roles(apps: Any, using: str) -> None:
    """Make the groups that are missing, with their permissions; leave alone those that are there."""
    groups = apps.get_model("auth", "Group").objects.using(using)
    inherited: tuple[str, ...] = ()
    for name, added in ROLES.items():
        inherited += added
        if not groups.filter(name=name).exists():
            groups.create(name=name)
            grant(apps, using, name, (one for one in inherited if _is_there(apps, one)))


def grant(apps: Any, using: str, role: str, names: Iterable[str]) -> None:
    """Give a role permissions by name (`app.codename`); they may be newer than the last `migrate`."""
    group = apps.get_model("auth", "Group").objects.using(using).filter(name=role).first()
    if group is not None:
        group.permissions.add(*(_permission(apps, using, name) for name in names))


def _is_there(apps: Any, name: str) -> bool:
    """Does the permission's model exist at this migration? A later one grants what does not yet."""
    app, model_name = _place(name)
    return model_name in apps.all_models[app]


def _place(name: str) -> tuple[str, str]:
    """Return the application and the model a permission hangs on."""
    app, codename = name.split(".")
    return app, _MODEL_OF_ACTION.get(codename, codename.partition("_")[2])


def _permission(apps: Any, using: str, name: str) -> Any:
    """Return a permission; Django itself makes them only after all migrations."""
    codename = name.partition(".")[2]
    verb = codename.partition("_")[0]
    model = apps.get_model(*_place(name))
    content_type, _ = (
        apps.get_model("contenttypes", "ContentType")
        .objects.using(using)
        .get_or_create(app_label=model._meta.app_label, model=model._meta.model_name)
    )
    says = dict(model._meta.permissions).get(codename, f"Can {verb} {model._meta.verbose_name_raw}")
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    return permissions.get_or_create(content_type=content_type, codename=codename, defaults={"name": says})[0]
