"""Members of groups: the list, and the page of one."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.published import PublishedOnly
from duplicates.admin.shared import AnalysisFilter, itunes_badge
from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisTrack
from library import admin_pages as pages

PLAYED, ADDED = pages.when("last_played_at"), pages.when("added_at")


class RoleFilter(admin.SimpleListFilter):
    """Keepers, or the duplicates beside them."""

    title = lazy("role")
    parameter_name = "role"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("keeper", _("Keepers")), ("duplicate", _("Duplicates"))]

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
    search_help_text = lazy("Title, artist or album")
    sortable_by = ()
    ordering = ("group_id", "position")
    change_list_template = "admin/duplicates/of_analysis.html"
    empty_message = lazy("No member: in this analysis every track stands alone.")
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
        (
            lazy("What it said"),
            {"fields": ("title", "artist", "album_artist", "album", "length", "year", "isrc", "quality")},
        ),
        (lazy("What people did with it"), {"fields": ("play_count", "rating", PLAYED, ADDED)}),
        (lazy("Where it comes from"), {"fields": ("source", "source_track_id", "itunes", "itunes_persistent_id")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("group")

    @admin.display(description=lazy("title"))
    def shown_title(self, member: DuplicateAnalysisTrack) -> SafeString:
        return pages.two_lines(member.title or _("Untitled"), member.artist or _("Unknown artist"))

    @admin.display(description=lazy("length"))
    def length(self, member: DuplicateAnalysisTrack) -> str:
        return pages.length(member.duration_ms)

    @admin.display(description=lazy("file"))
    def quality(self, member: DuplicateAnalysisTrack) -> str:
        return pages.quality(member.format, member.bit_rate_kbps)

    @admin.display(description=lazy("role"))
    def role(self, member: DuplicateAnalysisTrack) -> SafeString:
        return pages.badge("keeper", _("Keeper")) if member.is_canonical else pages.badge("quiet", _("Duplicate"))

    @admin.display(description=lazy("similarity"))
    def alike(self, member: DuplicateAnalysisTrack) -> str:
        return pages.UNKNOWN if member.is_canonical else pages.percent(member.similarity)

    @admin.display(description=lazy("match"))
    def direct(self, member: DuplicateAnalysisTrack) -> str:
        if member.is_canonical:
            return pages.UNKNOWN
        return _("Direct") if member.matches_keeper else _("Through others")

    @admin.display(description="iTunes")
    def itunes(self, member: DuplicateAnalysisTrack) -> str | SafeString:
        return pages.UNKNOWN if member.itunes_match == ITunesMatch.NONE else itunes_badge(member.itunes_match)

    @admin.display(description=lazy("group"))
    def in_group(self, member: DuplicateAnalysisTrack) -> SafeString:
        link = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[member.group_id])
        return format_html('<a href="{}">#{}</a>', link, pages.number(member.group.position))

    @admin.display(description=lazy("track now"))
    def track_link(self, member: DuplicateAnalysisTrack) -> str | SafeString:
        if not member.still_exists:
            return _("Not in the library any more")
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:library_track_change", args=[member.track_id]), _("Show")
        )
