"""Files sent here to be imported: the page that takes one, and the import's own page, which follows it to its end.

The library's own page of imports can only be read; this one takes its place. A file goes the very way one takes that is
sent to the API: the same handler receives it, the same service imports it, small ones at once, large ones by a worker.
"""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.csrf import csrf_exempt

from duplicates.admin.shared import person
from duplicates.exceptions import UploadTooLarge
from duplicates.receiving import SpoolingHandler, keep
from duplicates.services import permissions
from library import admin_pages as pages
from library.admin import LibraryImportAdmin
from library.importers.csv_columns import parse_mapping
from library.importing import ImportRefused
from library.models import LibraryImport
from library.tasks import enqueue_upload
from library.uploads import import_upload, limit_bytes, progress_of

UPLOAD, PAGE = "admin:duplicates_import_file", "admin:library_libraryimport_change"
# What the stages of an import are called on a page; the importer says them in English, as its log does.
STAGES = {
    "Reading": lazy("Reading"),
    "Applying tracks": lazy("Applying tracks"),
    "Applying playlists": lazy("Applying playlists"),
    "Looking for what vanished": lazy("Looking for what vanished"),
}
FORMATS = (("auto", lazy("Find out")), ("itunes", lazy("iTunes or Apple Music XML")), ("csv", "CSV"))


class ImportForm(forms.Form):
    """A file, which library it is, and how to read it."""

    file = forms.FileField(label=lazy("File"), help_text=lazy("iTunes XML or CSV, packed with gzip or not."))
    source = forms.CharField(
        label=lazy("Library"),
        required=False,
        max_length=100,
        help_text=lazy(
            "An import of the same name updates that library. "
            "Left empty: the iTunes library's own id, else the file's name."
        ),
    )
    format = forms.ChoiceField(label=lazy("Format"), choices=FORMATS, initial="auto")
    is_catalog = forms.BooleanField(label=lazy("Load as the iTunes reference catalogue"), required=False)
    keep_partial = forms.BooleanField(label=lazy("Of a damaged file, keep what is readable"), required=False)
    id_column = forms.CharField(
        label=lazy("Column of the id"),
        required=False,
        max_length=200,
        help_text=lazy("Of a CSV whose column of ids is not recognised."),
    )
    mapping = forms.CharField(
        label=lazy("Columns that are not recognised"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=lazy("One FIELD=COLUMN a line, such as title=song_name."),
    )

    def clean_mapping(self) -> dict[str, str]:
        """Return field → column."""
        try:
            return parse_mapping([line for line in self.cleaned_data["mapping"].splitlines() if line.strip()])
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error

    def wish(self, *, is_dry_run: bool) -> dict[str, Any]:
        """Return what the service is asked for."""
        said = self.cleaned_data
        names = ("source", "format", "mapping", "id_column", "keep_partial")
        return {name: said[name] for name in names} | {"catalog": said["is_catalog"], "dry_run": is_dry_run}


admin.site.unregister(LibraryImport)


@admin.register(LibraryImport)
class ImportAdmin(LibraryImportAdmin):
    """Imports, and the door by which a file comes in."""

    change_form_template = "admin/duplicates/import.html"
    empty_message = lazy("No import yet. Bring a library in by “Import a file”, or by the command import_library.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("file/", self.receive, name=UPLOAD.removeprefix("admin:")),
            path("<uuid:import_id>/progress/", view(self.progress_view), name="duplicates_import_progress"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the file's page to those who may import."""
        may_import = permissions.may_import(person(request))
        return super().changelist_view(request, {"may_import": may_import, **(extra_context or {})})

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Follow an import under way; offer to bring a library up to date once more."""
        context: dict[str, Any] = {}
        if obj.completed_at is None:
            address = reverse("admin:duplicates_import_progress", args=[obj.pk])
            context |= {"progress": _progress(obj), "progress_url": address}
        if permissions.may_import(person(request)):
            said = {"source": obj.source, "is_catalog": "on" if obj.is_catalog else ""}
            context["again_url"] = f"{reverse(UPLOAD)}?{urlencode({name: one for name, one in said.items() if one})}"
        return context

    def progress_view(self, request: HttpRequest, import_id: Any) -> HttpResponseBase:
        """Say how far an import is, for the script of its page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(_progress(get_object_or_404(LibraryImport, pk=import_id)))

    # --- A file -------------------------------------------------------------------------------------------------------

    @method_decorator(csrf_exempt)
    def receive(self, request: HttpRequest) -> HttpResponseBase:
        """Let a file be received privately, and no more of it than is allowed; then look at its form as at any other.

        The handler must be there before anything reads the form, so it comes before the check against forged requests,
        which `admin_view` makes. Whoever may not import has nothing read at all.
        """
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not permissions.may_import(person(request)):
            raise PermissionDenied
        request.upload_handlers = [SpoolingHandler(request)]
        try:
            request.POST  # noqa: B018 (reads the form)
        except UploadTooLarge as refused:
            messages.error(request, refused.sentence)
            return HttpResponseRedirect(reverse(UPLOAD))
        return self.admin_site.admin_view(self.upload_view)(request)

    def upload_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form; try or import the file it sends, and lead to what was done."""
        is_sent = request.method == "POST"
        form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm(initial=request.GET.dict())
        row = self._imported(request, form) if is_sent and form.is_valid() else None
        if row is not None:
            return HttpResponseRedirect(reverse(PAGE, args=[row.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Import a file"),
            "form": form,
            "most": pages.size(limit_bytes()),
            "finer": ("format", "id_column", "mapping"),
        }
        return TemplateResponse(request, "admin/duplicates/import_file.html", context)

    def _imported(self, request: HttpRequest, form: ImportForm) -> LibraryImport | None:
        """Hand a file to the service; None, with the reason on the form, for one it refuses."""
        file, is_dry_run = form.cleaned_data["file"], request.POST.get("verb") == "try"
        try:
            row = import_upload(
                keep(file),
                name=file.name,
                wish=form.wish(is_dry_run=is_dry_run),
                user=person(request),
                now=timezone.now(),
                enqueue=enqueue_upload,
            )
        except ImportRefused as refused:
            form.add_error("file", str(refused))
            return None
        messages.success(request, _told(row))
        return row


def _told(row: LibraryImport) -> str:
    """Say what became of a file."""
    if row.completed_at is None:
        return _("The file is here. A worker imports it; this page follows.")
    words = (
        _("Nothing was changed. An import would add %(added)s, change %(changed)s and skip %(skipped)s.")
        if row.is_dry_run
        else _("Imported: %(added)s added, %(changed)s changed, %(skipped)s skipped.")
    )
    counts = {"added": row.added_count, "changed": row.changed_count, "skipped": row.skipped_count}
    return words % {name: pages.number(count) for name, count in counts.items()}


def _progress(row: LibraryImport) -> dict[str, Any]:
    """Return how far an import is, in the words of its page."""
    told = progress_of(row)
    share = told["percentage"]
    done = told["done"]
    entries = ngettext("%(count)s entry", "%(count)s entries", done) % {"count": pages.number(done)} if done else ""
    return {
        "is_active": row.completed_at is None,
        "percentage": share or 0,
        "percent_text": pages.percent(share / 100) if share is not None else "",
        "message": str(STAGES.get(told["stage"], row.get_status_display())),
        "tracks_text": entries,
    }
