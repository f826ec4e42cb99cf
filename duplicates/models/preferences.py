"""`DuplicatePreferences`: what one person wants to be warned about, and their defaults."""

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from duplicates.choices import ExportFormat, Preset


class DuplicatePreferences(models.Model):
    """One person's preferences; a missing row means the defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.DB_CASCADE, related_name="duplicate_preferences"
    )
    default_preset = models.CharField(max_length=10, choices=Preset, default=Preset.RECORDING)
    export_format = models.CharField(max_length=4, choices=ExportFormat, default=ExportFormat.JSON)
    groups_per_page = models.PositiveSmallIntegerField(
        default=50, validators=[MinValueValidator(5), MaxValueValidator(200)]
    )

    class Meta:
        verbose_name_plural = "duplicate preferences"

    def __str__(self) -> str:
        return f"Preferences of {self.user}"
