"""What the first page tells one person: pure reads, a constant number of queries, nothing read to its end.

Each part is left out (None or empty) where the person may not see it; the page shows what is there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Case, Count, F, Min, Q, Sum, Value, When

from duplicates.choices import Resolution
from duplicates.models import CleanupAction, DuplicateAnalysisResult, DuplicatePreferences
from duplicates.models.analysis import MANAGE_ALL, sees_all
from duplicates.services import permissions
from duplicates.services.history import Week, get_weeks
from duplicates.services.next_step import NextStep, Situation, get_next_step
from duplicates.services.recommendations import ResultCondition, judge_conditions
from duplicates.services.storage import Glance, glance_at_storage
from duplicates.services.trend import TrendPoint, get_trend
from duplicates.services.workers import are_there_workers
from library.models import Track

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

RUNS_SHOWN = 5
DAYS_OF_CLEANUP = 84  # twelve weeks
EXPIRES_SOON = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left to decide of an analysis. A duplicate is a copy beside the one that stays."""

    groups: int
    groups_decided: int
    set_aside: int  # of those decided, the ones kept for a closer look
    duplicates: int

    @property
    def groups_open(self) -> int:
        return self.groups - self.groups_decided


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Copies that were removed and can still come back, and those that soon cannot."""

    tracks: int
    expiring_tracks: int
    first_expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything the first page shows to one person at one moment."""

    latest: DuplicateAnalysisResult | None
    condition: ResultCondition | None
    left: Left | None
    trend: Sequence[TrendPoint]  # the last one is now
    weeks: Sequence[Week]
    runs: Sequence[DuplicateAnalysisResult]
    quarantine: Quarantine | None
    storage: Glance | None
    has_tracks: bool
    has_workers: bool
    next_step: NextStep


def get_dashboard(
    user: "AbstractUser", preferences: DuplicatePreferences, *, now: datetime, ignored: Collection[str] = ()
) -> Dashboard:
    """Gather what this person may see. They may see analyses at all; whoever asks has checked that.

    `ignored` are the ids of analyses whose library changes they ignore for this session.
    """
    visible = DuplicateAnalysisResult.objects.visible_to(user).for_lists().order_by("-created_at")
    latest, newest = visible.completed().first(), visible.first()
    condition = judge_conditions([latest], preferences, now=now, ignored=ignored)[0] if latest else None
    left = count_left(latest) if latest else None
    runs = list(visible.active().select_related("user")[:RUNS_SHOWN])
    has_tracks = Track.objects.exists()
    has_workers = are_there_workers(now=now)
    situation = Situation(
        has_tracks=has_tracks,
        has_workers=has_workers,
        newest=newest if newest and permissions.may_manage(user, newest) else None,
        active=runs[0] if runs else None,
        latest=latest,
        condition=condition,
        groups_open=left.groups_open if left else 0,
        may_run=permissions.may_run(user),
    )
    return Dashboard(
        latest=latest,
        condition=condition,
        left=left,
        trend=_trend(latest, left, user, now),
        weeks=get_weeks(now=now, days=DAYS_OF_CLEANUP) if _sees_cleanup(user) else (),
        runs=runs,
        quarantine=_quarantine(user, now) if permissions.may_remove(user) else None,
        storage=_storage(condition) if user.has_perm(MANAGE_ALL) else None,
        has_tracks=has_tracks,
        has_workers=has_workers,
        next_step=get_next_step(situation),
    )


def count_left(analysis: DuplicateAnalysisResult) -> Left:
    """Count what is left to decide of an analysis, in one pass over its groups."""
    # A group whose last copy went by another road has none left, not one less than none.
    copies = Case(When(remaining_count__gt=0, then=F("remaining_count") - 1), default=Value(0))
    return Left(
        **analysis.groups.aggregate(
            groups=Count("pk"),
            groups_decided=Count("pk", filter=Q(is_resolved=True)),
            set_aside=Count("pk", filter=Q(is_resolved=True, resolution=Resolution.MANUAL_REVIEW)),
            duplicates=Sum(copies, filter=Q(is_resolved=False), default=0),
        )
    )


def _trend(
    latest: DuplicateAnalysisResult | None, left: Left | None, user: "AbstractUser", now: datetime
) -> list[TrendPoint]:
    """Return what each run found, and after them what is left now."""
    if latest is None or left is None:
        return []
    return [*get_trend(latest, user, now=now), TrendPoint(now, left.duplicates)]


def _sees_cleanup(user: "AbstractUser") -> bool:
    """May this person see everybody's clean-up, which is what the history adds up?"""
    return permissions.may_view_audit(user) and sees_all(user)


def _quarantine(user: "AbstractUser", now: datetime) -> Quarantine:
    """Add up the removals this person may undo."""
    actions = CleanupAction.objects.done()
    if not sees_all(user):
        seen = DuplicateAnalysisResult.objects.visible_to(user)
        actions = actions.filter(Q(user_id=user.pk) | Q(user=None, user_name="") | Q(analysis__in=seen.values("pk")))
    soon = Q(expires_at__lte=now + EXPIRES_SOON)
    return Quarantine(
        **actions.aggregate(
            tracks=Sum("removed_count", default=0),
            expiring_tracks=Sum("removed_count", filter=soon, default=0),
            first_expires_at=Min("expires_at"),
        )
    )


def _storage(condition: ResultCondition | None) -> Glance:
    return glance_at_storage(tracks=condition.changes.tracks_now if condition else None)
