"""What becomes of one saved analysis: pinned, so that no clean-up takes it, or deleted, after a page that asks."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from duplicates.admin.refreshing import each
from duplicates.admin.shared import person, require_manager
from duplicates.exceptions import DuplicatesError
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import permissions, saved
from duplicates.tasks import enqueue_discard

LIST = "admin:duplicates_duplicateanalysisresult_changelist"
PAGE = "admin:duplicates_duplicateanalysisresult_change"
EVERYWHERE = [admin.ActionLocation.CHANGE_LIST, admin.ActionLocation.CHANGE_FORM]


class KeepingActions:
    """Actions of the list and page of analyses."""

    @admin.action(
        description=lazy("Pin"),
        description_plural=lazy("Pin: never cleaned up"),
        permissions=["manage"],
        location=EVERYWHERE,
    )
    def pin(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        changed, refused = _pin(request, queryset, is_pinned=True)
        said = ngettext("Pinned %(count)d analysis", "Pinned %(count)d analyses", changed) % {"count": changed}
        self._tell(request, said if changed else "", "", refused)  # type: ignore[attr-defined]

    @admin.action(description=lazy("Unpin"), permissions=["manage"], location=EVERYWHERE)
    def unpin(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        changed, refused = _pin(request, queryset, is_pinned=False)
        said = ngettext("Unpinned %(count)d analysis", "Unpinned %(count)d analyses", changed) % {"count": changed}
        self._tell(request, said if changed else "", "", refused)  # type: ignore[attr-defined]

    def delete_analysis_view(self, request: HttpRequest, analysis_id: Any) -> HttpResponseBase:
        """Say what a deletion takes along, and do it once that is confirmed."""
        analysis = self.get_queryset(request).filter(pk=analysis_id).first()  # type: ignore[attr-defined]
        if analysis is None or not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise Http404(_("There is no such analysis."))
        if not permissions.may_manage(person(request), analysis):
            raise PermissionDenied
        if request.method == "POST":
            return _delete(request, analysis)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "title": _("Delete this analysis?"),
            "analysis": analysis,
            "exports": analysis.exports.count(),
        }
        return TemplateResponse(request, "admin/duplicates/delete_analysis.html", context)


def _pin(request: HttpRequest, queryset: QuerySet[Any], *, is_pinned: bool) -> tuple[int, list[DuplicatesError]]:
    def pin(analysis: DuplicateAnalysisResult) -> bool:
        require_manager(request, analysis)
        return saved.pin_analysis(analysis, is_pinned=is_pinned, actor=person(request), now=timezone.now())

    done, refused = each(queryset, pin)
    return sum(done), refused


def _delete(request: HttpRequest, analysis: DuplicateAnalysisResult) -> HttpResponseBase:
    try:
        saved.delete_analysis(analysis, actor=person(request), now=timezone.now(), enqueue=enqueue_discard)
    except DuplicatesError as refused:
        messages.warning(request, refused.sentence)
        return HttpResponseRedirect(reverse(PAGE, args=[analysis.pk]))
    messages.success(request, _("Deleted the analysis. Decisions and removed copies stay."))
    return HttpResponseRedirect(reverse(LIST))
