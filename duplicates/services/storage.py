"""What is stored: rows and bytes by kind, by analysis and by person.

By kind, PostgreSQL knows the size of each table and about how many rows it has. SQLite knows only its file: its tables
share it by their rows and what a row of each kind typically takes, so there bytes by kind are an estimate whose sum is
right.

What one analysis holds, and so every limit, goes by its own rows and what a row typically takes: a table keeps its size
when rows are deleted, and its counts are old after a large insert. Files are counted on this machine.

A glance, for the first page, reads no table to its end: on SQLite a long one has then "more than" so many rows, and
bytes only as a whole.
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
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy

from duplicates.choices import ExportStatus
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult, StorageSample

MB = 1_000_000
COUNTED_UP_TO = 10_000  # at a glance
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
    "samples": (
        gettext_lazy("Measured precision"),
        ("duplicates.PrecisionSample", "duplicates.SampledGroup", "duplicates.AutomaticRun"),
        500,
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
REST = "rest"  # accounts, tokens, settings, sessions, the queue, and what else there is
REST_BYTES = 400
KINDS = {
    **{kind: label for kind, (label, _tables, _bytes) in TABLES.items()},
    REST: gettext_lazy("All else"),
    **FOLDERS,
}


@dataclass(frozen=True, slots=True)
class Stored:
    """How much there is of something: rows (files, where it is files) and bytes."""

    rows: int = 0
    size_bytes: int = 0
    is_at_least: bool = False  # the rows were counted no further

    def __add__(self, other: "Stored") -> "Stored":
        is_at_least = self.is_at_least or other.is_at_least
        return Stored(self.rows + other.rows, self.size_bytes + other.size_bytes, is_at_least)


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
class Storage:
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


def get_storage() -> Storage:
    """Look at everything: a constant number of queries and the work folder, whatever the number of analyses."""
    by_kind = _tables()
    files = {kind: _files(kind) for kind in FOLDERS}
    by_kind |= {kind: sum(parts.values(), Stored()) for kind, parts in files.items()}
    analyses = tuple(_by_analysis(files))
    return Storage(by_kind, analyses, is_estimate=connection.vendor == "sqlite")


@dataclass(frozen=True, slots=True)
class Glance:
    """What is stored by kind, as far as it can be told at once; on SQLite bytes of rows only as a whole."""

    by_kind: Mapping[str, Stored]
    database_bytes: int
    is_estimate: bool  # rows, on PostgreSQL


def glance_at_storage(*, tracks: int | None) -> Glance:
    """Look at everything without reading a table to its end. `tracks` is how many there are, where the caller knows."""
    is_postgresql = connection.vendor == "postgresql"
    counted = _of_postgresql() if is_postgresql else _of_sqlite(COUNTED_UP_TO) | _known(tracks)
    by_kind = _by_kind(counted) | {kind: sum(_files(kind).values(), Stored()) for kind in FOLDERS}
    return Glance(by_kind, _database_bytes(), is_estimate=is_postgresql)


def rows_bytes(*, groups: int, duplicates: int) -> int:
    """Return what the groups and members of an analysis typically take."""
    of = ROW_BYTES[connection.vendor]
    return groups * of["groups"] + (groups + duplicates) * of["members"]


def keep_sample(*, now: datetime) -> bool:
    """Keep what is stored today unless somebody has; forget the oldest. True when one was kept."""
    if StorageSample.objects.filter(pk=now.date()).exists():
        return False
    overview = get_storage()
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
    if connection.vendor == "postgresql":
        return _by_kind(_of_postgresql())
    return _shared_out(_by_kind(_of_sqlite()))


def _table(label: str) -> str:
    return str(apps.get_model(label)._meta.db_table)


def _names() -> dict[str, list[str]]:
    """Return the tables of each kind; every table there is belongs to one."""
    names = {kind: [_table(label) for label in labels] for kind, (_, labels, _) in TABLES.items()}
    taken = {name for tables in names.values() for name in tables}
    models = apps.get_models(include_auto_created=True)
    rest = sorted({model._meta.db_table for model in models if model._meta.managed} - taken)
    return {**names, REST: rest}


def _by_kind(counted: Mapping[str, Stored]) -> dict[str, Stored]:
    """Add tables up by their kind."""
    return {kind: sum((counted.get(name, Stored()) for name in tables), Stored()) for kind, tables in _names().items()}


def _of_postgresql() -> dict[str, Stored]:
    """Ask for sizes, which are exact, and rows as the last ANALYZE counted them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, GREATEST(reltuples, 0)::bigint, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relname = ANY(%s) AND pg_table_is_visible(oid)",
            [[name for tables in _names().values() for name in tables]],
        )
        return {name: Stored(int(rows), int(size)) for name, rows, size in cursor.fetchall()}


def _of_sqlite(most: int | None = None) -> dict[str, Stored]:
    """Count the rows of each table, up to `most` where it is given."""
    part = f"(SELECT 1 FROM %s LIMIT {most + 1})" if most else "%s"
    tables = [name for tables in _names().values() for name in tables]
    counts = " UNION ALL ".join(f"SELECT '{name}', COUNT(*) FROM {part % name}" for name in tables)
    with connection.cursor() as cursor:
        cursor.execute(counts)
        found = cursor.fetchall()
    return {name: Stored(min(rows, most or rows), 0, bool(most) and rows > most) for name, rows in found}


def _known(tracks: int | None) -> dict[str, Stored]:
    """Return the rows of large tables that are kept count of elsewhere."""
    groups = F("groups_found")
    members = Sum(groups + F("duplicates_found"), default=0)
    found = DuplicateAnalysisResult.objects.aggregate(groups=Sum(groups, default=0), members=members)
    known = {
        "duplicates.DuplicateAnalysisGroup": found["groups"],
        "duplicates.DuplicateAnalysisTrack": found["members"],
    }
    known |= {} if tracks is None else {"library.Track": tracks}
    return {_table(label): Stored(rows) for label, rows in known.items()}


def _database_bytes() -> int:
    query = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    if connection.vendor == "postgresql":
        query = "SELECT pg_database_size(current_database())"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.fetchone()[0])


def _shared_out(by_kind: dict[str, Stored]) -> dict[str, Stored]:
    """Share the file out among the kinds of rows in it."""
    with connection.cursor() as cursor:
        pages, free, page_size = (
            cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    used = int((pages - free) * page_size)
    row_bytes = {**{kind: size for kind, (_, _, size) in TABLES.items()}, REST: REST_BYTES}
    typical = {kind: stored.rows * row_bytes[kind] for kind, stored in by_kind.items()}
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
    there = DuplicateAnalysisExport.objects.filter(size_bytes__gt=0).exclude(status=ExportStatus.EXPIRED)
    exported = dict(there.values_list("analysis_id").annotate(Sum("size_bytes")))
    rows = DuplicateAnalysisResult.objects.order_by("-created_at", "pk").values_list(
        "pk", "user_id", "user__username", "status", "is_pinned", "created_at", "groups_found", "duplicates_found"
    )
    for pk, user_id, name, status, is_pinned, created_at, groups, duplicates in rows:
        members = groups + duplicates
        lying = sum((files[kind].get(str(pk), Stored()) for kind in ("checkpoints", "indexes")), Stored())
        held = rows_bytes(groups=groups, duplicates=duplicates) + exported.get(pk, 0)
        stored = Stored(groups + members, held + lying.size_bytes)
        yield AnalysisStorage(pk, user_id, name or "", status, is_pinned, created_at, stored)
