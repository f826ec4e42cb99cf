"""What belongs to the project as a whole: its admin site, its system checks, and the cache table `migrate` prepares."""

from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.core.management import call_command
from django.db.models.signals import post_migrate


def create_cache_table(using: str, **kwargs: Any) -> None:
    """Create the table behind the shared cache unless it is there, so that `migrate` alone prepares everything."""
    call_command("createcachetable", database=using, verbosity=0)


class RepriseAdminConfig(AdminConfig):
    """Django's admin, with our site in the place of the plain one."""

    default_site = "project.site.RepriseSite"


class ProjectConfig(AppConfig):
    """The shell around the two applications."""

    name = "project"
    verbose_name = "Reprise"

    def ready(self) -> None:
        from django_tasks_db.models import DBTaskResult  # noqa: PLC0415 (needs loaded models)

        from project import checks  # noqa: F401, PLC0415 (registers itself)

        # Its rows only wake workers up; what people ask about is told by analyses and exports.
        admin.site.unregister(DBTaskResult)
        post_migrate.connect(create_cache_table, sender=self, dispatch_uid="project.create_cache_table")
