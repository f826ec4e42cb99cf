"""The history of clean-up, added up from the audit trail: what was done, how well it went, week by week.

Everything is read from ranges of the index `audit_history_by_kind`, which holds all it needs and in the order it is
added up, so that a trail of a million records answers at once. Weeks are counted back from now, seven times 24 hours
each: no time zone can move a record.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import batched
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q
from django.utils.translation import gettext as _

from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord, CleanupAction, DuplicateAnalysisTrack
from duplicates.services.outcomes import Outcomes, get_outcomes
from library.numbers import number

PERIODS = (30, 90, 365)  # days that pages offer
LONGEST = 3_650
ANALYSES = "analysis.completed"
REMOVALS = "duplicates.removed"
UNDOS = "removal.undone"
# What counts as clean-up: verbs by which people, or commands in their name, changed what is decided or held.
CLEANUP = (
    REMOVALS,
    UNDOS,
    "removal.purged",
    "groups.resolved",
    "groups.reopened",
    "keeper.chosen",
    "pairs.declared_different",
    "pairs.taken_back",
    "tracks.deleted",
)
# How the activity of the newer half of a period may differ from the older half's before it is a trend.
STEADY = 0.20


@dataclass(frozen=True, slots=True)
class Tally:
    """What one kind of verb amounts to. Failures count as actions; what they would have changed is not counted."""

    actions: int = 0
    failed: int = 0
    groups: int = 0
    tracks: int = 0
    plays: int = 0
    seconds: float = 0.0  # of the actions whose duration is known
    timed: int = 0  # how many those are
    timed_tracks: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, name) + getattr(other, name) for name in Tally.__slots__))

    @property
    def success_percent(self) -> float | None:
        return 100.0 * (self.actions - self.failed) / self.actions if self.actions else None

    @property
    def mean_seconds(self) -> float | None:
        return self.seconds / self.timed if self.timed else None

    @property
    def groups_per_action(self) -> float | None:
        return self._mean(self.groups)

    @property
    def tracks_per_action(self) -> float | None:
        return self._mean(self.tracks)

    @property
    def plays_per_action(self) -> float | None:
        return self._mean(self.plays)

    def _mean(self, whole: int) -> float | None:
        """Share a count out among the actions that succeeded: what a refused one would have changed is not in it."""
        succeeded = self.actions - self.failed
        return whole / succeeded if succeeded else None

    @property
    def tracks_per_second(self) -> float | None:
        return self.timed_tracks / self.seconds if self.seconds and self.timed_tracks else None


@dataclass(frozen=True)
class Week:
    """Seven days of the history, the newest week ending now."""

    begins_at: datetime
    ends_at: datetime
    by_action: dict[str, Tally]

    @cached_property
    def cleanup(self) -> Tally:
        return total(self.by_action, CLEANUP)


@dataclass(frozen=True)
class CleanupHistory:
    """What was done in a period, as a whole and by weeks, the oldest first."""

    days: int
    begins_at: datetime
    ends_at: datetime
    weeks: tuple[Week, ...]
    single_removals: int
    bulk_removals: int
    gone: int  # members of saved analyses that went, by whatever road
    keepers_gone: int  # of those, tracks the analysis would have kept
    last_analysis_at: datetime | None
    last_cleanup_at: datetime | None
    outcomes: Outcomes  # of the analyses

    @cached_property
    def by_action(self) -> dict[str, Tally]:
        """What each verb amounts to in the whole period."""
        names = sorted({name for week in self.weeks for name in week.by_action})
        return {name: total_of(week.by_action.get(name, Tally()) for week in self.weeks) for name in names}

    @cached_property
    def cleanup(self) -> Tally:
        return total(self.by_action, CLEANUP)

    @cached_property
    def analyses(self) -> Tally:
        return self.by_action.get(ANALYSES, Tally())

    @property
    def actions_per_week(self) -> float:
        return self.cleanup.actions * 7 / self.days

    @cached_property
    def most_active_week(self) -> Week | None:
        busy = [week for week in self.weeks if week.cleanup.actions]
        return max(busy, key=lambda week: week.cleanup.actions, default=None)

    @cached_property
    def least_active_week(self) -> Week | None:
        busy = [week for week in self.weeks if week.cleanup.actions]
        return min(busy, key=lambda week: week.cleanup.actions, default=None)

    @cached_property
    def activity_trend(self) -> str:
        """increasing, decreasing or steady: the newer half of the weeks beside the older half, within a fifth."""
        counts = [week.cleanup.actions for week in self.weeks]
        half = len(counts) // 2
        older, newer = sum(counts[:half]), sum(counts[-half:]) if half else 0
        if newer > older * (1 + STEADY):
            return "increasing"
        return "decreasing" if newer < older * (1 - STEADY) else "steady"


def get_cleanup_history(*, now: datetime, days: int = 30) -> CleanupHistory:
    """Add up the last `days` days. Raises InvalidOptions for a period out of range."""
    if not 1 <= days <= LONGEST:
        raise InvalidOptions(
            _("A history covers 1 to %(longest)s days, not %(days)s.") % {"longest": number(LONGEST), "days": days}
        )
    begins_at = now - timedelta(days=days)
    return CleanupHistory(
        days=days,
        begins_at=begins_at,
        ends_at=now,
        weeks=get_weeks(now=now, days=days),
        last_analysis_at=_newest([ANALYSES], now),
        last_cleanup_at=_newest(CLEANUP, now),
        outcomes=get_outcomes(begins_at, now),
        **_removals(begins_at, now),
        **_gone(begins_at, now),
    )


def get_weeks(*, now: datetime, days: int) -> tuple[Week, ...]:
    """Return the weeks of the last `days` days, the oldest first, with two queries a hundred weeks."""
    begins_at = now - timedelta(days=days)
    counted = count_periods(begins_at, now, days=7)
    return tuple(
        Week(max(now - timedelta(weeks=number + 1), begins_at), now - timedelta(weeks=number), counted.get(number, {}))
        for number in reversed(range(-(-days // 7)))
    )


def total(by_action: dict[str, Tally], names: Iterable[str]) -> Tally:
    """Add up some verbs."""
    return total_of(by_action[name] for name in names if name in by_action)


def total_of(tallies: Iterable[Tally]) -> Tally:
    """Add up tallies."""
    whole = Tally()
    for tally in tallies:
        whole += tally
    return whole


_KINDS = """
    WITH RECURSIVE kinds(name) AS (
        SELECT MIN(action) FROM duplicates_auditrecord
        UNION ALL
        SELECT (SELECT MIN(action) FROM duplicates_auditrecord WHERE action > name) FROM kinds WHERE name IS NOT NULL
    )
    SELECT name FROM kinds WHERE name IS NOT NULL"""
_PERIOD = """
    SELECT {number} AS period, action, COUNT(*),
           SUM(CASE WHEN was_successful THEN 0 ELSE 1 END),
           SUM(CASE WHEN was_successful THEN group_count ELSE 0 END),
           SUM(CASE WHEN was_successful THEN track_count ELSE 0 END),
           SUM(CASE WHEN was_successful THEN play_count ELSE 0 END),
           COALESCE(SUM(duration_seconds), 0), COUNT(duration_seconds),
           SUM(CASE WHEN was_successful AND duration_seconds IS NOT NULL THEN track_count ELSE 0 END)
    FROM duplicates_auditrecord
    WHERE action IN ({kinds}) AND created_at > %s AND created_at <= %s GROUP BY action"""
PERIODS_A_QUERY = 100  # SQLite joins no more than 500 queries into one


def count_periods(begins_at: datetime, now: datetime, *, days: int) -> dict[int, dict[str, Tally]]:
    """Count the records by so many days, 0 being the newest, and by action: from after its begin to its end.

    Naming the kinds lets a database walk the index: within one kind a period is a stretch of it, already in order.
    """
    adapt, length = connection.ops.adapt_datetimefield_value, timedelta(days=days)
    periods = range(-((begins_at - now) // length))
    found: dict[int, dict[str, Tally]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_KINDS)
        kinds = [name for (name,) in cursor.fetchall()] or [""]  # an empty trail costs the same queries
        for part in batched(periods, PERIODS_A_QUERY):
            marks = ", ".join(["%s"] * len(kinds))
            query = " UNION ALL ".join(_PERIOD.format(number=number, kinds=marks) for number in part)
            bounds = [(max(now - length * (number + 1), begins_at), now - length * number) for number in part]
            cursor.execute(query, [value for bound in bounds for value in (*kinds, *map(adapt, bound))])
            for period, action, *numbers in cursor.fetchall():
                found.setdefault(period, {})[action] = Tally(*map(_plain, numbers))
    return found


def _plain(number: Any) -> Any:
    """Return a sum as a whole number or a float; PostgreSQL adds large ones up as decimals."""
    return number if isinstance(number, int | float) else int(number)


def _newest(actions: Iterable[str], now: datetime) -> datetime | None:
    """Return when one of these verbs was last done; one short look at the index for each."""
    done = AuditRecord.objects.filter(created_at__lte=now).order_by("-created_at")
    found = [done.filter(action=name).values_list("created_at", flat=True).first() for name in actions]
    return max((at for at in found if at is not None), default=None)


def _removals(begins_at: datetime, now: datetime) -> dict[str, int]:
    """Count the removals that were done one by one, and those that were part of something larger."""
    done = CleanupAction.objects.filter(created_at__gt=begins_at, created_at__lte=now)
    return done.aggregate(
        single_removals=Count("pk", filter=Q(batch_id=F("action_id"))),
        bulk_removals=Count("pk", filter=~Q(batch_id=F("action_id"))),
    )


def _gone(begins_at: datetime, now: datetime) -> dict[str, int]:
    """Count the members of saved analyses that went, and how many of them were to be kept."""
    went = DuplicateAnalysisTrack.objects.filter(still_exists=False, deleted_at__gt=begins_at, deleted_at__lte=now)
    return went.aggregate(gone=Count("pk"), keepers_gone=Count("pk", filter=Q(is_canonical=True)))
