"""Analyses: the list, the page of one, the form that starts one, and what can be done with them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from duplicates.admin.analysis_page import AnalysisPage
from duplicates.admin.condition import ListWithConditions, condition_of_row, ignore_changes
from duplicates.admin.keeping import KeepingActions
from duplicates.admin.progress import progress_values
from duplicates.admin.refreshing import RefreshActions, each
from duplicates.admin.run_form import RunAnalysisForm, answers_of
from duplicates.admin.shared import STALENESS_BADGES, asked_by, person, require_manager, status_badge
from duplicates.admin.wording import duplicates_in_words, groups_in_words, tracks_in_words
from duplicates.choices import ExportFormat, ExportStatus, Trigger
from duplicates.exceptions import DuplicatesError
from duplicates.export_response import CONTENT_TYPES
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.models.analysis import MANAGE_ALL
from duplicates.services import downloading, exporting, lifecycle, permissions
from duplicates.services.lifecycle import Queued
from duplicates.tasks import enqueue_analysis, enqueue_export
from library import admin_pages as pages

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
LIST = "admin:duplicates_duplicateanalysisresult_changelist"
PAGE = "admin:duplicates_duplicateanalysisresult_change"
RUN = "admin:duplicates_run_analysis"
EXPORTS = "admin:duplicates_duplicateanalysisexport_changelist"


@admin.register(DuplicateAnalysisResult)
class AnalysisAdmin(RefreshActions, KeepingActions, pages.ReadOnlyAdmin):
    """What was analysed, how old it is and what it found."""

    list_display = ("name", "state", "age", "since_then", "found", "tracks")
    list_filter = ("status", "preset", "trigger", "created_at")
    search_fields = ("search_term", "analysis_id", "user__username")
    search_help_text = lazy("Search term, id or user")
    sortable_by = ("age",)
    ordering = ("-created_at",)
    list_per_page = 25
    actions = (
        "run_analysis",
        "refresh",
        "refresh_anew",
        "resume",
        "export_json",
        "export_jsonl",
        "export_csv",
        "unsaved_json",
        "unsaved_csv",
        "cancel",
        "pin",
        "unpin",
        "ignore_changes",
    )
    fieldsets = ((None, {"fields": ()}),)
    change_form_template = "admin/duplicates/analysis.html"
    empty_message = lazy("No analysis yet. Start one: choose Run analysis, or uv run manage.py run_duplicate_analysis")

    class Media:
        js = ("duplicates/progress.js", "duplicates/filters.js")

    # --- Who may ----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """One's own analyses and the system's; everybody's with the permission."""
        return DuplicateAnalysisResult.objects.visible_to(request.user).for_lists().select_related("user")

    def has_run_permission(self, request: HttpRequest) -> bool:
        return permissions.may_run(request.user)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether a certain analysis may be stopped or retried is asked of each one."""
        return permissions.may_run(request.user) or request.user.has_perm(MANAGE_ALL)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return permissions.may_export(request.user)

    # --- The list ---------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ListWithConditions

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer the button that starts an analysis to those who may."""
        context = {"has_run_permission": self.has_run_permission(request)}
        return super().changelist_view(request, context | (extra_context or {}))

    @admin.display(description=lazy("analysis"))
    def name(self, analysis: DuplicateAnalysisResult) -> SafeString:
        search = f" “{analysis.search_term}”" if analysis.search_term else ""
        return pages.two_lines(f"{analysis.get_preset_display()}{search}", asked_by(analysis))

    @admin.display(description=lazy("status"))
    def state(self, analysis: DuplicateAnalysisResult) -> SafeString:
        if analysis.is_active and analysis.progress:
            percentage = float(analysis.progress.get("percentage", 0))
            return format_html("{} {} %", status_badge(analysis), f"{percentage:.0f}")
        return status_badge(analysis)

    @admin.display(description=lazy("age"), ordering="created_at")
    def age(self, analysis: DuplicateAnalysisResult) -> str | SafeString:
        when = pages.moment(analysis.age_anchor, timezone.now())
        if (condition := condition_of_row(analysis)) is None:
            return when
        level = condition.age.level
        return format_html("{} {}", when, pages.badge(STALENESS_BADGES[level], level.label))

    @admin.display(description=lazy("since then"))
    def since_then(self, analysis: DuplicateAnalysisResult) -> str | SafeString:
        if (condition := condition_of_row(analysis)) is None:
            return pages.UNKNOWN
        advice = condition.recommendation
        suggestion = (
            _("%(action)s: %(urgency)s urgency")
            % {"action": advice.suggested_action.label, "urgency": str(advice.urgency.label).lower()}
            if condition.suggests_refresh
            else ""
        )
        return pages.two_lines(condition.changes.sentence, suggestion)

    @admin.display(description=lazy("found"))
    def found(self, analysis: DuplicateAnalysisResult) -> str | SafeString:
        if not analysis.has_groups:
            return pages.UNKNOWN
        return pages.two_lines(groups_in_words(analysis.groups_found), duplicates_in_words(analysis.duplicates_found))

    @admin.display(description=lazy("among"))
    def tracks(self, analysis: DuplicateAnalysisResult) -> str:
        count = analysis.library_track_count
        return pages.UNKNOWN if count is None else tracks_in_words(count)

    # --- Actions ----------------------------------------------------------------------------------------------------

    @admin.action(
        description=lazy("Run analysis"),
        description_plural=lazy("Run analysis: choose settings, beginning with those of the newest selected"),
        permissions=["run"],
        location=EVERYWHERE,
    )
    def run_analysis(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        newest = queryset.order_by("-created_at").values_list("pk", flat=True)[0]
        return HttpResponseRedirect(f"{reverse(RUN)}?like={newest}")

    def get_action_choices(
        self, request: HttpRequest, default_choices: Any = None, action_location: Any = ActionLocation.CHANGE_LIST
    ) -> list[tuple[str, str]]:
        """Offer the export format this person prefers before the other one, where exports stand in the menu."""
        choices: list[tuple[str, str]] = super().get_action_choices(request, default_choices, action_location)
        if action_location != ActionLocation.CHANGE_LIST:
            return choices  # the page has buttons of its own
        first = DuplicatePreferences.objects.of(person(request)).export_format
        places = [place for place, (name, _) in enumerate(choices) if name.startswith("export_")]
        exports = sorted((choices[place] for place in places), key=lambda one: one[0] != f"export_{first}")
        for place, export in zip(places, exports, strict=True):
            choices[place] = export
        return choices

    @admin.action(description=lazy("Export JSON"), permissions=["export"], location=EVERYWHERE)
    def export_json(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._export(request, queryset, ExportFormat.JSON)

    @admin.action(description=lazy("Export CSV"), permissions=["export"], location=EVERYWHERE)
    def export_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._export(request, queryset, ExportFormat.CSV)

    @admin.action(description=lazy("Export JSON Lines"), permissions=["export"], location=EVERYWHERE)
    def export_jsonl(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._export(request, queryset, ExportFormat.JSONL)

    @admin.action(description=lazy("Export unsaved JSON"), permissions=["export"], location=ActionLocation.CHANGE_FORM)
    def unsaved_json(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        return self._download_unsaved(request, queryset, ExportFormat.JSON)

    @admin.action(description=lazy("Export unsaved CSV"), permissions=["export"], location=ActionLocation.CHANGE_FORM)
    def unsaved_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseBase | None:
        return self._download_unsaved(request, queryset, ExportFormat.CSV)

    @admin.action(
        description=lazy("Ignore changes of the library for now"),
        permissions=["view"],
        location=[ActionLocation.CHANGE_FORM],
    )
    def ignore_changes(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for analysis in queryset:
            ignore_changes(request.session, analysis)

    @admin.action(description=lazy("Cancel"), permissions=["manage"], location=EVERYWHERE)
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def stop(analysis: DuplicateAnalysisResult) -> bool:
            require_manager(request, analysis)
            return lifecycle.request_cancel(analysis, actor=person(request), now=timezone.now())

        asked, refused = each(queryset, stop)
        stopped, over = sum(asked), len(asked) - sum(asked)
        self._tell(request, _cancelled(stopped), _over(over), refused)

    @admin.action(
        description=lazy("Retry: go on where it stopped"),
        permissions=["manage"],
        location=EVERYWHERE,
    )
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        def go_on(analysis: DuplicateAnalysisResult) -> None:
            require_manager(request, analysis)
            lifecycle.resume(analysis, actor=person(request), now=timezone.now(), enqueue=enqueue_analysis)

        queued, refused = each(queryset, go_on)
        self._tell(request, _resumed(len(queued)), "", refused)

    def _export(self, request: HttpRequest, queryset: QuerySet[Any], export_format: ExportFormat) -> None:
        def ask(analysis: DuplicateAnalysisResult) -> Any:
            return exporting.request_export(
                analysis, export_format, actor=person(request), now=timezone.now(), enqueue=enqueue_export
            )

        exports, refused = each(queryset, ask)
        written = [export for export in exports if export.status == ExportStatus.COMPLETED]
        done = (_written(len(written)), _queued_exports(len(exports) - len(written)))
        self._tell(request, "; ".join(filter(None, done)), "", refused)
        if exports:
            link = format_html('<a href="{}">See the exports</a> for the download.', reverse(EXPORTS))
            self.message_user(request, link, messages.INFO)

    def _download_unsaved(
        self, request: HttpRequest, queryset: QuerySet[Any], export_format: ExportFormat
    ) -> HttpResponseBase | None:
        """Hand out what was found at once: no worker and no row could be relied on."""
        analysis = queryset.get()
        try:
            blocks = downloading.stream_unsaved(analysis, export_format, actor=person(request), now=timezone.now())
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.WARNING)
            return None
        name = exporting.download_name(analysis, export_format)
        headers = {"Content-Disposition": f'attachment; filename="unsaved-{name}"'}
        return StreamingHttpResponse(blocks, content_type=CONTENT_TYPES[export_format], headers=headers)

    def _tell(self, request: HttpRequest, done: str, rest: str, refused: list[DuplicatesError]) -> None:
        """Say in one sentence what happened, and name each refusal once."""
        if sentence := "; ".join(part for part in (done, rest) if part):
            self.message_user(request, f"{sentence}.", messages.SUCCESS if done else messages.WARNING)
        for problem in dict.fromkeys(error.sentence for error in refused):
            self.message_user(request, problem, messages.WARNING)

    # --- Pages ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "quick-refresh/", self.admin_site.admin_view(self.quick_refresh_view), name="duplicates_quick_refresh"
            ),
            path(
                "<uuid:analysis_id>/forget/",
                self.admin_site.admin_view(self.delete_analysis_view),
                name="duplicates_delete_analysis",
            ),
            path("run/", self.admin_site.admin_view(self.run_view), name=RUN.removeprefix("admin:")),
            path(
                "<uuid:analysis_id>/progress/",
                self.admin_site.admin_view(self.progress_view),
                name="duplicates_analysis_progress",
            ),
        ]
        return own + super().get_urls()

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Fill the page of one analysis."""
        return AnalysisPage(obj, person(request), timezone.now(), request.session).context()

    def progress_view(self, request: HttpRequest, analysis_id: Any) -> HttpResponseBase:
        """Answer the polling script of a page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        analysis = self.get_queryset(request).filter(pk=analysis_id).first()
        if analysis is None:
            raise Http404(_("There is no such analysis."))
        return JsonResponse(progress_values(analysis, timezone.now()))

    def run_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show the form and queue what it asks for; the work itself is a worker's."""
        if not self.has_run_permission(request):
            raise PermissionDenied
        form = RunAnalysisForm(request.POST or None, initial=self._first_answers(request))
        if request.method == "POST" and form.is_valid():
            return self._start(request, form)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Run analysis"),
            "form": form,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/duplicates/run_analysis.html", context)

    def _first_answers(self, request: HttpRequest) -> dict[str, Any]:
        """Begin with the settings of the analysis the address names, else with the preset this person prefers."""
        try:
            like = self.get_queryset(request).filter(pk=request.GET.get("like")).first()
        except ValidationError:
            like = None
        if like is not None:
            return answers_of(like.parameters)
        return {"preset": DuplicatePreferences.objects.of(person(request)).default_preset}

    def _start(self, request: HttpRequest, form: RunAnalysisForm) -> HttpResponse:
        try:
            queued = lifecycle.queue_analysis(
                form.options,
                actor=person(request),
                trigger=Trigger.ADMIN,
                now=timezone.now(),
                enqueue=enqueue_analysis,
                force=form.cleaned_data["force"],
                keep_partial=not form.cleaned_data["discard_partial"],
            )
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.WARNING)
            return HttpResponseRedirect(reverse(LIST))
        self.message_user(request, _started(queued), messages.SUCCESS if queued.is_new else messages.INFO)
        return HttpResponseRedirect(reverse(PAGE, args=[queued.analysis.pk]))


def _started(queued: Queued) -> str:
    if queued.is_new:
        return _("Queued the analysis.")
    if queued.analysis.is_active:
        return _("An equal analysis is already %(status)s. Here it is.") % {
            "status": str(queued.analysis.get_status_display()).lower()
        }
    return _("Nothing has changed since this equal analysis, so here it is. To run anyway, tick that box in the form.")


def _written(count: int) -> str:
    return ngettext("Wrote %(count)d export", "Wrote %(count)d exports", count) % {"count": count} if count else ""


def _queued_exports(count: int) -> str:
    return ngettext("Queued %(count)d export", "Queued %(count)d exports", count) % {"count": count} if count else ""


def _resumed(count: int) -> str:
    return ngettext("Queued %(count)d analysis", "Queued %(count)d analyses", count) % {"count": count} if count else ""


def _cancelled(count: int) -> str:
    if not count:
        return ""
    return ngettext("Cancelled %(count)d analysis", "Cancelled %(count)d analyses", count) % {"count": count}


def _over(count: int) -> str:
    if not count:
        return ""
    return ngettext("%(count)d was over already", "%(count)d were over already", count) % {"count": count}
