"""The one answer with which both doors hand out an export: whole or in part, checked each time and counted once."""

from typing import TYPE_CHECKING

from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone

from duplicates.choices import ExportFormat
from duplicates.exceptions import ExportExpired
from duplicates.models import DuplicateAnalysisExport
from duplicates.services.downloading import fetch_export
from library.ranges import goes_on, send_file

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

CONTENT_TYPES = {
    ExportFormat.JSON: "application/json",
    ExportFormat.JSONL: "application/jsonl",
    ExportFormat.CSV: "text/csv; charset=utf-8",
}


def export_response(
    request: HttpRequest, export: DuplicateAnalysisExport, *, person: "AbstractBaseUser"
) -> HttpResponseBase:
    """Return the file of an export. Raises ExportNotReady and ExportExpired."""
    path = fetch_export(export, actor=person, now=timezone.now(), is_counted=not goes_on(request, etag=export.sha256))
    content_type = "application/gzip" if export.is_compressed else CONTENT_TYPES[ExportFormat(export.format)]
    try:
        response = send_file(request, path, content_type=content_type, name=export.file_name, etag=export.sha256)
    except FileNotFoundError as gone:  # cleaned up since we looked
        raise ExportExpired from gone
    response["Cache-Control"] = "private, no-store"
    return response
