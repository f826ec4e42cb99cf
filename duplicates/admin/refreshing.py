"""The doors to a refresh: of chosen analyses, of chosen ones with every track matched anew, and of the newest one."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from duplicates.admin.shared import person
from duplicates.exceptions import AnalysisAlreadyRunning, DuplicatesError
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import refreshing
from duplicates.tasks import enqueue_analysis

EVERYWHERE = [admin.ActionLocation.CHANGE_LIST, admin.ActionLocation.CHANGE_FORM]
LIST = "admin:duplicates_duplicateanalysisresult_changelist"
PAGE = "admin:duplicates_duplicateanalysisresult_change"


class RefreshActions:
    """Actions of the list and page of analyses."""

    @admin.action(
        description=lazy("Refresh"),
        description_plural=lazy("Refresh: run again with the same settings"),
        permissions=["run"],
        location=EVERYWHERE,
    )
    def refresh(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._refresh(request, queryset, learns_anew=False)

    @admin.action(
        description=lazy("Refresh anew"),
        description_plural=lazy("Refresh anew: match every track, however few have changed"),
        permissions=["run"],
        location=EVERYWHERE,
    )
    def refresh_anew(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        return self._refresh(request, queryset, learns_anew=True)

    def quick_refresh_view(self, request: HttpRequest) -> HttpResponse:
        """Refresh one's newest result and go to where it can be watched."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_run_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            queued = refreshing.quick_refresh(actor=person(request), now=timezone.now(), enqueue=enqueue_analysis)
        except AnalysisAlreadyRunning as running:
            url = reverse(PAGE, args=[running.facts["analysis_id"]])
            sentence = format_html('{} <a href="{}">{}</a>', running.sentence, url, _("Watch it"))
            messages.warning(request, sentence)
        except DuplicatesError as refused:
            messages.warning(request, refused.sentence)
        else:
            messages.success(request, _("Queued a refresh of your newest result."))
            return HttpResponseRedirect(reverse(PAGE, args=[queued.pk]))
        return HttpResponseRedirect(reverse(LIST))

    def _refresh(self, request: HttpRequest, queryset: QuerySet[Any], *, learns_anew: bool) -> HttpResponse | None:
        def queue(analysis: DuplicateAnalysisResult) -> DuplicateAnalysisResult:
            return refreshing.refresh_analysis(
                analysis,
                actor=person(request),
                now=timezone.now(),
                enqueue=enqueue_analysis,
                learns_anew=learns_anew,
            )

        queued, refused = each(queryset, queue)
        running = sum(isinstance(error, AnalysisAlreadyRunning) for error in refused)
        said = (_queued_refreshes(len(queued)), already_running(running), refused[running:])
        self._tell(request, *said)  # type: ignore[attr-defined]
        on_page = request.resolver_match is not None and request.resolver_match.url_name == PAGE.removeprefix("admin:")
        return HttpResponseRedirect(reverse(PAGE, args=[queued[0].pk])) if on_page and queued else None


def each(
    queryset: QuerySet[Any], verb: Callable[[DuplicateAnalysisResult], Any]
) -> tuple[list[Any], list[DuplicatesError]]:
    """Do something with each analysis; return what came of it and what was refused, equal runs first."""
    done, refused = [], []
    for analysis in queryset:
        try:
            done.append(verb(analysis))
        except DuplicatesError as error:
            refused.append(error)
    return done, sorted(refused, key=lambda error: not isinstance(error, AnalysisAlreadyRunning))


def already_running(count: int) -> str:
    """Say how many equal analyses were under way."""
    if not count:
        return ""
    return ngettext("%(count)d was already running", "%(count)d were already running", count) % {"count": count}


def _queued_refreshes(count: int) -> str:
    return ngettext("Queued %(count)d refresh", "Queued %(count)d refreshes", count) % {"count": count} if count else ""
