"""`manage.py settings_reference`: every setting with its type, default and range."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from project import reference


class Command(BaseCommand):
    """Print the settings page, or write it and `.env.example`."""

    help = "Print every setting with type, default and range; with --write, renew docs/settings.md and .env.example."
    requires_system_checks: list[str] = []  # (works on a configuration that is out of range, too)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--write", action="store_true", help="Write the two files instead of printing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print or write."""
        variables = list(settings.ENVIRONMENT.variables.values())
        if not options["write"]:
            self.stdout.write(reference.settings_page(variables))
            return
        reference.SETTINGS_PAGE.write_text(reference.settings_page(variables))
        reference.ENV_EXAMPLE.write_text(reference.env_example(variables))
        self.stdout.write(f"Wrote {reference.SETTINGS_PAGE.name} and {reference.ENV_EXAMPLE.name}.")
