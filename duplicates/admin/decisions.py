"""Decisions that two tracks differ: found, taken back, written to CSV and read from it."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from duplicates.admin.shared import person
from duplicates.exceptions import AnalysisNotFound, DuplicatesError
from duplicates.models import DuplicateAnalysisResult, NotDuplicate
from duplicates.services import permissions
from duplicates.services.decision_files import DecisionImport, Problem, export_decisions, import_decisions
from duplicates.services.different import take_back
from duplicates.services.edited_exports import (
    EditedImport,
    analysis_named,
    import_edited_export,
    is_edited_export,
    sentence_of,
)
from duplicates.services.lifecycle import get_analysis
from library import admin_pages as pages

REVOKED = pages.when("revoked_at", gettext_lazy("ended"))
LARGEST_FILE = 50_000_000  # bytes; a hundred thousand decisions take about thirty million
PROBLEMS_SHOWN = 200


class StateFilter(admin.SimpleListFilter):
    """In force, taken back by a person, or reopened by new evidence."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("in_force", _("In force")), ("taken_back", _("Taken back")), ("reopened", _("Reopened"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "in_force":
                return queryset.filter(revoked_at=None)
            case "taken_back":
                return queryset.filter(revoked_at__isnull=False, reopened_because="")
            case "reopened":
                return queryset.exclude(reopened_because="")
        return queryset


class DecisionFileForm(forms.Form):
    """A CSV file of decisions, and whether to try it first."""

    file = forms.FileField(label=gettext_lazy("CSV file"))
    only_check = forms.BooleanField(
        label=gettext_lazy("Only say what would happen"), required=False, initial=True, label_suffix=""
    )

    def clean_file(self) -> str:
        """Return the text of the file."""
        uploaded = self.cleaned_data["file"]
        if (uploaded.size or 0) > LARGEST_FILE:
            raise forms.ValidationError(_("The file is larger than 50 MB. Use the command import_decisions."))
        try:
            return str(uploaded.read().decode("utf-8"))
        except UnicodeDecodeError as error:
            raise forms.ValidationError(_("The file is not UTF-8. Save it as UTF-8.")) from error


def _problems(report: DecisionImport | EditedImport | None) -> list[Problem]:
    """Return what was left out, in the order of the file."""
    if report is None:
        return []
    unreadable = report.unreadable if isinstance(report, DecisionImport) else []
    return sorted((*report.conflicts, *unreadable), key=lambda one: one.line)


def _seen_analysis(request: HttpRequest, text: str) -> DuplicateAnalysisResult:
    """Return the analysis an edited export belongs to. Raises AnalysisNotFound, also for one that is not to be seen."""
    analysis = get_analysis(analysis_named(text))
    if not permissions.may_view(request.user, analysis):
        raise AnalysisNotFound
    return analysis


