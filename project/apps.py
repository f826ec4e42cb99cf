"""What belongs to the project as a whole: its admin site, its system checks, how it asks PostgreSQL to work, and the
cache table `migrate` prepares."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.core.management import call_command
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


def create_cache_table(using: str, **kwargs: Any) -> None:
    """Create the table behind the shared cache unless it is there, so that `migrate` alone prepares everything."""
    call_command("createcachetable", database=using, verbosity=0)


def compile_nothing(connection: Any, **kwargs: Any) -> None:
    """Keep PostgreSQL from compiling statements: a list of 40 analyses took 1.6 s of which 1.1 compiled what it asks.

    Past Django, as it is no query of anybody's, and not by the address, which a connection pooler may refuse.
    """
    if connection.vendor == "postgresql":
        connection.connection.execute("SET jit = off")


def load_admin_pages() -> None:
    """Register the page of every model that has one; calling it again changes nothing."""
    from django_tasks_db.models import DBTaskResult  # noqa: PLC0415 (needs loaded models)

    admin.autodiscover()
    # Its rows only wake workers up; what people ask about is told by analyses and exports.
    if admin.site.is_registered(DBTaskResult):
        admin.site.unregister(DBTaskResult)


def check_admin_pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check every admin page; they may not be loaded yet."""
    load_admin_pages()
    return check_admin_app(app_configs, **kwargs)


class RepriseAdminConfig(SimpleAdminConfig):
    """Django's admin, with our site in the place of the plain one.

    Its pages load with the addresses of the site: commands that show none must stay small.
    """

    default_site = "project.site.RepriseSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_admin_pages, checks.Tags.admin)


class ProjectConfig(AppConfig):
    """The shell around the two applications."""

    name = "project"
    verbose_name = "Reprise"

    def ready(self) -> None:
        from project import checks  # noqa: F401, PLC0415 (registers itself)

        connection_created.connect(compile_nothing, dispatch_uid="project.compile_nothing")
        # Django sends this signal only for applications with models; this one has none, so the library's stands for it.
        library = apps.get_app_config("library")
        post_migrate.connect(create_cache_table, sender=library, dispatch_uid="project.create_cache_table")
