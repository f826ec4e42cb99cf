"""Groups and their members: the list people leaf through, and the page that sets members side by side."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from duplicates.admin.group_page import GroupPage
from duplicates.admin.pair_page import pair_context
from duplicates.admin.shared import (
    AnalysisFilter,
    OfVisibleAnalyses,
    band_badge,
    chosen_analysis,
    follow_if_possible,
    itunes_badge,
    person,
)
from duplicates.choices import ACTIVE, AnalysisStatus, ConfidenceBand, ITunesMatch, Resolution
from duplicates.exceptions import DuplicatesError
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack, DuplicatePreferences
from duplicates.services.difference import GroupChange, groups_that_changed
from duplicates.services.library_changes import touched_groups
from library import admin_pages as pages

PLAYED, ADDED = pages.when("last_played_at"), pages.when("added_at")


class BandFilter(admin.SimpleListFilter):
    """How sure a group is, in the bands of the settings."""

    title = "confidence"
    parameter_name = "band"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return ConfidenceBand.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        very_high, high, medium = settings.CONFIDENCE_VERY_HIGH, settings.CONFIDENCE_HIGH, settings.CONFIDENCE_MEDIUM
        limits = {
            ConfidenceBand.VERY_HIGH: Q(confidence__gte=very_high),
            ConfidenceBand.HIGH: Q(confidence__gte=high, confidence__lt=very_high),
            ConfidenceBand.MEDIUM: Q(confidence__gte=medium, confidence__lt=high),
            ConfidenceBand.LOW: Q(confidence__lt=medium),
        }
        return queryset.filter(limits[ConfidenceBand(value)]) if (value := self.value()) in limits else queryset


class SizeFilter(admin.SimpleListFilter):
    """Pairs, small groups and large ones; large ones deserve a closer look."""

    title = "size"
    parameter_name = "size"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pair", "Two tracks"), ("few", "3 to 5 tracks"), ("many", "More than 5")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        limits = {
            "pair": Q(member_count=2),
            "few": Q(member_count__range=(3, 5)),
            "many": Q(member_count__gt=5),
        }
        return queryset.filter(limits[value]) if (value := self.value()) in limits else queryset


class ResolutionFilter(admin.SimpleListFilter):
    """Still open, or what was decided."""

    title = "decision"
    parameter_name = "decision"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), *((value, str(label)) for value, label in Resolution.choices)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "open":
            return queryset.filter(is_resolved=False)
        return queryset.filter(is_resolved=True, resolution=self.value()) if self.value() else queryset


class TouchedFilter(admin.SimpleListFilter):
    """Groups with a member that was edited or removed since the analysis; every other one is still true."""

    title = "still true"
    parameter_name = "touched"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.analysis = chosen_analysis(request)
        return [("yes", "A track has changed"), ("no", "Unchanged")] if self.analysis else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.analysis is None or self.value() not in ("yes", "no"):
            return queryset
        touched = touched_groups(self.analysis).values("pk")
        return queryset.filter(pk__in=touched) if self.value() == "yes" else queryset.exclude(pk__in=touched)


class SinceFilter(admin.SimpleListFilter):
    """What became of a group since the analysis before. Those that are gone are listed there."""

    title = "since the one before"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.analysis = chosen_analysis(request)
        older = self.analysis.predecessor if self.analysis else None
        fates = [fate for fate in GroupChange if fate != GroupChange.GONE]
        return [(fate.value, str(fate.label)) for fate in fates] if older else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        older = self.analysis.predecessor if self.analysis else None
        fate = self.value()
        if older is None or self.analysis is None or fate is None or fate not in dict(self.lookup_choices):
            return queryset
        changed = groups_that_changed(older, self.analysis, GroupChange(fate))
        return queryset.filter(pk__in=changed.values("pk"))


class GroupList(ChangeList):
    """A page of groups as long as its reader likes."""

    def get_results(self, request: HttpRequest) -> None:
        self.list_per_page = DuplicatePreferences.objects.of(person(request)).groups_per_page
        super().get_results(request)


class PublishedOnly(OfVisibleAnalyses):
    """Rows of finished analyses, and what stopped ones kept: a run under way may have written some that are neither."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        completed = Q(**{f"{self.analysis_path}__status": AnalysisStatus.COMPLETED})
        kept = Q(**{f"{self.analysis_path}__is_partial": True}) & ~Q(**{f"{self.analysis_path}__status__in": ACTIVE})
        return super().get_queryset(request).filter(completed | kept)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Show what is true now of tracks that an import or somebody else took out of the library."""
        follow_if_possible()
        return super().change_view(request, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Say which analysis the list is about."""
        follow_if_possible()
        analysis = chosen_analysis(request)
        context: dict[str, Any] = {"of_analysis": analysis}
        if analysis is not None:
            context["of_analysis_age"] = pages.moment(analysis.age_anchor, timezone.now())
        return super().changelist_view(request, context | (extra_context or {}))


