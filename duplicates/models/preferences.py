"""`DuplicatePreferences`: how one person likes to work with analyses, and what they want to be warned about."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import ExportFormat, Preset
from duplicates.site_settings import site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


class PreferencesManager(models.Manager["DuplicatePreferences"]):
    """Answers for people with and without a row of their own."""

    def of(self, user: AbstractBaseUser | None) -> DuplicatePreferences:
        """Return what a person prefers: their row, or an unsaved one with the defaults, as for the system."""
        if user is None:
            return DuplicatePreferences()
        return self.filter(user_id=user.pk).first() or DuplicatePreferences()


def require_time_zone(name: str) -> None:
    """Raise ValidationError for a name that is no time zone."""
    if name not in available_timezones():
        raise ValidationError(_("%(name)r is no time zone. Write one like Europe/Berlin.") % {"name": name})


class DuplicatePreferences(models.Model):
    """One person's preferences; a missing row, like an empty field, means the site's defaults."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.DB_CASCADE, related_name="duplicate_preferences"
    )

    # Starting and reading analyses
    default_preset = models.CharField(
        max_length=10, choices=Preset, default=Preset.RECORDING, help_text=lazy("Ticked when you open “Run analysis”.")
    )
    export_format = models.CharField(
        max_length=5, choices=ExportFormat, default=ExportFormat.JSON, help_text=lazy("Offered first for an analysis.")
    )
    groups_per_page = models.PositiveSmallIntegerField(
        default=50, validators=[MinValueValidator(5), MaxValueValidator(200)], help_text=lazy("From 5 to 200.")
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        validators=[require_time_zone],
        help_text=lazy("Such as Europe/Berlin; empty: the site's."),
    )
    language = models.CharField(
        max_length=10, blank=True, choices=settings.LANGUAGES, help_text=lazy("Empty: the browser's.")
    )

    # When a result is too old
    stale_after_hours = models.FloatField(
        lazy("stale after (hours)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01), MaxValueValidator(87_600)],
        help_text=lazy("A result is stale from this age on; empty: the site's limit."),
    )
    significant_tracks = models.PositiveIntegerField(
        lazy("significant change (tracks)"),
        null=True,
        blank=True,
        validators=[MaxValueValidator(1_000_000)],
        help_text=lazy("More changed tracks than this suggest a refresh; empty: the site's limit."),
    )
    significant_percent = models.FloatField(
        lazy("significant change (percent)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=lazy("A larger changed share of the library than this suggests a refresh; empty: the site's limit."),
    )

    # What is said about it
    warn_of_age = models.BooleanField(lazy("warn when a result is old"), default=True)
    warn_of_changes = models.BooleanField(lazy("warn when the library has changed"), default=True)
    suggest_refresh = models.BooleanField(
        lazy("suggest a refresh"), default=True, help_text=lazy("Offer the way out beside a warning.")
    )
    auto_refresh = models.BooleanField(
        lazy("refresh by itself"),
        default=False,
        help_text=lazy(
            "The scheduled refresh renews your newest analysis when it is very stale or the library has changed "
            "significantly."
        ),
    )

    objects = PreferencesManager()

    class Meta:
        verbose_name = "preferences"
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return _("Preferences of %(user)s") % {"user": self.user}

    @property
    def zone(self) -> ZoneInfo | None:
        """The person's time zone; None for the site's."""
        return ZoneInfo(self.time_zone) if self.time_zone else None

    def reset(self) -> None:
        """Put every preference back to its default, unsaved."""
        for field in self._meta.concrete_fields:
            if field.name not in ("id", "user"):
                setattr(self, field.name, field.get_default())

    def clean(self) -> None:
        """Refuse limits that contradict the site's order of levels."""
        hours = self.stale_after_hours
        if hours is not None and hours < site.STALENESS_FRESH_HOURS:
            raise ValidationError(
                {
                    "stale_after_hours": _(
                        "Results younger than %(fresh)s h count as fresh here, so nothing can be stale after "
                        "%(hours)s h."
                    )
                    % {"fresh": f"{site.STALENESS_FRESH_HOURS:g}", "hours": f"{hours:g}"}
                }
            )
