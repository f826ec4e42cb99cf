"""What decisions say of the matcher: of the groups people decided in each confidence band, how many were duplicates.

People choose what they decide, so this is no sample; it is what was seen. A group decided in several analyses counts
once.
"""

from collections import defaultdict
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, CharField, Count, Value, When

from duplicates.choices import ConfidenceBand, Resolution
from duplicates.models import DuplicateAnalysisGroup
from duplicates.services import wilson

CONFIRMING = (Resolution.DELETED, Resolution.KEPT_CANONICAL)


@dataclass(frozen=True, slots=True)
class BandPrecision:
    """How many groups of one band were confirmed as duplicates, and how many were declared different."""

    band: ConfidenceBand
    confirmed: int
    different: int

    @property
    def decided(self) -> int:
        return self.confirmed + self.different

    @property
    def precision(self) -> float | None:
        return self.confirmed / self.decided if self.decided else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Within which the true share lies with 95 % confidence."""
        return wilson.interval(self.confirmed, self.decided)


def measure_precision() -> tuple[BandPrecision, ...]:
    """Count the decided groups by band and decision, with one query over the decided ones."""
    band = Case(
        When(confidence__gte=settings.CONFIDENCE_VERY_HIGH, then=Value(ConfidenceBand.VERY_HIGH)),
        When(confidence__gte=settings.CONFIDENCE_HIGH, then=Value(ConfidenceBand.HIGH)),
        When(confidence__gte=settings.CONFIDENCE_MEDIUM, then=Value(ConfidenceBand.MEDIUM)),
        default=Value(ConfidenceBand.LOW),
        output_field=CharField(),
    )
    decided = DuplicateAnalysisGroup.objects.filter(
        is_resolved=True, resolution__in=(*CONFIRMING, Resolution.NOT_DUPLICATES)
    )
    rows = decided.values_list(band, "resolution").annotate(groups=Count("identity", distinct=True)).order_by()
    counted: dict[tuple[str, bool], int] = defaultdict(int)
    for name, resolution, groups in rows:
        counted[name, resolution in CONFIRMING] += groups
    return tuple(BandPrecision(one, counted[one, True], counted[one, False]) for one in ConfidenceBand)
