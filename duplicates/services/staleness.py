"""How old is a result, and what does that mean? The one place that decides; page, API and command repeat it.

A level follows from an age and `Thresholds`. The thresholds are the site's, and where a person has set their own those.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.site_settings import site
from library.moments import A_MOMENT, absolute, relative


class Staleness(models.TextChoices):
    """fresh < 1 h ≤ moderate < 24 h ≤ stale < 168 h ≤ very_stale, with the limits from the settings."""

    FRESH = "fresh", lazy("Fresh")
    MODERATE = "moderate", lazy("Moderate")
    STALE = "stale", lazy("Stale")
    VERY_STALE = "very_stale", lazy("Very stale")


NEEDS_REFRESH = frozenset({Staleness.STALE, Staleness.VERY_STALE})
COLOURS = {
    Staleness.FRESH: "green",
    Staleness.MODERATE: "yellow",
    Staleness.STALE: "red",
    Staleness.VERY_STALE: "red",
}
ICONS = {
    Staleness.FRESH: "check",
    Staleness.MODERATE: "clock",
    Staleness.STALE: "warning",
    Staleness.VERY_STALE: "alarm",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From when on a result is old (hours) and a change of the library matters (tracks, percent of the library)."""

    fresh_hours: float
    moderate_hours: float
    stale_hours: float
    change_tracks: int
    change_percent: float

    @classmethod
    def of_site(cls) -> Self:
        """Return the limits of the settings."""
        return cls(
            site.STALENESS_FRESH_HOURS,
            site.STALENESS_MODERATE_HOURS,
            site.STALENESS_STALE_HOURS,
            site.SIGNIFICANT_CHANGE_TRACKS,
            site.SIGNIFICANT_CHANGE_PERCENT,
        )

    @classmethod
    def for_preferences(cls, preferences: DuplicatePreferences) -> Self:
        """Return one person's limits: their own where set, else the site's.

        The levels keep their order when the site moves its limits past a person's: theirs is where `stale` begins.
        """
        site = cls.of_site()
        own_hours, own_tracks = preferences.stale_after_hours, preferences.significant_tracks
        own_percent = preferences.significant_percent
        moderate = site.moderate_hours if own_hours is None else float(own_hours)
        return cls(
            min(site.fresh_hours, moderate),
            moderate,
            max(site.stale_hours, moderate),
            site.change_tracks if own_tracks is None else own_tracks,
            site.change_percent if own_percent is None else own_percent,
        )

    def are_passed_by(self, changed_tracks: int, changed_percent: float) -> bool:
        """Is a change of the library significant? More tracks, or a larger share, than the limit."""
        return changed_tracks > self.change_tracks or changed_percent > self.change_percent


@dataclass(frozen=True, slots=True)
class AgeInfo:
    """The age of a result for people: both texts, the level as a word, colour and icon, and whether it is too old."""

    analysed_at: datetime
    absolute: str  # in the viewer's zone
    relative: str
    hours: float  # never negative
    level: Staleness
    colour: str  # green, yellow or red
    icon: str  # check, clock, warning or alarm
    needs_refresh: bool


def get_staleness_level(age: timedelta, thresholds: Thresholds | None = None) -> Staleness:
    """Return the level of an age. A negative age (a clock that was wrong) is fresh."""
    limits = thresholds or Thresholds.of_site()
    hours = age / timedelta(hours=1)
    levels = (
        (limits.fresh_hours, Staleness.FRESH),
        (limits.moderate_hours, Staleness.MODERATE),
        (limits.stale_hours, Staleness.STALE),
    )
    return next((level for limit, level in levels if hours < limit), Staleness.VERY_STALE)


def get_analysis_age_info(
    analysis: DuplicateAnalysisResult,
    *,
    now: datetime,
    thresholds: Thresholds | None = None,
    zone: ZoneInfo | None = None,
) -> AgeInfo:
    """Return how old a result is. `zone` is the viewer's; without it the current one holds."""
    age = analysis.age(now)
    level = get_staleness_level(age, thresholds)
    with timezone.override(zone or timezone.get_current_timezone()):
        at = absolute(analysis.age_anchor)
    return AgeInfo(
        analysed_at=analysis.age_anchor,
        absolute=at,
        relative=_relative(analysis.age_anchor, now),
        hours=max(age / timedelta(hours=1), 0.0),
        level=level,
        colour=COLOURS[level],
        icon=ICONS[level],
        needs_refresh=level in NEEDS_REFRESH,
    )


def is_analysis_stale(
    analysis: DuplicateAnalysisResult, *, now: datetime, thresholds: Thresholds | None = None
) -> bool:
    """Is the result old enough to say so? True from the level `stale` on."""
    return get_staleness_level(analysis.age(now), thresholds) in NEEDS_REFRESH


def _relative(at: datetime, now: datetime) -> str:
    """Return the age in words; a result dated in the future says that a clock is wrong."""
    text = relative(at, now)
    return _("dated %(text)s: a clock is wrong") % {"text": text} if (at - now).total_seconds() >= A_MOMENT else text
