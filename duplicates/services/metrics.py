"""How Reprise is doing, computed from the database at the moment of asking, so that every process answers alike.

`/metrics`, the Monitoring page and the API read the same figures here. A constant number of queries; each reads a range
of an index, the analyses that are kept, or the few rows that are under way. Runs that clean-up has removed still count
in how many ended and how; how long they took is known only of those that are kept.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min, Q, Sum
from django_tasks_db.models import DBTaskResult

from duplicates.choices import ACTIVE, PLAN_AT_WORK, AnalysisStatus, ExportStatus, Phase
from duplicates.exceptions import DuplicatesError
from duplicates.models import AuditRecord, CleanupPlan, DuplicateAnalysisExport, DuplicateAnalysisResult, Worker
from duplicates.services.history import CLEANUP, REMOVALS, Tally, count_periods, total
from duplicates.services.measured_precision import BandPrecision, measure_precision
from duplicates.services.precision import MeasuredPrecision, measured_precision
from duplicates.services.readiness import free_bytes
from duplicates.services.storage import Storage, get_storage
from duplicates.services.storage_limits import limit_bytes
from duplicates.services.workers import SILENCE

WINDOWS = (1, 7, 30)  # days that scrapes tell
PERIODS = (7, 30, 90)  # days that the page offers
RUNS_READ = 5_000
# A library of up to so many tracks falls into the class; above the last there is one more.
SIZE_CLASSES = ((10_000, "up to 10,000"), (100_000, "up to 100,000"), (500_000, "up to 500,000"))
LARGEST_CLASS = "above 500,000"
ENDS = {status: f"analysis.{status}" for status in ("completed", "failed", "cancelled")}
OTHER_CODE = "OTHER"


@dataclass(frozen=True, slots=True)
class Run:
    """One analysis that is kept and over."""

    status: str
    ended_at: datetime
    tracks: int
    seconds: float | None
    phase_seconds: Mapping[str, float]
    peak_memory_bytes: int | None
    error_code: str
    phase: str

    @property
    def size_class(self) -> str:
        return size_class(self.tracks)


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """How completed runs over libraries of one size went."""

    size_class: str
    runs: int
    median_seconds: float
    longest_seconds: float
    tracks_per_second: float
    peak_memory_bytes: int
    phase_seconds: Mapping[str, float]  # the median of each phase


@dataclass(frozen=True, slots=True)
class Activity:
    """What was done in a stretch of time."""

    completed: int
    failed: int
    cancelled: int
    groups_decided: int
    tracks_removed: int
    exports_requested: int
    exports_failed: int
    downloads: int

    @property
    def completion_ratio(self) -> float | None:
        """Completed of those that came to an end by themselves; cancelling is no failure."""
        ended = self.completed + self.failed
        return self.completed / ended if ended else None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits and what is under way."""

    queued: int
    running: int
    oldest_queued_seconds: float
    exports_waiting: int
    plans_at_work: int
    tasks_waiting: int


@dataclass(frozen=True, slots=True)
class Workers:
    """Who is there to do the work."""

    alive: int
    heartbeat_age_seconds: float | None


