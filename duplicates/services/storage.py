"""What Reprise keeps and how much room it takes, by kind, without reading a table to its end.

PostgreSQL keeps an estimate of the rows of every table and knows its size. SQLite knows only the size of the whole
file, so there the rows of large kinds are figures kept elsewhere, or counted no further than `COUNTED_UP_TO`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from duplicates.choices import ExportStatus
from duplicates.models import (
    AuditRecord,
    DuplicateAnalysisExport,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
)
from library.models import LibraryChange, PlaylistEntry, Track

COUNTED_UP_TO = 10_000


class StoredKind(models.TextChoices):
    """What is kept, in the order people ask for it."""

    TRACKS = "tracks", _("Tracks")
    PLACES = "places", _("Playlist places")
    RESULTS = "results", _("Results of analyses")
    CHANGES = "changes", _("Changes of the library")
    AUDIT = "audit", _("Audit trail")
    EXPORTS = "exports", _("Export files")
    WORK = "work", _("Work kept for refreshes")


TABLES: dict[StoredKind, tuple[type[models.Model], ...]] = {
    StoredKind.TRACKS: (Track,),
    StoredKind.PLACES: (PlaylistEntry,),
    StoredKind.RESULTS: (DuplicateAnalysisGroup, DuplicateAnalysisTrack),
    StoredKind.CHANGES: (LibraryChange,),
    StoredKind.AUDIT: (AuditRecord,),
}


@dataclass(frozen=True, slots=True)
class Stored:
    """One kind of what is kept; rows or bytes are None where nobody keeps count of them."""

    kind: StoredKind
    rows: int | None
    size_bytes: int | None
    is_estimate: bool = False
    is_at_least: bool = False


@dataclass(frozen=True, slots=True)
class Storage:
    """Everything that is kept."""

    kinds: tuple[Stored, ...]
    database_bytes: int


def get_storage(*, tracks: int | None) -> Storage:
    """Return what is kept. `tracks` is how many there are, where the caller knows; at most ten queries."""
    if connection.vendor == "postgresql":
        kinds, database_bytes = _of_postgresql()
    else:
        kinds, database_bytes = _of_sqlite(tracks)
    return Storage((*kinds, _exports(), _work()), database_bytes)


def _of_postgresql() -> tuple[list[Stored], int]:
    """Read the catalogue: rows as the last ANALYZE estimated them, sizes with their indexes."""
    names = [model._meta.db_table for models_ in TABLES.values() for model in models_]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples::bigint, pg_total_relation_size(oid), pg_database_size(current_database()) "
            "FROM pg_class WHERE oid = ANY(%s::regclass[])",
            [names],
        )
        found = {name: (rows, size, whole) for name, rows, size, whole in cursor.fetchall()}
    kinds = []
    for kind, models_ in TABLES.items():
        rows = [found[model._meta.db_table][0] for model in models_]
        size = sum(found[model._meta.db_table][1] for model in models_)
        # -1 says that the table was never analysed.
        kinds.append(Stored(kind, None if min(rows) < 0 else sum(rows), size, is_estimate=True))
    return kinds, next(iter(found.values()))[2]


def _of_sqlite(tracks: int | None) -> tuple[list[Stored], int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()")
        database_bytes = cursor.fetchone()[0]
    members = F("groups_found") + F("duplicates_found")
    saved = DuplicateAnalysisResult.objects.aggregate(rows=Sum(F("groups_found") + members, default=0))
    known = {StoredKind.RESULTS: saved["rows"]} | ({} if tracks is None else {StoredKind.TRACKS: tracks})
    kinds = [
        Stored(kind, known[kind], None) if kind in known else _counted(kind, models_[0])
        for kind, models_ in TABLES.items()
    ]
    return kinds, database_bytes


def _counted(kind: StoredKind, model: type[models.Model]) -> Stored:
    rows = model._default_manager.order_by()[: COUNTED_UP_TO + 1].count()
    return Stored(kind, min(rows, COUNTED_UP_TO), None, is_at_least=rows > COUNTED_UP_TO)


def _exports() -> Stored:
    files = DuplicateAnalysisExport.objects.filter(status=ExportStatus.COMPLETED)
    found = files.aggregate(rows=models.Count("pk"), size=Sum("size_bytes", default=0))
    return Stored(StoredKind.EXPORTS, found["rows"], found["size"])


def _work() -> Stored:
    """Look at the files of this machine; there are a few for each run."""
    folder = Path(settings.WORK_DIR)
    sizes = list(_sizes(path for name in ("checkpoints", "indexes") for path in (folder / name).glob("*/*")))
    return Stored(StoredKind.WORK, len(sizes), sum(sizes))


def _sizes(paths: Iterable[Path]) -> Iterable[int]:
    for path in paths:
        try:
            yield path.stat().st_size
        except OSError:  # another process removed it
            continue
