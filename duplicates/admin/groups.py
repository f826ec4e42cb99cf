"""Groups: the list people leaf through, and the page that sets members side by side and takes decisions."""

from dataclasses import replace
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.admin import review
from duplicates.admin.group_columns import GroupColumns, add_moments
from duplicates.admin.group_filters import (
    ArtistFilter,
    BandFilter,
    PresetFilter,
    ResolutionFilter,
    SinceFilter,
    SizeFilter,
    TouchedFilter,
)
from duplicates.admin.group_page import GroupPage, shown_members
from duplicates.admin.pair_page import pair_context
from duplicates.admin.plans import filter_of, new_plan_url
from duplicates.admin.published import PublishedOnly
from duplicates.admin.removal_view import RemovalView
from duplicates.admin.review_queue import QueueOfGroups, first_of_queue, queue_of
from duplicates.admin.shared import AnalysisFilter, chosen_analysis, person
from duplicates.exceptions import DuplicatesError
from duplicates.models import DuplicateAnalysisGroup, DuplicatePreferences
from duplicates.services import permissions
from duplicates.services.preview import preview_removal
from duplicates.services.selecting import with_words


class GroupList(ChangeList):
    """A page of groups as long as its reader likes."""

    _filters = ""

    @property
    def preserved_filters(self) -> str:
        """Nothing: the links have them already. Adding them, Django looks up for each link what address it is."""
        return ""

    @preserved_filters.setter
    def preserved_filters(self, filters: str) -> None:
        self._filters = filters

    def url_for_result(self, result: Any) -> str:
        url = super().url_for_result(result)
        return f"{url}?{self._filters}" if self._filters else url

    def get_results(self, request: HttpRequest) -> None:
        self.list_per_page = DuplicatePreferences.objects.of(person(request)).groups_per_page
        super().get_results(request)
        self.result_list = list(self.result_list)
        add_moments(self.result_list)


