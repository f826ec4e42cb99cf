"""How far the clean-up of each analysis came, the best and the worst of them, and whether it gets better.

Of an analysis that is kept its groups say so; of one deleted since, the record that retention wrote of it. What went is
counted from an index of nothing but members that went, so that large results cost no more than small ones.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Count, IntegerField, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce

from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack

FORGOTTEN = "analysis.forgotten"
TREND_POINTS = 5  # the newer half of the analyses beside the older half
RECENT, RECENT_POINTS = 3, 10  # so many of the newest beside all before them
_NOTED = ("resolved", "duplicates", "eliminated")  # counts of a record, in the order of an Outcome


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the groups of one analysis."""

    at: datetime  # when it was completed
    analysis_id: str
    label: str
    groups: int
    resolved: int
    duplicates: int
    eliminated: int
    is_kept: bool = True

    @property
    def rate(self) -> float:
        """Percent of its groups that are decided."""
        return 100.0 * self.resolved / self.groups

    @property
    def has_cleanup(self) -> bool:
        return bool(self.resolved or self.eliminated)


@dataclass(frozen=True)
class Outcomes:
    """What became of the analyses of a period that found anything, the oldest first."""

    each: tuple[Outcome, ...] = ()

    @property
    def analyses(self) -> int:
        return len(self.each)

    @cached_property
    def with_cleanup(self) -> int:
        return sum(one.has_cleanup for one in self.each)

    @cached_property
    def groups(self) -> int:
        return sum(one.groups for one in self.each)

    @cached_property
    def resolved(self) -> int:
        return sum(one.resolved for one in self.each)

    @cached_property
    def duplicates(self) -> int:
        return sum(one.duplicates for one in self.each)

    @cached_property
    def eliminated(self) -> int:
        return sum(one.eliminated for one in self.each)

    @cached_property
    def average_rate(self) -> float | None:
        return statistics.fmean(self._rates) if self.each else None

    @cached_property
    def best(self) -> Outcome | None:
        """The analysis of which most groups are decided, the newest of several."""
        return max(self.each, key=lambda one: (one.rate, one.at), default=None)

    @cached_property
    def worst(self) -> Outcome | None:
        """The analysis of which fewest groups are decided; nothing where there is only one."""
        return min(self.each, key=lambda one: (one.rate, -one.at.timestamp())) if len(self.each) > 1 else None

    @cached_property
    def trend(self) -> str:
        """improving, declining or stable: the newer analyses' rate beside the older ones', within 5 points."""
        half = len(self.each) // 2
        if not half:
            return "stable"
        gained = statistics.fmean(self._rates[-half:]) - statistics.fmean(self._rates[:half])
        return "improving" if gained > TREND_POINTS else "declining" if gained < -TREND_POINTS else "stable"

    @cached_property
    def recent_performance(self) -> str | None:
        """better, worse or as_usual: the newest three analyses' rate beside all before them, within 10 points.

        Nothing where there is none before them.
        """
        if len(self.each) <= RECENT:
            return None
        gained = statistics.fmean(self._rates[-RECENT:]) - statistics.fmean(self._rates[:-RECENT])
        return "better" if gained > RECENT_POINTS else "worse" if gained < -RECENT_POINTS else "as_usual"

    @cached_property
    def consistency(self) -> float | None:
        """100 less the standard deviation of the rates, in points; nothing for fewer than two."""
        return max(0.0, 100 - statistics.stdev(self._rates)) if len(self.each) > 1 else None

    @cached_property
    def _rates(self) -> list[float]:
        return [one.rate for one in self.each]


def get_outcomes(begins_at: datetime, now: datetime) -> Outcomes:
    """Return what became of the analyses completed from after `begins_at` to `now`, with four queries."""
    found = [*_kept(begins_at, now), *_forgotten(begins_at, now)]
    return Outcomes(tuple(sorted(found, key=lambda one: (one.at, one.analysis_id))))


def _kept(begins_at: datetime, now: datetime) -> Iterator[Outcome]:
    rows = DuplicateAnalysisResult.objects.completed().for_lists()
    kept = rows.filter(completed_at__gt=begins_at, completed_at__lte=now).in_bulk()
    groups = DuplicateAnalysisGroup.objects.filter(analysis__in=kept)
    counted = groups.values_list("analysis").annotate(
        whole=Count("pk"), decided=Count("pk", filter=Q(is_resolved=True))
    )
    gone = _eliminated(list(kept))
    for analysis_id, whole, decided in counted:
        analysis = kept[analysis_id]
        assert analysis.completed_at is not None
        yield Outcome(
            at=analysis.completed_at,
            analysis_id=str(analysis_id),
            label=str(analysis),
            groups=whole,
            resolved=decided,
            duplicates=analysis.duplicates_found,
            eliminated=gone.get(analysis_id, 0),
        )


def _eliminated(analysis_ids: list[Any]) -> dict[Any, int]:
    """Return how many duplicates of these analyses went; of a group that lost every copy one counts as the song."""
    went = DuplicateAnalysisTrack.objects.filter(still_exists=False, group__analysis__in=analysis_ids)
    lost = Count("group", distinct=True, filter=Q(group__remaining_count=0))
    rows = went.values_list("group__analysis").annotate(gone=Count("pk"), lost=lost)
    return {analysis_id: gone - groups for analysis_id, gone, groups in rows}


def _forgotten(begins_at: datetime, now: datetime) -> Iterator[Outcome]:
    """Yield what retention noted of analyses it deleted; those noted before it kept when they ended count by then.

    The database takes the records apart: reading ninety thousand of them as JSON took three times as long.
    """
    rows = AuditRecord.objects.filter(
        action=FORGOTTEN, created_at__gt=begins_at, created_at__lte=now, group_count__gt=0
    ).annotate(ended=KeyTextTransform("completed_at", "before"), **{f"of_{name}": _noted(name) for name in _NOTED})
    read = ("created_at", "ended", "subject_id", "subject_label", "group_count", *(f"of_{name}" for name in _NOTED))
    for created_at, ended, subject_id, label, groups, *noted in rows.values_list(*read).iterator():
        completed_at = datetime.fromisoformat(ended) if ended else created_at
        resolved, duplicates, eliminated = noted
        if completed_at > begins_at:
            yield Outcome(completed_at, subject_id, label, groups, resolved, duplicates, eliminated, is_kept=False)


def _noted(name: str) -> Coalesce:
    return Coalesce(Cast(KeyTextTransform(name, "counts"), IntegerField()), 0)
