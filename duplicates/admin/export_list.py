"""The exports of an analysis on its page: those being written with a live count, the others with size and downloads."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from duplicates.admin.shared import EXPORT_BADGES
from duplicates.choices import ExportStatus
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services.downloading import is_downloadable
from library import admin_pages as pages

EXPORTS_SHOWN = 5
_AT_WORK = (ExportStatus.PENDING, ExportStatus.RUNNING)


def exports_context(analysis: DuplicateAnalysisResult, now: datetime) -> dict[str, Any]:
    """Return the newest exports of an analysis and where the others are."""
    newest = DuplicateAnalysisExport.objects.filter(analysis=analysis).order_by("-created_at")
    base = reverse("admin:duplicates_duplicateanalysisexport_changelist")
    return {
        "exports": [_export(export, now) for export in newest[:EXPORTS_SHOWN]],
        "exports_url": f"{base}?analysis__analysis_id__exact={analysis.pk}",
    }


def export_progress(export: DuplicateAnalysisExport) -> dict[str, Any]:
    """Return how far an export is as plain JSON for page and script."""
    said = _("%(written)s of %(all)s rows written") % {
        "written": pages.number(export.row_count),
        "all": pages.number(export.total_rows),
    }
    return {
        "status": export.status,
        "is_active": export.status in _AT_WORK,
        "percentage": export.percentage,
        "message": _("Waiting for a worker.") if export.status == ExportStatus.PENDING else said,
    }


def _export(export: DuplicateAnalysisExport, now: datetime) -> dict[str, Any]:
    ready = is_downloadable(export, now=now)
    status = ExportStatus(export.status)
    shown = ExportStatus.EXPIRED if status == ExportStatus.COMPLETED and not ready else status
    is_active = status in _AT_WORK
    return {
        "name": f"{export.get_format_display()}{' (gzip)' if export.is_compressed else ''}",
        "badge": pages.badge(EXPORT_BADGES[shown], shown.label),
        "size": pages.size(export.size_bytes),
        "rows": pages.number(export.row_count if export.size_bytes is not None else None),
        "downloads": pages.number(export.download_count),
        "asked": pages.moment(export.created_at, now),
        "error": export.error_message,
        "url": reverse("admin:duplicates_export_download", args=[export.pk]) if ready else "",
        "progress": export_progress(export) if is_active else None,
        "progress_url": reverse("admin:duplicates_export_progress", args=[export.pk]) if is_active else "",
    }
