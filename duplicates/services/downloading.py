"""Hands out the files of exports: checks that one may still be fetched, counts the download and leaves a record."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F

from duplicates.choices import ExportStatus
from duplicates.exceptions import ExportExpired, ExportNotReady
from duplicates.models import DuplicateAnalysisExport
from duplicates.services import audit
from duplicates.services.exporting import export_path

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


def is_downloadable(export: DuplicateAnalysisExport, *, now: datetime) -> bool:
    """Is the export written and not expired? The file itself is looked at only when it is fetched."""
    return export.status == ExportStatus.COMPLETED and (export.expires_at is None or export.expires_at > now)


def fetch_export(export: DuplicateAnalysisExport, *, actor: "AbstractBaseUser | None", now: datetime) -> Path:
    """Return the file to send and count the download.

    Raises ExportExpired when its time is over or the file is gone, and ExportNotReady when it was never finished.
    """
    if export.status not in (ExportStatus.COMPLETED, ExportStatus.EXPIRED):
        raise ExportNotReady(f"This export is {export.get_status_display().lower()}.")
    path = export_path(export)
    if not is_downloadable(export, now=now) or not path.is_file():
        raise ExportExpired
    with transaction.atomic():
        DuplicateAnalysisExport.objects.filter(pk=export.pk).update(
            download_count=F("download_count") + 1, last_downloaded_at=now
        )
        audit.record(
            "export.downloaded", actor=actor, now=now, subject=export, counts={"bytes": export.size_bytes or 0}
        )
    return path
