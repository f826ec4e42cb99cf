"""The groups one track is in, in every analysis its reader sees: a fixed number of queries, the newest first."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from duplicates.admin.shared import band_badge, visible_results
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from library import admin_pages as pages
from library.models import Track
from library.moments import absolute

GROUPS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TrackGroup:
    """One group of the track, what the track is in it, and what became of it."""

    group: str
    url: str
    role: SafeString
    confidence: SafeString
    decision: SafeString
    analysis: str


def groups_of(request: HttpRequest, track: Track) -> list[TrackGroup]:
    """Return the newest groups that hold the track."""
    members = DuplicateAnalysisTrack.objects.filter(track_id=track.pk, group__analysis__in=visible_results(request))
    found = members.select_related("group", "group__analysis").defer("group__analysis__learnt_tables")
    return [_shown(member) for member in found.order_by("-group_id")[:GROUPS_SHOWN]]


def _shown(member: DuplicateAnalysisTrack) -> TrackGroup:
    group, analysis = member.group, member.group.analysis
    return TrackGroup(
        str(group),
        reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk]),
        pages.badge("keeper", _("Keeper")) if member.is_canonical else pages.badge("quiet", _("Duplicate")),
        band_badge(group.confidence, group.band),
        _decision(group),
        f"{analysis.get_preset_display()}, {absolute(analysis.age_anchor)}",
    )


def _decision(group: DuplicateAnalysisGroup) -> SafeString:
    return pages.badge("good", group.get_resolution_display()) if group.is_resolved else pages.badge("quiet", _("Open"))