@admin.register(DuplicateAnalysisGroup)
class GroupAdmin(PublishedOnly):
    """Groups of one analysis, in its order."""

    list_display = (
        "number",
        "shown_title",
        "tracks",
        "sure",
        "why_keeper",
        "plays",
        "itunes",
        "decision",
    )
    list_display_links = ("number", "shown_title")
    list_filter = (
        AnalysisFilter,
        BandFilter,
        ResolutionFilter,
        TouchedFilter,
        SinceFilter,
        SizeFilter,
        "itunes_match",
    )
    search_fields = ("title", "artist")
    search_help_text = "Title or artist"
    sortable_by = ("number", "sure", "tracks", "plays")
    ordering = ("position",)
    change_list_template = "admin/duplicates/of_analysis.html"
    fieldsets = ((None, {"fields": ()}),)
    change_form_template = "admin/duplicates/group.html"
    empty_message = "No group: in this analysis every track stands alone."

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return GroupList

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Fill the page of one group."""
        return GroupPage(obj, timezone.now()).context()

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.explain_view)
        return [
            path("<int:group_id>/explain/<int:track_id>/", view, name="duplicates_explain_member"),
            *super().get_urls(),
        ]

    def explain_view(self, request: HttpRequest, group_id: int, track_id: int) -> HttpResponseBase:
        """Show a member against its keeper, step by step."""
        # Loads the matcher, which no other page of a group needs.
        from duplicates.services.explaining import explain_tracks, find_track  # noqa: PLC0415

        if not self.has_view_permission(request):
            raise PermissionDenied
        group = self.get_queryset(request).filter(pk=group_id).first()
        if group is None or not group.members.filter(track_id=track_id).exists():
            raise Http404("There is no such group or member.")
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

    @admin.display(description="#", ordering="position")
    def number(self, group: DuplicateAnalysisGroup) -> str:
        return pages.number(group.position)

    @admin.display(description="title")
    def shown_title(self, group: DuplicateAnalysisGroup) -> SafeString:
        return pages.two_lines(group.title or "Untitled", group.artist or "Unknown artist")

    @admin.display(description="tracks", ordering="member_count")
    def tracks(self, group: DuplicateAnalysisGroup) -> str:
        if group.remaining_count < group.member_count:
            return f"{group.remaining_count} of {group.member_count}"
        return pages.number(group.member_count)

    @admin.display(description="confidence", ordering="confidence")
    def sure(self, group: DuplicateAnalysisGroup) -> SafeString:
        return band_badge(group.confidence, group.band)

    @admin.display(description="keeper because")
    def why_keeper(self, group: DuplicateAnalysisGroup) -> str:
        reason = group.keeper_reason.removeprefix("Kept because ").partition(";")[0]
        return reason or group.keeper_rule.replace("_", " ")

    @admin.display(description="plays", ordering="total_plays")
    def plays(self, group: DuplicateAnalysisGroup) -> str:
        return pages.number(group.total_plays)

    @admin.display(description="iTunes")
    def itunes(self, group: DuplicateAnalysisGroup) -> str | SafeString:
        return pages.UNKNOWN if group.itunes_match == ITunesMatch.NONE else itunes_badge(group.itunes_match)

    @admin.display(description="decision")
    def decision(self, group: DuplicateAnalysisGroup) -> SafeString:
        if not group.is_resolved:
            return pages.badge("quiet", "Open")
        return pages.badge("good", group.get_resolution_display())


class RoleFilter(admin.SimpleListFilter):
    """Keepers, or the duplicates beside them."""

    title = "role"
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("keeper", "Keepers"), ("duplicate", "Duplicates")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("keeper", "duplicate"):
            return queryset
        return queryset.filter(is_canonical=self.value() == "keeper")


@admin.register(DuplicateAnalysisTrack)
class MemberAdmin(PublishedOnly):
    """Members of groups, as their tracks were when the analysis read them."""

    analysis_path = "group__analysis"
    list_display = (
        "shown_title",
        "album",
        "length",
        "quality",
        "role",
        "alike",
        "direct",
        "itunes",
        "in_group",
    )
    list_filter = (AnalysisFilter, RoleFilter, "matches_keeper", "still_exists", "itunes_match")
    search_fields = ("title", "artist", "album")
    search_help_text = "Title, artist or album"
    sortable_by = ()
    ordering = ("group_id", "position")
    change_list_template = "admin/duplicates/of_analysis.html"
    empty_message = "No member: in this analysis every track stands alone."
    readonly_fields = (
        "length",
        "quality",
        "role",
        "alike",
        "direct",
        "itunes",
        "in_group",
        "track_link",
        PLAYED,
        ADDED,
    )
    fieldsets = (
        (None, {"fields": ("in_group", "role", "alike", "direct", "track_link")}),
        ("What it said", {"fields": ("title", "artist", "album_artist", "album", "length", "year", "isrc", "quality")}),
        ("What people did with it", {"fields": ("play_count", "rating", PLAYED, ADDED)}),
        ("Where it comes from", {"fields": ("source", "source_track_id", "itunes", "itunes_persistent_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("group")

    @admin.display(description="title")
    def shown_title(self, member: DuplicateAnalysisTrack) -> SafeString:
        return pages.two_lines(member.title or "Untitled", member.artist or "Unknown artist")

    @admin.display(description="length")
    def length(self, member: DuplicateAnalysisTrack) -> str:
        return pages.length(member.duration_ms)

    @admin.display(description="file")
    def quality(self, member: DuplicateAnalysisTrack) -> str:
        return pages.quality(member.format, member.bit_rate_kbps)

    @admin.display(description="role")
    def role(self, member: DuplicateAnalysisTrack) -> SafeString:
        return pages.badge("keeper", "Keeper") if member.is_canonical else pages.badge("quiet", "Duplicate")

    @admin.display(description="similarity")
    def alike(self, member: DuplicateAnalysisTrack) -> str:
        return pages.UNKNOWN if member.is_canonical else pages.percent(member.similarity)

    @admin.display(description="match")
    def direct(self, member: DuplicateAnalysisTrack) -> str:
        if member.is_canonical:
            return pages.UNKNOWN
        return "Direct" if member.matches_keeper else "Through others"

    @admin.display(description="iTunes")
    def itunes(self, member: DuplicateAnalysisTrack) -> str | SafeString:
        return pages.UNKNOWN if member.itunes_match == ITunesMatch.NONE else itunes_badge(member.itunes_match)

    @admin.display(description="group")
    def in_group(self, member: DuplicateAnalysisTrack) -> SafeString:
        link = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[member.group_id])
        return format_html('<a href="{}">#{}</a>', link, pages.number(member.group.position))

    @admin.display(description="track now")
    def track_link(self, member: DuplicateAnalysisTrack) -> str | SafeString:
        if not member.still_exists:
            return "Not in the library any more"
        return format_html('<a href="{}">Open</a>', reverse("admin:library_track_change", args=[member.track_id]))
