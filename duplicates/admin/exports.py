"""Exports: the list of files, and the one view that hands them out, each time only to those who may have them."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from duplicates.admin.export_list import export_progress
from duplicates.admin.shared import EXPORT_BADGES, OfVisibleAnalyses, person
from duplicates.admin.wording import tracks_in_words
from duplicates.choices import ExportStatus
from duplicates.exceptions import ExportExpired, ExportNotReady
from duplicates.export_response import export_response
from duplicates.models import DuplicateAnalysisExport
from duplicates.services import permissions
from duplicates.services.downloading import is_downloadable
from duplicates.services.exporting import delete_export
from library import admin_pages as pages

LAST_DOWNLOADED = pages.when("last_downloaded_at")


@admin.register(DuplicateAnalysisExport)
class ExportAdmin(OfVisibleAnalyses):
    """Files written from analyses, and how often they were fetched."""

    list_display = ("named", "state", "download", "holds", "downloads", "asked", "expires")
    list_filter = ("status", "format", "created_at")
    search_fields = ("file_name", "user__username")
    search_help_text = lazy("File name or user")
    sortable_by = ("asked",)
    ordering = ("-created_at",)
    empty_message = lazy("No export yet. Open an analysis and choose Export JSON or Export CSV.")
    fields = (
        "shown_name",
        "analysis_link",
        "state",
        "size",
        "rows",
        "downloads",
        LAST_DOWNLOADED,
        "asked_by",
        "asked",
        "expires",
        "error_message",
        "download",
    )
    readonly_fields = ("shown_name", "analysis_link", "state", "size", "rows", "downloads", LAST_DOWNLOADED, "asked_by",
                       "asked", "expires", "download")  # fmt: skip

    actions = ("delete_files",)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return permissions.may_export(request.user)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Offer deletion only of what this person may delete."""
        return {"unfit_actions": () if permissions.may_delete_export(person(request), obj) else self.actions}

    @admin.action(
        description=lazy("Delete"),
        description_plural=lazy("Delete, with their files"),
        permissions=["export"],
        location=pages.EVERYWHERE,
    )
    def delete_files(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase:
        """Delete what is one's own, the system's, or of an analysis one manages; name what is not."""
        exports, user = list(queryset), person(request)
        allowed = [one for one in exports if permissions.may_delete_export(user, one)]
        for export in allowed:
            delete_export(export, actor=user, now=timezone.now())
        if allowed:
            said = ngettext("Deleted %(count)s export.", "Deleted %(count)s exports.", len(allowed))
            self.message_user(request, said % {"count": pages.number(len(allowed))}, messages.SUCCESS)
        if others := len(exports) - len(allowed):
            said = ngettext("%(count)s is somebody else's.", "%(count)s are somebody else's.", others)
            self.message_user(request, said % {"count": pages.number(others)}, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:duplicates_duplicateanalysisexport_changelist"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = (
            super().get_queryset(request).select_related("user", "analysis").defer("analysis__learnt_tables")
        )
        return rows

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let the page of an analysis link to its exports."""
        return lookup == "analysis__analysis_id__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description=lazy("file"))
    def named(self, export: DuplicateAnalysisExport) -> SafeString:
        return pages.two_lines(self.shown_name(export), self.asked_by(export))

    @admin.display(description=lazy("size"))
    def holds(self, export: DuplicateAnalysisExport) -> SafeString | str:
        if export.size_bytes is None:
            return pages.UNKNOWN
        return pages.two_lines(self.size(export), tracks_in_words(export.row_count))

    @admin.display(description=lazy("file"))
    def shown_name(self, export: DuplicateAnalysisExport) -> str:
        return export.file_name or str(export.get_format_display())

    @admin.display(description=lazy("analysis"))
    def analysis_link(self, export: DuplicateAnalysisExport) -> SafeString:
        link = reverse("admin:duplicates_duplicateanalysisresult_change", args=[export.analysis_id])
        return format_html('<a href="{}">Open the analysis</a>', link)

    @admin.display(description=lazy("status"))
    def state(self, export: DuplicateAnalysisExport) -> SafeString:
        status = ExportStatus(export.status)
        if status == ExportStatus.COMPLETED and not is_downloadable(export, now=timezone.now()):
            status = ExportStatus.EXPIRED
        return pages.badge(EXPORT_BADGES[status], status.label)

    @admin.display(description=lazy("size"))
    def size(self, export: DuplicateAnalysisExport) -> str:
        return pages.size(export.size_bytes)

    @admin.display(description=lazy("tracks"))
    def rows(self, export: DuplicateAnalysisExport) -> str:
        return pages.number(export.row_count if export.size_bytes is not None else None)

    @admin.display(description=lazy("downloads"))
    def downloads(self, export: DuplicateAnalysisExport) -> str:
        return pages.number(export.download_count)

    @admin.display(description=lazy("asked by"))
    def asked_by(self, export: DuplicateAnalysisExport) -> str:
        return export.user.get_username() if export.user else _("System")

    @admin.display(description=lazy("asked"), ordering="created_at")
    def asked(self, export: DuplicateAnalysisExport) -> str | SafeString:
        return pages.moment(export.created_at, timezone.now())

    @admin.display(description=lazy("expires"))
    def expires(self, export: DuplicateAnalysisExport) -> str | SafeString:
        return pages.moment(export.expires_at, timezone.now())

    @admin.display(description=lazy("download"))
    def download(self, export: DuplicateAnalysisExport) -> str | SafeString:
        if not is_downloadable(export, now=timezone.now()):
            return pages.UNKNOWN
        link = reverse("admin:duplicates_export_download", args=[export.pk])
        label = _("Download %(format)s") % {"format": export.get_format_display()}
        return format_html('<a class="download" href="{}">{}</a>', link, label)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "<uuid:export_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="duplicates_export_progress",
            ),
            path(
                "<uuid:export_id>/download/",
                self.admin_site.admin_view(self.download_view),
                name="duplicates_export_download",
            ),
        ]
        return own + super().get_urls()

    def download_view(self, request: HttpRequest, export_id: Any) -> HttpResponseBase:
        """Send the file; 404 to those who may not know of it, 410 once it has expired."""
        if not permissions.may_export(request.user):
            raise PermissionDenied
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None:
            raise Http404(_("There is no such export."))
        try:
            return export_response(request, export, person=person(request))
        except ExportNotReady as error:
            raise Http404(error.sentence) from error
        except ExportExpired as error:
            return self._gone(request, export, error)

    def progress_view(self, request: HttpRequest, export_id: Any) -> HttpResponseBase:
        """Answer the polling script of a page that waits for an export."""
        if not permissions.may_export(request.user):
            raise PermissionDenied
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None:
            raise Http404(_("There is no such export."))
        return JsonResponse(export_progress(export))

    def _gone(self, request: HttpRequest, export: DuplicateAnalysisExport, error: ExportExpired) -> HttpResponseBase:
        link = reverse("admin:duplicates_duplicateanalysisresult_change", args=[export.analysis_id])
        context = {
            **self.admin_site.each_context(request),
            "title": _("This export is gone"),
            "sentence": error.sentence,
            "analysis_url": link,
        }
        return TemplateResponse(request, "admin/duplicates/export_gone.html", context, status=410)
