"""How old is a result? The one place that decides; page, API and command repeat it."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from duplicates.models import DuplicateAnalysisResult


class Staleness(models.TextChoices):
    """fresh < 1 h ≤ moderate < 24 h ≤ stale < 168 h ≤ very_stale, with the limits from the settings."""

    FRESH = "fresh", "Fresh"
    MODERATE = "moderate", "Moderate"
    STALE = "stale", "Stale"
    VERY_STALE = "very_stale", "Very stale"


def get_staleness_level(age: timedelta) -> Staleness:
    """Return the level of an age. A negative age (a clock that was wrong) is fresh."""
    limits = (
        (settings.STALENESS_FRESH_HOURS, Staleness.FRESH),
        (settings.STALENESS_MODERATE_HOURS, Staleness.MODERATE),
        (settings.STALENESS_STALE_HOURS, Staleness.STALE),
    )
    hours = age / timedelta(hours=1)
    return next((level for limit, level in limits if hours < limit), Staleness.VERY_STALE)


def is_analysis_stale(analysis: DuplicateAnalysisResult, *, now: datetime) -> bool:
    """Is the result old enough to say so? True from the level `stale` on."""
    return get_staleness_level(analysis.age(now)) in (Staleness.STALE, Staleness.VERY_STALE)
