"""The library application, and the triggers that record its changes."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


def install_change_triggers(using: str, **kwargs: Any) -> None:
    """Put the triggers in place after every `migrate`: SQLite drops them whenever it rebuilds the track table."""
    from library.change_triggers import install  # noqa: PLC0415 (needs loaded models)

    install(using)


class LibraryConfig(AppConfig):
    """What music we have."""

    name = "library"
    verbose_name = "Library"

    def ready(self) -> None:
        post_migrate.connect(install_change_triggers, sender=self, dispatch_uid="library.install_change_triggers")
