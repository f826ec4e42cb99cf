"""What is stored: rows and bytes by kind, by analysis and by person, and the limits that hold for results.

By kind, PostgreSQL knows the size of each table and about how many rows it has. SQLite knows only its file: its tables
share it by their rows and what a row of each kind typically takes, so there bytes by kind are an estimate whose sum is
right.

What one analysis holds, and so every limit, goes by its own rows and what a row typically takes: a table keeps its size
when rows are deleted, and its counts are old after a large insert. Files are counted on this machine. `storage` tells
the first page less, and faster.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.choices import ACTIVE, ExportStatus
from duplicates.exceptions import StorageFull
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult, StorageSample
from duplicates.site_settings import site
from library.numbers import number

MB = 1_000_000
SAMPLES_KEPT = timedelta(days=400)
# Kind → what it is called, its tables, and the bytes a row typically takes on SQLite, indexes included.
TABLES = {
    "library": (
        gettext_lazy("Library"),
        ("library.Track", "library.Playlist", "library.PlaylistEntry", "library.ITunesTrack", "library.LibraryImport"),
        650,
    ),
    "changes": (gettext_lazy("Changes of the library"), ("library.LibraryChange",), 190),
    "analyses": (gettext_lazy("Analyses"), ("duplicates.DuplicateAnalysisResult",), 9_000),
    "groups": (gettext_lazy("Groups"), ("duplicates.DuplicateAnalysisGroup",), 560),
    "members": (gettext_lazy("Group members"), ("duplicates.DuplicateAnalysisTrack",), 400),
    "decisions": (gettext_lazy("Not-duplicate decisions"), ("duplicates.NotDuplicate",), 900),
    "cleanup": (
        gettext_lazy("Clean-up and its ledger"),
        ("duplicates.CleanupAction", "duplicates.LedgerEntry", "duplicates.CleanupPlan", "duplicates.CleanupPlanItem"),
        300,
    ),
    "audit": (gettext_lazy("Audit trail"), ("duplicates.AuditRecord",), 420),
}
# What a row of an analysis typically takes, indexes included; seen in tables of many thousand rows.
ROW_BYTES = {"sqlite": {"groups": 560, "members": 400}, "postgresql": {"groups": 660, "members": 435}}
FOLDERS = {
    "exports": gettext_lazy("Export files"),
    "checkpoints": gettext_lazy("Checkpoints"),
    "indexes": gettext_lazy("Tables for quick refreshes"),
    "imports": gettext_lazy("Imports under way"),
    "uploads": gettext_lazy("Files sent here"),
}
KINDS = {**{kind: label for kind, (label, _tables, _bytes) in TABLES.items()}, **FOLDERS}


@dataclass(frozen=True, slots=True)
class Stored:
    """How much there is of something: rows (files, where it is files) and bytes."""

    rows: int = 0
    size_bytes: int = 0

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(self.rows + other.rows, self.size_bytes + other.size_bytes)


@dataclass(frozen=True, slots=True)
class AnalysisStorage:
    """What one analysis holds: groups and members, exports, checkpoints and tables for refreshes."""

    analysis_id: uuid.UUID
    user_id: int | None
    user_name: str  # blank is the system
    status: str
    is_pinned: bool
    created_at: datetime
    stored: Stored


@dataclass(frozen=True, slots=True)
class StorageUse:
    """Everything that is stored, by kind, and what of it analyses hold, the newest first."""

    by_kind: Mapping[str, Stored]
    analyses: tuple[AnalysisStorage, ...]
    is_estimate: bool  # bytes by kind, on SQLite

    @property
    def total(self) -> Stored:
        return sum(self.by_kind.values(), Stored())

    @property
    def results(self) -> Stored:
        """What analyses hold together: what limits are about, because clean-up can free it."""
        return sum((one.stored for one in self.analyses), Stored())

    @property
    def by_user(self) -> dict[tuple[int | None, str], Stored]:
        found: dict[tuple[int | None, str], Stored] = defaultdict(Stored)
        for one in self.analyses:
            found[one.user_id, one.user_name] += one.stored
        return dict(found)


def get_storage_use() -> StorageUse:
    """Look at everything: three queries (on SQLite a few more) and the work folder, whatever the number of analyses."""
    by_kind = _tables()
    files = {kind: _files(kind) for kind in FOLDERS}
    by_kind |= {kind: sum(parts.values(), Stored()) for kind, parts in files.items()}
    analyses = tuple(_by_analysis(files))
    return StorageUse(by_kind, analyses, is_estimate=connection.vendor == "sqlite")


def limit_bytes() -> int:
    """Return what all results together may hold; 0 is no limit."""
    return int(site.STORAGE_LIMIT_MB) * MB


def limit_per_user_bytes() -> int:
    """Return what the results of one person may hold; 0 is no limit."""
    return int(site.STORAGE_PER_USER_MB) * MB


def storage_warnings(overview: StorageUse, *, free_bytes: int) -> list[str]:
    """Return what is to be said before, and after, a limit is reached or the disk is full."""
    warn_at = site.STORAGE_WARN_PERCENT / 100
    said = []
    if free_bytes < settings.LEAST_FREE_MB * MB:
        said.append(
            _("Only %(free)s MB are free where working files go; %(least)s MB are needed.")
            % {"free": f"{free_bytes // MB:,}", "least": f"{settings.LEAST_FREE_MB:,}"}
        )
    if (limit := limit_bytes()) and overview.results.size_bytes >= warn_at * limit:
        said.append(
            _("Results hold %(used)s of the %(limit)s MB they may. Older ones go at the next clean-up.")
            % {"used": f"{overview.results.size_bytes / MB:,.0f}", "limit": f"{limit / MB:,.0f}"}
        )
    if limit := limit_per_user_bytes():
        for (_user_id, name), stored in overview.by_user.items():
            if stored.size_bytes >= warn_at * limit:
                said.append(
                    _("The results of %(who)s hold %(used)s of the %(limit)s MB one person's may.")
                    % {
                        "who": name or _("the system"),
                        "used": f"{stored.size_bytes / MB:,.0f}",
                        "limit": f"{limit / MB:,.0f}",
                    }
                )
    return said


def require_room(user_id: int | None) -> None:
    """Raise StorageFull when results, or this person's, hold as much as they may. Asks nothing without a limit."""
    limit, per_user = limit_bytes(), limit_per_user_bytes()
    if not limit and not per_user:
        return
    overview = get_storage_use()
    own = sum((one.stored for one in overview.analyses if one.user_id == user_id), Stored())
    if limit and overview.results.size_bytes >= limit:
        raise StorageFull(_("Results hold the %(limit)s MB they may.") % {"limit": number(limit // MB)})
    if per_user and own.size_bytes >= per_user:
        raise StorageFull(
            _("Your results hold the %(per_user)s MB one person's may.") % {"per_user": number(per_user // MB)}
        )


def over_limit(
    overview: StorageUse,
    *,
    gone: Iterable[uuid.UUID],
    kept: Iterable[uuid.UUID],
    max_bytes: int = 0,
    max_per_user: int = 0,
    users: Iterable[int | None] | None = None,
) -> list[uuid.UUID]:
    """Return the oldest analyses that must go, beside those that go anyway, so that the rest holds no more than it may.

    Never one that is kept, pinned, queued or running. 0 is no limit.
    """
    away, staying, chosen = set(gone), set(kept), None if users is None else set(users)
    rest = [one for one in overview.analyses if one.analysis_id not in away]
    rest = [one for one in rest if chosen is None or one.user_id in chosen]
    going: list[uuid.UUID] = []

    def shrink(analyses: list[AnalysisStorage], limit: int) -> None:
        held = sum(one.stored.size_bytes for one in analyses if one.analysis_id not in going)
        for one in sorted(analyses, key=lambda one: one.created_at):
            if held <= limit:
                return
            is_free = not (one.is_pinned or one.status in ACTIVE or one.analysis_id in staying)
            if is_free and one.analysis_id not in going:
                going.append(one.analysis_id)
                held -= one.stored.size_bytes

    if max_per_user:
        for user_id in {one.user_id for one in rest}:
            shrink([one for one in rest if one.user_id == user_id], max_per_user)
    if max_bytes:
        shrink(rest, max_bytes)
    return going


def keep_sample(*, now: datetime) -> bool:
    """Keep what is stored today unless somebody has; forget the oldest. True when one was kept."""
    if StorageSample.objects.filter(pk=now.date()).exists():
        return False
    overview = get_storage_use()
    _row, is_new = StorageSample.objects.get_or_create(
        day=now.date(),
        defaults={
            "rows": {kind: stored.rows for kind, stored in overview.by_kind.items()},
            "size_bytes": {kind: stored.size_bytes for kind, stored in overview.by_kind.items()},
            "total_bytes": overview.total.size_bytes,
        },
    )
    StorageSample.objects.filter(day__lt=(now - SAMPLES_KEPT).date()).delete()
    return is_new


def _tables() -> dict[str, Stored]:
    """Return rows and bytes of each kind of row."""
    names = {
        kind: [apps.get_model(label)._meta.db_table for label in labels] for kind, (_, labels, _) in TABLES.items()
    }
    every = [name for tables in names.values() for name in tables]
    counted = _of_postgresql(every) if connection.vendor == "postgresql" else _of_sqlite(every)
    by_kind = {kind: sum((counted[name] for name in tables), Stored()) for kind, tables in names.items()}
    return by_kind if connection.vendor == "postgresql" else _shared_out(by_kind)


def _of_postgresql(tables: list[str]) -> dict[str, Stored]:
    """Ask for sizes, which are exact, and rows as the last ANALYZE counted them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, GREATEST(reltuples, 0)::bigint, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relname = ANY(%s) AND pg_table_is_visible(oid)",
            [tables],
        )
        return {name: Stored(int(rows), int(size)) for name, rows, size in cursor.fetchall()}


def _of_sqlite(tables: list[str]) -> dict[str, Stored]:
    counts = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {name}" for name in tables)  # noqa: S608 (our own)
    with connection.cursor() as cursor:
        cursor.execute(counts)
        return {name: Stored(int(rows)) for name, rows in cursor.fetchall()}


def _shared_out(by_kind: dict[str, Stored]) -> dict[str, Stored]:
    """Share the file out among the kinds of rows in it."""
    with connection.cursor() as cursor:
        pages, free, page_size = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    used = int((pages - free) * page_size)
    typical = {kind: stored.rows * TABLES[kind][2] for kind, stored in by_kind.items()}
    whole = sum(typical.values()) or 1
    return {kind: Stored(stored.rows, used * typical[kind] // whole) for kind, stored in by_kind.items()}


def _files(folder: str) -> dict[str, Stored]:
    """Return what lies in a folder of the work folder: first part of the path → how many files and bytes."""
    found: dict[str, Stored] = defaultdict(Stored)
    root = Path(settings.WORK_DIR) / folder
    for path in root.rglob("*"):
        try:
            if path.is_file():
                found[path.relative_to(root).parts[0]] += Stored(1, path.stat().st_size)
        except FileNotFoundError:  # another process removed it
            continue
    return dict(found)


def _by_analysis(files: Mapping[str, Mapping[str, Stored]]) -> Iterable[AnalysisStorage]:
    row_bytes = ROW_BYTES[connection.vendor]
    there = DuplicateAnalysisExport.objects.filter(size_bytes__gt=0).exclude(status=ExportStatus.EXPIRED)
    exported = dict(there.values_list("analysis_id").annotate(Sum("size_bytes")))
    rows = DuplicateAnalysisResult.objects.order_by("-created_at", "pk").values_list(
        "pk", "user_id", "user__username", "status", "is_pinned", "created_at", "groups_found", "duplicates_found"
    )
    for pk, user_id, name, status, is_pinned, created_at, groups, duplicates in rows:
        members = groups + duplicates
        lying = sum((files[kind].get(str(pk), Stored()) for kind in ("checkpoints", "indexes")), Stored())
        held = groups * row_bytes["groups"] + members * row_bytes["members"] + exported.get(pk, 0)
        stored = Stored(groups + members, held + lying.size_bytes)
        yield AnalysisStorage(pk, user_id, name or "", status, is_pinned, created_at, stored)