@admin.register(NotDuplicate)
class NotDuplicateAdmin(pages.ReadOnlyAdmin):
    """Pairs that staff declared different; they stay apart in every later analysis."""

    list_display = ("one", "other", "decided_by", "decided", "state", "note")
    list_filter = (StateFilter, "created_at")
    search_fields = ("left_label", "right_label", "note", "user_name")
    search_help_text = gettext_lazy("Track, note or person")
    sortable_by = ()
    ordering = ("-created_at", "-pk")
    actions = ("take_decisions_back",)
    empty_message = gettext_lazy(
        "No decision yet. Pairs declared different while reviewing groups will be listed here."
    )
    fields = (
        "one",
        "other",
        "decided_by",
        "decided",
        "state",
        REVOKED,
        "why_ended",
        "note",
        "left",
        "right",
    )
    readonly_fields = ("one", "other", "decided_by", "decided", "state", REVOKED, "why_ended", "left", "right")

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Offer to take back only what is in force."""
        return {"unfit_actions": () if obj.revoked_at is None else self.actions}

    def has_review_permission(self, request: HttpRequest) -> bool:
        return permissions.may_review(request.user)

    @admin.action(
        description=gettext_lazy("Take back"),
        description_plural=gettext_lazy("Take back, so that the next analysis looks again"),
        permissions=["review"],
        location=pages.EVERYWHERE,
    )
    def take_decisions_back(self, request: HttpRequest, queryset: QuerySet[NotDuplicate]) -> None:
        count = take_back(queryset, actor=person(request), now=timezone.now())
        said = ngettext("Took %(count)s decision back.", "Took %(count)s decisions back.", count)
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, said % {"count": pages.number(count)}, level)

    # --- Files ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("export/", view(self.export_view), name="duplicates_decisions_export"),
            path("import/", view(self.import_view), name="duplicates_decisions_import"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the files to those who may decide."""
        return super().changelist_view(request, {"may_exchange": self._may_exchange(request), **(extra_context or {})})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send all decisions in force as CSV."""
        self._require_exchange(request)
        response = StreamingHttpResponse(export_decisions(), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="not-duplicates.csv"'
        return response

    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """Read a file, and show what it brought and what contradicts it."""
        self._require_exchange(request)
        form = DecisionFileForm(request.POST or None, request.FILES or None)
        report = self._imported(request, form) if request.method == "POST" and form.is_valid() else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Import decisions"),
            "form": form,
            "report": report,
            "was_checked": bool(report and form.cleaned_data["only_check"]),
            "edited": sentence_of(report, dry_run=form.cleaned_data["only_check"])
            if isinstance(report, EditedImport)
            else "",
            "problems": _problems(report)[:PROBLEMS_SHOWN],
        }
        return TemplateResponse(request, "admin/duplicates/import_decisions.html", context)

    def _imported(self, request: HttpRequest, form: DecisionFileForm) -> DecisionImport | EditedImport | None:
        text = form.cleaned_data["file"]
        how: dict[str, Any] = {
            "actor": person(request),
            "now": timezone.now(),
            "dry_run": form.cleaned_data["only_check"],
        }
        try:
            if is_edited_export(text):
                return import_edited_export(_seen_analysis(request, text), text, **how)
            return import_decisions(text, **how)
        except DuplicatesError as error:
            form.add_error("file", error.sentence)
            return None

    def _may_exchange(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and self.has_review_permission(request)

    def _require_exchange(self, request: HttpRequest) -> None:
        if not self._may_exchange(request):
            raise PermissionDenied

    # --- Columns ----------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("one track"))
    def one(self, decision: NotDuplicate) -> str:
        return decision.left_label

    @admin.display(description=gettext_lazy("is not"))
    def other(self, decision: NotDuplicate) -> str:
        return decision.right_label

    @admin.display(description=gettext_lazy("decided by"))
    def decided_by(self, decision: NotDuplicate) -> str:
        return decision.user_name or _("System")

    @admin.display(description=gettext_lazy("decided"))
    def decided(self, decision: NotDuplicate) -> str | SafeString:
        return pages.moment(decision.created_at, timezone.now())

    @admin.display(description=gettext_lazy("state"))
    def state(self, decision: NotDuplicate) -> SafeString:
        if decision.reopened_because:
            return pages.badge("warn", _("Reopened"))
        return pages.badge("quiet", _("Taken back")) if decision.revoked_at else pages.badge("good", _("In force"))

    @admin.display(description=gettext_lazy("what changed"))
    def why_ended(self, decision: NotDuplicate) -> str:
        return decision.reopened_because or pages.UNKNOWN

    @admin.display(description=gettext_lazy("the first said"))
    def left(self, decision: NotDuplicate) -> SafeString:
        return pages.facts(decision.left_evidence)

    @admin.display(description=gettext_lazy("the second said"))
    def right(self, decision: NotDuplicate) -> SafeString:
        return pages.facts(decision.right_evidence)
