"""The columns of the list of groups, and by what it sorts where no column of the table says it."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Max, Min, OuterRef, Subquery
from django.db.models.functions import Coalesce, Lower
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.admin.shared import band_badge, itunes_badge
from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.told import told
from library import admin_pages as pages
from library.moments import absolute

# Where nothing is known; so that a sort key is never empty and can be compared.
LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
_MEMBERS = DuplicateAnalysisTrack.objects.filter(group=OuterRef("pk")).order_by().values("group")
LAST_PLAYED = Subquery(_MEMBERS.annotate(found=Max("last_played_at")).values("found"))
FIRST_ADDED = Subquery(_MEMBERS.annotate(found=Min("added_at")).values("found"))


def add_moments(groups: list[Any]) -> None:
    """Tell each group when one of its members was played last, and when the first was added."""
    members = DuplicateAnalysisTrack.objects.filter(group__in=groups).order_by().values("group")
    found = members.annotate(played=Max("last_played_at"), first_added=Min("added_at"))
    moments = {row["group"]: (row["played"], row["first_added"]) for row in found}
    for group in groups:
        group.played, group.first_added = moments.get(group.pk, (None, None))


class GroupColumns:
    """How one group is shown in its row."""

    @admin.display(description="#", ordering="position")
    def number(self, group: DuplicateAnalysisGroup) -> str:
        return pages.number(group.position)

    @admin.display(description=lazy("title"), ordering=Lower("title"))
    def shown_title(self, group: DuplicateAnalysisGroup) -> str:
        return group.title or _("Untitled")

    @admin.display(description=lazy("artist"), ordering=Lower("artist"))
    def shown_artist(self, group: DuplicateAnalysisGroup) -> str:
        return group.artist or _("Unknown artist")

    @admin.display(description=lazy("tracks"), ordering="member_count")
    def tracks(self, group: DuplicateAnalysisGroup) -> str:
        if group.remaining_count < group.member_count:
            return _("%(left)s of %(all)s") % {"left": group.remaining_count, "all": group.member_count}
        return pages.number(group.member_count)

    @admin.display(description=lazy("confidence"), ordering="confidence")
    def sure(self, group: DuplicateAnalysisGroup) -> SafeString:
        return band_badge(group.confidence, group.band)

    @admin.display(description=lazy("keeper because"))
    def why_keeper(self, group: DuplicateAnalysisGroup) -> str:
        reason = group.keeper_reason.removeprefix("Kept because ").partition(";")[0]
        return told(reason) or group.keeper_rule.replace("_", " ")

    @admin.display(description=lazy("plays"), ordering="total_plays")
    def plays(self, group: DuplicateAnalysisGroup) -> str:
        return pages.number(group.total_plays)

    @admin.display(description=lazy("last played"), ordering=Coalesce(LAST_PLAYED, LONG_AGO))
    def last_played(self, group: Any) -> str:
        return _day(group.played)

    @admin.display(description=lazy("added"), ordering=Coalesce(FIRST_ADDED, LONG_AGO))
    def added(self, group: Any) -> str:
        return _day(group.first_added)

    @admin.display(description="iTunes")
    def itunes(self, group: DuplicateAnalysisGroup) -> str | SafeString:
        return pages.UNKNOWN if group.itunes_match == ITunesMatch.NONE else itunes_badge(group.itunes_match)

    @admin.display(description=lazy("decision"))
    def decision(self, group: DuplicateAnalysisGroup) -> SafeString:
        if not group.is_resolved:
            return pages.badge("quiet", _("Open"))
        return pages.badge("good", group.get_resolution_display())


def _day(moment: datetime | None) -> str:
    return pages.UNKNOWN if moment is None else absolute(moment).partition(",")[0]
