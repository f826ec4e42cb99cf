"""The application that finds duplicates and keeps what it found."""

from django.apps import AppConfig


class DuplicatesConfig(AppConfig):
    """Analyses: find, keep, age, refresh, review, export, clean up."""

    name = "duplicates"
    verbose_name = "Duplicates"

    def ready(self) -> None:
        """Listen for people logging in, who bring their time zone."""
        from duplicates import time_zones  # noqa: F401, PLC0415 (models are not loaded before)
