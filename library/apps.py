"""The library application, the triggers that record its changes, and the indexes its search needs."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as lazy


def install_change_triggers(using: str, **kwargs: Any) -> None:
    """Put triggers and search indexes in place after every `migrate`: SQLite drops them when it rebuilds the table."""
    from library import change_triggers, search, touches  # noqa: PLC0415 (need loaded models)

    change_triggers.install(using)
    touches.install(using)
    search.install(using)


class LibraryConfig(AppConfig):
    """What music we have."""

    name = "library"
    verbose_name = lazy("Library")

    def ready(self) -> None:
        from library.model_names import translate_names  # noqa: PLC0415 (models are not loaded before)

        translate_names(self)
        post_migrate.connect(install_change_triggers, sender=self, dispatch_uid="library.install_change_triggers")
