"""How storage grows, from one sample a day, and when a limit or the end of the disk is reached at that pace."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _

from duplicates.models import StorageSample
from library.numbers import number

LEAST_DAYS = 3  # from the first sample to the last; less is no trend
FARTHEST_DAYS = 730  # what lies farther ahead is not foretold


@dataclass(frozen=True, slots=True)
class Growth:
    """What was stored day by day, the oldest first, and by how many bytes a day it grows; None for too few days."""

    days: tuple[date, ...]
    totals: tuple[int, ...]
    bytes_per_day: float | None

    def days_until(self, size_bytes: int) -> int | None:
        """Return in how many days the total reaches a size; None when it does not within two years."""
        if not self.totals or not self.bytes_per_day or self.bytes_per_day <= 0:
            return None
        days = (size_bytes - self.totals[-1]) / self.bytes_per_day
        return max(0, int(days)) if days <= FARTHEST_DAYS else None


def get_growth(*, now: datetime, days: int) -> Growth:
    """Return the samples of the last so many days and their trend, with one query."""
    since = (now - timedelta(days=days)).date()
    rows = StorageSample.objects.filter(day__gt=since, day__lte=now.date()).order_by("day")
    samples = list(rows.values_list("day", "total_bytes"))
    return Growth(tuple(day for day, _bytes in samples), tuple(size for _day, size in samples), _slope(samples))


def forecast(growth: Growth, *, free_bytes: int) -> str:
    """Say in a sentence where this leads."""
    if growth.bytes_per_day is None:
        return _("A forecast needs samples of three days or more; one is taken every day while workers run.")
    mb = growth.bytes_per_day / 1_000_000
    if mb <= 0:
        return _("Storage does not grow.")
    days = growth.days_until(growth.totals[-1] + free_bytes)
    pace = _("Storage grows by %(mb)s MB a day.") % {"mb": f"{mb:,.1f}"}
    if days is None:
        return pace + " " + _("At this pace the disk lasts for years.")
    return pace + " " + _("At this pace the disk is full in about %(days)s days.") % {"days": number(days)}


def _slope(samples: Sequence[tuple[date, int]]) -> float | None:
    """Return the slope of the straight line nearest to the samples, in bytes a day."""
    if len(samples) < 2 or (samples[-1][0] - samples[0][0]).days < LEAST_DAYS - 1:
        return None
    xs = [(day - samples[0][0]).days for day, _bytes in samples]
    ys = [size for _day, size in samples]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread
