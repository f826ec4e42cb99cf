"""Hands out exports: checks that one may still be fetched, counts the download and leaves a record."""

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from duplicates.choices import ExportStatus
from duplicates.exceptions import ExportExpired, ExportNotReady
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import audit, limits
from duplicates.services.exporting import export_analysis_results, export_path
from duplicates.site_settings import site

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


logger = logging.getLogger("reprise.analysis")


def is_downloadable(export: DuplicateAnalysisExport, *, now: datetime) -> bool:
    """Is the export written and not expired? The file itself is looked at only when it is fetched."""
    return export.status == ExportStatus.COMPLETED and (export.expires_at is None or export.expires_at > now)


@audit.recorded("export.downloaded", subject="export")
def fetch_export(
    export: DuplicateAnalysisExport, *, actor: "AbstractBaseUser | None", now: datetime, is_counted: bool = True
) -> Path:
    """Return the file to send. Each fetch leaves a record; one that goes on with another is counted with that.

    Raises ExportExpired when its time is over or the file is gone, and ExportNotReady when it was never finished.
    """
    if export.status not in (ExportStatus.COMPLETED, ExportStatus.EXPIRED):
        raise ExportNotReady(_("This export is %(status)s.") % {"status": export.get_status_display().lower()})
    path = export_path(export)
    if not is_downloadable(export, now=now) or not path.is_file():
        raise ExportExpired
    with transaction.atomic():
        DuplicateAnalysisExport.objects.filter(pk=export.pk).update(
            download_count=F("download_count") + int(is_counted), last_downloaded_at=now
        )
        audit.record(
            "export.downloaded", actor=actor, now=now, subject=export, counts={"bytes": export.size_bytes or 0}
        )
    return path


@audit.recorded("export.unsaved", subject="analysis")
def stream_unsaved(
    analysis: DuplicateAnalysisResult, export_format: str, *, actor: "AbstractBaseUser | None", now: datetime
) -> Iterator[bytes]:
    """Return, in blocks, the export of a result that could not be saved.

    Raises AnalysisNotReady when it is not kept here and RateLimited. A database that refuses the record of it, perhaps
    as it refused the result, is logged: people get what was found.
    """
    limits.require_below(site.EXPORTS_PER_HOUR, "export.unsaved", actor=actor, now=now, what="exports")
    blocks = export_analysis_results(analysis, export_format, now=now)
    try:
        with transaction.atomic():
            audit.record("export.unsaved", actor=actor, now=now, subject=analysis, after={"format": export_format})
    except DatabaseError:
        logger.exception("The export of an unsaved result left no record", extra={"analysis_id": str(analysis.pk)})
    return blocks
