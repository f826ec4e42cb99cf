"""The application that finds duplicates and keeps what it found."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as lazy


def install_audit_triggers(using: str, **kwargs: Any) -> None:
    """Put triggers and search indexes in place after every `migrate`: SQLite drops them when it rebuilds the table."""
    from duplicates.audit_triggers import install  # noqa: PLC0415 (needs loaded models)
    from library import search  # noqa: PLC0415 (likewise)

    install(using)
    search.install_within(using, "duplicates_duplicateanalysisgroup", "group", within="analysis_id")


class DuplicatesConfig(AppConfig):
    """Analyses: find, keep, age, refresh, review, export, clean up."""

    name = "duplicates"
    verbose_name = lazy("Duplicates")

    def ready(self) -> None:
        """Listen to logins, which bring time zones, to `migrate`, and to the library: tracks lost, imports ended."""
        from duplicates import time_zones  # noqa: F401, PLC0415 (models are not loaded before)
        from duplicates.services.imports import note_import  # noqa: PLC0415 (likewise)
        from duplicates.services.last_copies import last_copies_of_groups  # noqa: PLC0415 (likewise)
        from library.last_copies import register_guardian  # noqa: PLC0415 (likewise)
        from library.model_names import translate_names  # noqa: PLC0415 (likewise)
        from library.witnesses import register_witness  # noqa: PLC0415 (likewise)

        translate_names(self)
        register_guardian(last_copies_of_groups)
        register_witness(note_import)

        post_migrate.connect(install_audit_triggers, sender=self, dispatch_uid="duplicates.install_audit_triggers")
