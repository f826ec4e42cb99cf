"""What belongs to the project as a whole: its system checks, and the cache table that `migrate` prepares."""

from typing import Any

from django.apps import AppConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate


def create_cache_table(using: str, **kwargs: Any) -> None:
    """Create the table behind the shared cache unless it is there, so that `migrate` alone prepares everything."""
    call_command("createcachetable", database=using, verbosity=0)


class ProjectConfig(AppConfig):
    """The shell around the two applications."""

    name = "project"
    verbose_name = "Reprise"

    def ready(self) -> None:
        from project import checks  # noqa: F401, PLC0415 (registers itself)

        post_migrate.connect(create_cache_table, sender=self, dispatch_uid="project.create_cache_table")
