"""The application that finds duplicates and keeps what it found."""

from django.apps import AppConfig


class DuplicatesConfig(AppConfig):
    """Analyses: find, keep, age, refresh, review, export, clean up."""

    name = "duplicates"
    verbose_name = "Duplicates"
