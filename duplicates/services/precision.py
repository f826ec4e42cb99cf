"""How precise the matcher was measured to be: the false-match rate of each preset and band, from blind samples.

Only samples of the present matcher, with the present limits of the bands, drawn in the last days count; what older
ones said stands apart. Groups of more members than one can compare at a glance are neither drawn nor counted, nor does
automatic resolution touch them. "Cannot tell" is left out of the rate and counted beside it. What decisions say, where
people chose what to look at, is another figure: see the module `measured_precision`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import BooleanField, Case, Count, Q, QuerySet, Value, When

from duplicates.choices import Answer, ConfidenceBand, Preset
from duplicates.engine.settings import ENGINE_VERSION
from duplicates.models import PrecisionSample, SampledGroup
from duplicates.services import wilson
from duplicates.site_settings import site

MOST_MEMBERS = 12  # of a group that is judged: all are shown side by side, and an answer is about all of them


@dataclass(frozen=True, slots=True)
class Bar:
    """What a band must beat before anything is resolved automatically; administrators set it."""

    limit: float  # the interval of the false-match rate must end below it
    least_judged: int

    @property
    def least_without_a_false_match(self) -> int:
        """How many judged groups it takes at best."""
        return max(self.least_judged, wilson.fewest_without_a_hit(self.limit))


@dataclass(frozen=True, slots=True)
class BandRate:
    """What was judged of one preset and band: a group is a false match where somebody said it is not all the same."""

    preset: Preset
    band: ConfidenceBand
    same: int = 0
    different: int = 0
    cannot_tell: int = 0
    waiting: int = 0  # drawn and not judged yet

    @property
    def judged(self) -> int:
        """How many the rate is made of."""
        return self.same + self.different

    @property
    def rate(self) -> float | None:
        """The false-match rate, 0 to 1."""
        return self.different / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Within which the true rate lies with 95 % confidence, after Wilson."""
        return wilson.interval(self.different, self.judged)

    def beats(self, bar: Bar) -> bool:
        """Are enough groups judged, and does even the upper end of the interval stay below the bar?"""
        interval = self.interval
        return interval is not None and self.judged >= bar.least_judged and interval[1] < bar.limit


@dataclass(frozen=True, slots=True)
class MeasuredPrecision:
    """Everything that was measured: what counts, what is older, and the bar that holds now."""

    days: int
    engine_version: str
    bar: Bar
    rates: tuple[BandRate, ...]
    older: tuple[BandRate, ...]

    def of(self, preset: str, band: str) -> BandRate:
        """Return the rate of one preset and band; an empty one where nothing was drawn."""
        found = (one for one in self.rates if (one.preset, one.band) == (preset, band))
        return next(found, BandRate(Preset(preset), ConfidenceBand(band)))


def present_bar() -> Bar:
    """Return the bar as administrators set it."""
    return Bar(site.PRECISION_BAR_PERCENT / 100, site.PRECISION_LEAST_GROUPS)


def present_limits() -> str:
    """Return the limits of the bands; samples drawn with others measured other bands."""
    return " / ".join(
        f"{limit:g}" for limit in (settings.CONFIDENCE_VERY_HIGH, settings.CONFIDENCE_HIGH, settings.CONFIDENCE_MEDIUM)
    )


def samples_that_count(*, now: datetime) -> QuerySet[PrecisionSample]:
    """Return the samples of the present matcher and bands that are young enough."""
    return PrecisionSample.objects.filter(_counts(now))


def _counts(now: datetime, prefix: str = "") -> Q:
    wanted = {
        "engine_version": ENGINE_VERSION,
        "band_limits": present_limits(),
        "created_at__gte": now - timedelta(days=site.PRECISION_DAYS),
    }
    return Q(**{f"{prefix}{name}": value for name, value in wanted.items()})


def measured_precision(*, now: datetime) -> MeasuredPrecision:
    """Count the answers by preset and band, with one query."""
    counts = Case(When(_counts(now, "sample__"), then=Value(True)), default=Value(False), output_field=BooleanField())
    # Of larger ones older samples showed a part: what was said of it says nothing of the rest.
    judged_whole = SampledGroup.objects.filter(member_count__lte=MOST_MEMBERS)
    rows = judged_whole.values_list(counts, "sample__preset", "band", "answer").annotate(many=Count("pk"))
    counted: dict[tuple[bool, str, str], dict[str, int]] = defaultdict(dict)
    for is_present, preset, band, answer, many in rows.order_by():
        counted[is_present, preset, band][answer] = many
    return MeasuredPrecision(
        site.PRECISION_DAYS,
        ENGINE_VERSION,
        present_bar(),
        _rates(counted, is_present=True),
        _rates(counted, is_present=False),
    )


def _rates(counted: dict[tuple[bool, str, str], dict[str, int]], *, is_present: bool) -> tuple[BandRate, ...]:
    """Return what was counted in the order of presets and bands, the surest band first."""
    places: Iterable[tuple[Preset, ConfidenceBand]] = ((preset, band) for preset in Preset for band in ConfidenceBand)
    return tuple(
        BandRate(
            preset,
            band,
            same=answers.get(Answer.SAME, 0),
            different=answers.get(Answer.DIFFERENT, 0),
            cannot_tell=answers.get(Answer.CANNOT_TELL, 0),
            waiting=answers.get("", 0),
        )
        for preset, band in places
        if (answers := counted.get((is_present, preset, band)))
    )
