"""Clean-up plans: the list, the page to make one from a filter of groups, and the page that shows and steers it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.admin.plan_forms import PlanForm
from duplicates.admin.plan_page import PlanPage, filter_in_words, plan_progress, state_badge
from duplicates.admin.shared import chosen_analysis, person
from duplicates.choices import LaterEdits, Resolution
from duplicates.exceptions import DuplicatesError
from duplicates.models import CleanupPlan, DuplicateAnalysisResult
from duplicates.services import permissions, planning
from duplicates.services.selecting import GroupFilter, undecided_groups
from duplicates.tasks import enqueue_plan
from library import admin_pages as pages

LONGEST_NUMBER = 18  # digits: what fits into a database key


def new_plan_url(analysis: DuplicateAnalysisResult, wanted: GroupFilter) -> str:
    """Return the page that makes a plan over these groups."""
    values = {**wanted.as_json(), "analysis": str(analysis.pk)}
    if wanted.group_ids:
        values["group_ids"] = ",".join(map(str, wanted.group_ids))
    return f"{reverse('admin:duplicates_new_plan')}?{urlencode(values)}"


def filter_of(values: Any) -> GroupFilter:
    """Read which groups are meant from the address of a list or of the page above. Raises InvalidOptions."""
    said = {name: values.get(name, "") for name in GroupFilter.names()}
    said["search"] = said["search"] or values.get("q", "")
    said["itunes_match"] = said["itunes_match"] or values.get("itunes_match__exact", "")
    listed = values.get("group_ids", "").split(",")
    ids = tuple(int(one) for one in listed if one.isdecimal() and one.isascii() and len(one) <= LONGEST_NUMBER)
    return GroupFilter(**said, group_ids=ids)


@admin.register(CleanupPlan)
class CleanupPlanAdmin(pages.ReadOnlyAdmin):
    """Plans of the analyses one sees."""

    list_display = ("what", "state_shown", "groups", "copies", "done", "user_name", pages.when("created_at"))
    list_display_links = ("what",)
    list_filter = ("state", "resolution")
    sortable_by = ()
    ordering = ("-created_at",)
    empty_message: Any = gettext_lazy("No plan yet. Choose groups in their list and “Clean up these groups”.")
    fieldsets = ((None, {"fields": ()}),)
    change_form_template = "admin/duplicates/plan.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Plans of visible analyses, and one's own where the analysis is gone."""
        return CleanupPlan.objects.visible_to(request.user).select_related("analysis").order_by(*self.ordering)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(self.new_view), name="duplicates_new_plan"),
            path("<uuid:plan_id>/do/", view(self.do_view), name="duplicates_do_plan"),
            path("<uuid:plan_id>/progress/", view(self.progress_view), name="duplicates_plan_progress"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Fill the page of one plan."""
        return PlanPage(obj, person(request), timezone.now()).context()

    def new_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask what is to be done with the groups; then have a worker work it out."""
        analysis = chosen_analysis(request)
        if not permissions.may_review(request.user) or analysis is None:
            raise PermissionDenied
        back = f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?analysis={analysis.pk}"
        try:
            wanted = filter_of(request.GET)
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
            return HttpResponseRedirect(back)
        form = PlanForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return self._make(request, analysis, wanted, form)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Clean up these groups"),
            "form": form,
            "analysis": analysis,
            "analysis_age": pages.moment(analysis.age_anchor, timezone.now()),
            "meant": filter_in_words(wanted),
            "many": undecided_groups(analysis, wanted).count(),
            "may_remove": permissions.may_remove(request.user),
            "back_url": back,
        }
        return TemplateResponse(request, "admin/duplicates/new_plan.html", context)

    def _make(
        self, request: HttpRequest, analysis: DuplicateAnalysisResult, wanted: GroupFilter, form: PlanForm
    ) -> HttpResponseBase:
        resolution = form.cleaned_data["resolution"]
        if not permissions.may_plan(request.user, analysis, resolution):
            raise PermissionDenied
        plan = planning.plan_cleanup(
            analysis=analysis,
            wanted=wanted,
            resolution=resolution,
            profile=form.cleaned_data["profile"],
            actor=person(request),
            now=timezone.now(),
        )
        enqueue_plan(plan.pk)
        return HttpResponseRedirect(reverse("admin:duplicates_cleanupplan_change", args=[plan.pk]))

    def do_view(self, request: HttpRequest, plan_id: Any) -> HttpResponseBase:
        """Confirm, cancel, undo or continue a plan."""
        plan = self._plan(request, plan_id)
        url = reverse("admin:duplicates_cleanupplan_change", args=[plan.pk])
        if request.method != "POST":
            return HttpResponseRedirect(url)
        if not permissions.may_steer(request.user, plan):
            raise PermissionDenied
        try:
            after = self._do(request, plan)
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.ERROR)
        else:
            if planning.is_at_work(after):
                enqueue_plan(after.pk)
        return HttpResponseRedirect(url)

    def _do(self, request: HttpRequest, plan: CleanupPlan) -> CleanupPlan:
        who: dict[str, Any] = {"actor": person(request), "now": timezone.now()}
        match request.POST.get("verb"):
            case "confirm":
                return planning.confirm_plan(plan, typed_count=_typed(request.POST.get("count", "")), **who)
            case "cancel":
                return planning.cancel_plan(plan, **who)
            case "undo":
                edits = request.POST.get("later_edits", "")
                chosen = LaterEdits(edits) if edits in LaterEdits.values else LaterEdits.ASK
                return planning.undo_plan(plan, later_edits=chosen, **who)
            case "continue":
                return planning.continue_plan(plan, **who)
        raise Http404(_("There is no such verb."))

    def progress_view(self, request: HttpRequest, plan_id: Any) -> JsonResponse:
        """Say where a plan is, for the script of the page."""
        return JsonResponse(plan_progress(self._plan(request, plan_id), timezone.now()))

    def _plan(self, request: HttpRequest, plan_id: Any) -> CleanupPlan:
        if not self.has_view_permission(request):
            raise PermissionDenied
        plan: CleanupPlan | None = self.get_queryset(request).filter(pk=plan_id).first()
        if plan is None:
            raise Http404(_("There is no such plan."))
        return plan

    @admin.display(description=gettext_lazy("plan"))
    def what(self, plan: CleanupPlan) -> SafeString:
        return pages.two_lines(str(Resolution(plan.resolution).label), plan.profile_name)

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, plan: CleanupPlan) -> SafeString:
        return state_badge(plan)

    @admin.display(description=gettext_lazy("groups"))
    def groups(self, plan: CleanupPlan) -> str:
        return pages.number(plan.group_count)

    @admin.display(description=gettext_lazy("copies"))
    def copies(self, plan: CleanupPlan) -> str:
        return pages.number(plan.track_count)

    @admin.display(description=gettext_lazy("groups done"))
    def done(self, plan: CleanupPlan) -> str:
        return pages.number(plan.done_groups - plan.undone_groups)


def _typed(text: str) -> int | None:
    """Read a typed number, with or without separators; nothing typed is None, anything else no number of copies."""
    digits = "".join(one for one in text if not one.isspace() and one not in ",.'’")
    if not digits:
        return None
    return int(digits) if digits.isdecimal() and digits.isascii() and len(digits) <= LONGEST_NUMBER else -1
