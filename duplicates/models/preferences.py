"""`DuplicatePreferences`: how one person likes to start an analysis, to leaf through its groups and to export it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from duplicates.choices import ExportFormat, Preset

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class PreferencesManager(models.Manager["DuplicatePreferences"]):
    """Answers for people with and without a row of their own."""

    def of(self, user: AbstractBaseUser) -> DuplicatePreferences:
        """Return what a person prefers: their row, or an unsaved one with the defaults."""
        return self.filter(user_id=user.pk).first() or DuplicatePreferences()


class DuplicatePreferences(models.Model):
    """One person's preferences; a missing row means the defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.DB_CASCADE, related_name="duplicate_preferences"
    )
    default_preset = models.CharField(
        max_length=10, choices=Preset, default=Preset.RECORDING, help_text="Ticked when you open “Run analysis”."
    )
    export_format = models.CharField(
        max_length=4, choices=ExportFormat, default=ExportFormat.JSON, help_text="Offered first for an analysis."
    )
    groups_per_page = models.PositiveSmallIntegerField(
        default=50, validators=[MinValueValidator(5), MaxValueValidator(200)], help_text="From 5 to 200."
    )

    objects = PreferencesManager()

    class Meta:
        verbose_name = "preferences"
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user}"