@dataclass(frozen=True, slots=True)
class Reviewer:
    """How much one person decided; the system and commands have no name."""

    name: str
    actions: int
    groups: int
    tracks: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything, as it is now; `days` is how far back runs and days go."""

    at: datetime
    days: int
    by_day: tuple[Activity, ...]  # the oldest first; days of 24 hours that end now
    runs: tuple[Run, ...]
    by_size: tuple[SizeFigures, ...]
    failures: Mapping[str, int]  # by code
    queue: Queue
    workers: Workers
    exports: Mapping[str, int]  # by status
    storage: Storage
    storage_limit_bytes: int
    free_bytes: int
    precision: tuple[BandPrecision, ...]
    false_matches: MeasuredPrecision  # of samples judged blind
    reviewers: tuple[Reviewer, ...]

    def activity(self, days: int | None = None) -> Activity:
        """Add up the last so many days, or all."""
        return _added(self.by_day[-(days or self.days) :])

    def failures_within(self, days: int) -> dict[str, int]:
        """Count the failures of kept runs by code."""
        since = self.at - timedelta(days=days)
        return dict(Counter(_known(run.error_code) for run in self.runs if _failed(run) and run.ended_at > since))


def get_metrics(*, now: datetime, days: int = 30) -> Metrics:
    """Compute everything, going back so many days."""
    begins_at = now - timedelta(days=days)
    runs = tuple(_runs(begins_at, now))
    exports = dict(DuplicateAnalysisExport.objects.values_list("status").annotate(Count("pk")))
    return Metrics(
        at=now,
        days=days,
        by_day=_by_day(begins_at, now, days),
        runs=runs,
        by_size=tuple(_by_size(runs)),
        failures=dict(Counter(_known(run.error_code) for run in runs if _failed(run))),
        queue=_queue(now, exports),
        workers=_workers(now),
        exports={str(status): exports.get(status, 0) for status in ExportStatus.values},
        storage=get_storage(),
        storage_limit_bytes=limit_bytes(),
        free_bytes=free_bytes(),
        precision=measure_precision(),
        false_matches=measured_precision(now=now),
        reviewers=tuple(_reviewers(begins_at, now)),
    )


def size_class(tracks: int) -> str:
    """Return the class a library of so many tracks falls into."""
    return next((name for most, name in SIZE_CLASSES if tracks <= most), LARGEST_CLASS)


def size_classes() -> list[str]:
    """Return all classes, the smallest first."""
    return [*(name for _, name in SIZE_CLASSES), LARGEST_CLASS]


def known_codes() -> set[str]:
    """Return the codes that errors of ours have; a code can be nothing else, or it is OTHER."""
    found, waiting = set(), [DuplicatesError]
    while waiting:
        kind = waiting.pop()
        found.add(kind.code)
        waiting += kind.__subclasses__()
    return found | {"DATABASE_ERROR", "INTERNAL_ERROR", "SET_BY_HAND", OTHER_CODE}


def _known(code: str) -> str:
    return code if code in known_codes() else OTHER_CODE


def _failed(run: Run) -> bool:
    return run.status == AnalysisStatus.FAILED


def _runs(begins_at: datetime, now: datetime) -> Iterable[Run]:
    over = DuplicateAnalysisResult.objects.exclude(status__in=ACTIVE).filter(
        completed_at__gt=begins_at, completed_at__lte=now
    )
    rows = over.order_by("-completed_at").values_list(
        "status",
        "completed_at",
        "library_track_count",
        "tracks_analyzed",
        "processing_seconds",
        "phase_seconds",
        "peak_memory_bytes",
        "error_code",
        "phase",
    )
    for status, at, library, analyzed, seconds, phases, peak, code, phase in rows[:RUNS_READ]:
        assert at is not None  # the filter's promise
        yield Run(status, at, analyzed or library or 0, seconds, phases or {}, peak, code, phase)


def _by_size(runs: Iterable[Run]) -> Iterable[SizeFigures]:
    """Yield the figures of the classes that have completed runs; what took no time cannot be timed."""
    timed = [run for run in runs if run.status == AnalysisStatus.COMPLETED and run.seconds and run.tracks]
    for name in size_classes():
        chosen = [run for run in timed if run.size_class == name]
        if not chosen:
            continue
        seconds = [run.seconds or 0.0 for run in chosen]
        phases = {
            str(phase): statistics.median(run.phase_seconds.get(phase, 0.0) for run in chosen) for phase in Phase.values
        }
        yield SizeFigures(
            size_class=name,
            runs=len(chosen),
            median_seconds=statistics.median(seconds),
            longest_seconds=max(seconds),
            tracks_per_second=statistics.median(run.tracks / (run.seconds or 1.0) for run in chosen),
            peak_memory_bytes=max(run.peak_memory_bytes or 0 for run in chosen),
            phase_seconds=phases,
        )


def _by_day(begins_at: datetime, now: datetime, days: int) -> tuple[Activity, ...]:
    counted = count_periods(begins_at, now, days=1)
    return tuple(_activity(counted.get(number, {})) for number in reversed(range(days)))


def _activity(by_action: dict[str, Tally]) -> Activity:
    def count(name: str) -> int:
        return by_action.get(name, Tally()).actions

    def done(name: str) -> int:
        tally = by_action.get(name, Tally())
        return tally.actions - tally.failed

    return Activity(
        completed=count(ENDS["completed"]),
        failed=count(ENDS["failed"]),
        cancelled=count(ENDS["cancelled"]),
        groups_decided=total(by_action, CLEANUP).groups,
        tracks_removed=by_action.get(REMOVALS, Tally()).tracks,
        exports_requested=done("export.requested") + done("export.unsaved"),
        exports_failed=count("export.failed"),
        downloads=done("export.downloaded"),
    )


def _added(days: Iterable[Activity]) -> Activity:
    days = list(days)
    return Activity(*(sum(getattr(day, name) for day in days) for name in Activity.__slots__))


def _queue(now: datetime, exports: Mapping[str, int]) -> Queue:
    active = DuplicateAnalysisResult.objects.active().aggregate(
        queued=Count("pk", filter=Q(status=AnalysisStatus.QUEUED)),
        running=Count("pk", filter=Q(status=AnalysisStatus.RUNNING)),
        oldest=Min("created_at", filter=Q(status=AnalysisStatus.QUEUED)),
    )
    waited = (now - active["oldest"]).total_seconds() if active["oldest"] else 0.0
    return Queue(
        queued=active["queued"],
        running=active["running"],
        oldest_queued_seconds=max(waited, 0.0),
        exports_waiting=exports.get(ExportStatus.PENDING, 0) + exports.get(ExportStatus.RUNNING, 0),
        plans_at_work=CleanupPlan.objects.filter(state__in=PLAN_AT_WORK).count(),
        tasks_waiting=DBTaskResult.objects.ready().count(),
    )


def _workers(now: datetime) -> Workers:
    """Count those seen lately; one seen in the future was seen before the clock was set back."""
    is_alive = Q(seen_at__gt=now - SILENCE, seen_at__lt=now + SILENCE)
    found = Worker.objects.aggregate(alive=Count("pk", filter=is_alive), newest=Max("seen_at"))
    age = abs((now - found["newest"]).total_seconds()) if found["newest"] else None
    return Workers(found["alive"], age)


def _reviewers(begins_at: datetime, now: datetime) -> Iterable[Reviewer]:
    """Yield who decided how much, the busiest first."""
    done = AuditRecord.objects.filter(
        action__in=CLEANUP, was_successful=True, created_at__gt=begins_at, created_at__lte=now
    )
    by_person = done.values("user_name").annotate(
        actions=Count("pk"), groups=Sum("group_count"), tracks=Sum("track_count"), last_at=Max("created_at")
    )
    for row in by_person.order_by("-groups", "user_name"):
        yield Reviewer(row["user_name"], row["actions"], row["groups"], row["tracks"], row["last_at"])
