"""What duplicates add to playlists: which of their tracks are held twice, and protection of all of them at once.

The library's own page knows nothing of duplicates; this one takes its place.
"""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from duplicates.admin.protecting import ProtectActions
from duplicates.admin.shared import band_badge, visible_results
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import permissions
from library.admin import PlaylistAdmin
from library.models import Playlist, Track

GROUPS_SHOWN = 50

admin.site.unregister(Playlist)


@admin.register(Playlist)
class PlaylistWithGroupsAdmin(ProtectActions, PlaylistAdmin):
    """A playlist, its tracks, and the open groups they are in."""

    change_form_template = "admin/duplicates/playlist.html"
    actions: Any = ("protect", "lift_protection")

    def tracks_of(self, rows: QuerySet[Any]) -> QuerySet[Track]:
        return Track.objects.filter(playlist_entries__playlist__in=rows.order_by().values("pk"))

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Name the groups that stand open in the newest result."""
        if not permissions.may_view_groups(request.user):
            return {}
        found = open_groups(request, obj)[: GROUPS_SHOWN + 1]
        return {
            "shows_groups": True,
            "its_groups": [
                {
                    "name": str(group),
                    "url": reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk]),
                    "confidence": band_badge(group.confidence, group.band),
                }
                for group in found[:GROUPS_SHOWN]
            ],
            "has_more_groups": len(found) > GROUPS_SHOWN,
        }


def open_groups(request: HttpRequest, playlist: Playlist) -> QuerySet[DuplicateAnalysisGroup]:
    """Return the undecided groups of the newest visible result that hold a track of the playlist, in their order."""
    newest = visible_results(request).order_by("-created_at").values("pk")[:1]
    members = DuplicateAnalysisTrack.objects.filter(track_id__in=playlist.entries.order_by().values("track_id"))
    groups = DuplicateAnalysisGroup.objects.filter(analysis__in=newest, is_resolved=False)
    return groups.filter(pk__in=members.values("group_id")).order_by("position")