@admin.register(DuplicateAnalysisGroup)
class GroupAdmin(GroupColumns, PublishedOnly):
    """Groups of one analysis, in its order."""

    list_display = (
        "number",
        "shown_title",
        "shown_artist",
        "tracks",
        "sure",
        "why_keeper",
        "plays",
        "last_played",
        "added",
        "itunes",
        "decision",
    )
    list_display_links = ("number", "shown_title")
    list_filter = (
        PresetFilter,
        AnalysisFilter,
        BandFilter,
        ResolutionFilter,
        TouchedFilter,
        SinceFilter,
        SizeFilter,
        "itunes_match",
        ArtistFilter,
    )
    search_fields = ("title", "artist")
    search_help_text = gettext_lazy("Title or artist")
    searches_as_you_type = True
    sortable_by = ("number", "shown_title", "shown_artist", "tracks", "sure", "plays", "last_played", "added")
    ordering = ("position",)
    change_list_template = "admin/duplicates/of_analysis.html"
    fieldsets = ((None, {"fields": ()}),)
    change_form_template = "admin/duplicates/group.html"
    empty_message = gettext_lazy("No group: in this analysis every track stands alone.")
    actions: Any = ("clean_up",)

    def has_review_permission(self, request: HttpRequest) -> bool:
        return permissions.may_review(request.user)

    @admin.action(permissions=["review"], description=gettext_lazy("Clean up these groups…"))
    def clean_up(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponseRedirect:
        """Make a plan over the ticked groups, or over all that the filter shows."""
        analysis = chosen_analysis(request)
        try:
            wanted = filter_of(request.GET)
            if request.POST.get("select_across") != "1":
                wanted = replace(wanted, group_ids=tuple(queryset.values_list("pk", flat=True)))
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        if analysis is None:
            raise Http404(_("There is no such analysis."))
        return HttpResponseRedirect(new_plan_url(analysis, wanted))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QueueOfGroups if getattr(request, "wants_queue", False) else GroupList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find what a plan over the same list will find."""
        return with_words(queryset, search_term, analysis=chosen_analysis(request)), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Offer to review what the list shows, group by group."""
        review_url = f"{reverse('admin:duplicates_review')}?{request.GET.urlencode()}"
        return super().changelist_view(request, {"review_url": review_url} | (extra_context or {}))

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Fill the page of one group."""
        queue = queue_of(self, request, obj)
        page = GroupPage(obj, person(request), timezone.now(), queue)
        return page.context() | review.left_over(request)

    def get_urls(self) -> list[URLPattern]:
        def view(of: Any, where: str, name: str) -> URLPattern:
            found: URLPattern = path(where, self.admin_site.admin_view(of), name=f"duplicates_{name}")
            return found

        return [
            view(self.review_view, "review/", "review"),
            view(self.decide_view, "<int:group_id>/decide/", "decide"),
            view(self.preview_view, "<int:group_id>/preview/", "preview_removal"),
            view(self.explain_view, "<int:group_id>/explain/<int:track_id>/", "explain_member"),
            view(self.pair_view, "pair/", "explain_pair"),
            *super().get_urls(),
        ]

    def review_view(self, request: HttpRequest) -> HttpResponseBase:
        """Lead to the first group of the list as it is filtered and sorted, the first open one unless it says else."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if found := first_of_queue(self, request):
            return HttpResponseRedirect(found)
        self.message_user(request, _("Nothing to review here: no open group matches."), messages.INFO)
        return HttpResponseRedirect(
            f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?{request.GET.urlencode()}"
        )

    def decide_view(self, request: HttpRequest, group_id: int) -> HttpResponseBase:
        """Take a decision about a group."""
        group = self._group(request, group_id)
        return (
            review.decide(self, request, group) if request.method == "POST" else review.not_saved(self, request, group)
        )

    def preview_view(self, request: HttpRequest, group_id: int) -> HttpResponseBase:
        """Say what removing the ticked copies would do, for the script of the page."""
        group = self._group(request, group_id)
        preview = preview_removal(group, shown_members(group), wanted=_ticked(request))
        return TemplateResponse(request, "admin/duplicates/removal_preview.html", {"preview": RemovalView(preview)})

    def pair_view(self, request: HttpRequest) -> HttpResponseBase:
        """Say of any two tracks why they are, or are not, a group."""
        # Loads the matcher, which no other page of a group needs.
        from duplicates.services.explaining import explain_tracks, find_track  # noqa: PLC0415

        if not self.has_view_permission(request):
            raise PermissionDenied
        names = [request.GET.get(side, "").strip() for side in ("left", "right")]
        analysis = chosen_analysis(request)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "names": names,
            "of_analysis": analysis,
        }
        if all(names):
            try:
                found = explain_tracks(*map(find_track, names), analysis=analysis)
                context |= pair_context(found, of_group=False)
            except DuplicatesError as refused:
                context["refused"] = refused.sentence
        context |= {"title": _("Why, or why not?"), "subtitle": None}
        return TemplateResponse(request, "admin/duplicates/any_pair.html", context)

    def _group(self, request: HttpRequest, group_id: int) -> DuplicateAnalysisGroup:
        if not self.has_view_permission(request):
            raise PermissionDenied
        group: DuplicateAnalysisGroup | None = self.get_queryset(request).filter(pk=group_id).first()
        if group is None:
            raise Http404(_("There is no such group."))
        return group

    def explain_view(self, request: HttpRequest, group_id: int, track_id: int) -> HttpResponseBase:
        """Show a member against its keeper, step by step."""
        # Loads the matcher, which no other page of a group needs.
        from duplicates.services.explaining import explain_tracks, find_track  # noqa: PLC0415

        group = self._group(request, group_id)
        if not group.members.filter(track_id=track_id).exists():
            raise Http404(_("There is no such member."))
        group_url = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk])
        try:
            keeper, other = (find_track(str(number)) for number in (group.keeper_track_id, track_id))
            explained = explain_tracks(keeper, other, analysis=group.analysis)
        except DuplicatesError as refused:
            self.message_user(request, refused.sentence, messages.WARNING)
            return HttpResponseRedirect(group_url)
        context = {
            **self.admin_site.each_context(request),
            **pair_context(explained),
            "group": group,
            "group_url": group_url,
        }
        return TemplateResponse(request, "admin/duplicates/pair.html", context)


def _ticked(request: HttpRequest) -> list[int]:
    """Return the copies an address names for removal."""
    return [int(one) for one in request.GET.getlist("removing") if one.isascii() and one.isdecimal() and len(one) < 19]
