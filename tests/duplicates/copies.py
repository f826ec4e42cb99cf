"""Groups whose members are snapshots of real tracks, and playlists of them: what clean-up tests begin with."""

from typing import Any

from duplicates.engine.shipped import shipped_model
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS
from duplicates.services.options import AnalysisOptions
from library.changes import current_revision
from library.models import Playlist, PlaylistEntry, Track
from tests.duplicates.factories import AnalysisFactory, MemberFactory, TrackFactory
from tests.factories import PlaylistFactory


def copy(**values: Any) -> Track:
    """Return a track of the library."""
    return TrackFactory.create(**values)


def group_of(*tracks: Track, analysis: DuplicateAnalysisResult | None = None, **values: Any) -> DuplicateAnalysisGroup:
    """Return a group of these tracks, the first being the keeper, as an analysis would save it now."""
    analysis = analysis or AnalysisFactory.create(library_revision=current_revision())
    group = DuplicateAnalysisGroup.objects.create(
        analysis=analysis,
        position=analysis.groups.count() + 1,
        group_key=f"{tracks[0].pk:032x}",
        title=tracks[0].title,
        member_count=len(tracks),
        duplicate_count=len(tracks) - 1,
        remaining_count=len(tracks),
        confidence=0.97,
        average_similarity=0.97,
        cohesion=1.0,
        keeper_track_id=tracks[0].pk,
        keeper_rule="most_played",
        **values,
    )
    for place, track in enumerate(tracks):
        track.refresh_from_db()
        snapshot = {name: getattr(track, name) for name in SNAPSHOT_COLUMNS}
        MemberFactory.create(group=group, track=track, position=place, **snapshot)
    return group


def analysis_with_weights() -> DuplicateAnalysisResult:
    """Return an analysis that kept what is needed to judge other pairs."""
    tables = shipped_model(AnalysisOptions().engine_settings()).to_bytes()
    return AnalysisFactory.create(library_revision=current_revision(), learnt_tables=tables)


def playlist_of(*tracks: Track) -> Playlist:
    """Return a playlist with these tracks at places 0, 1, 2, …"""
    playlist = PlaylistFactory.create()
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(playlist=playlist, track=track, position=place) for place, track in enumerate(tracks)
    )
    return playlist


def places(playlist: Playlist) -> dict[int, int]:
    """Return the track at each place of a playlist."""
    return dict(PlaylistEntry.objects.filter(playlist=playlist).values_list("position", "track_id"))


def everything() -> dict[str, list[Any]]:
    """Return every row a clean-up may change, to be compared with itself later."""
    return {
        "tracks": list(Track.objects.order_by("pk").values()),
        "places": sorted(PlaylistEntry.objects.values_list("playlist_id", "position", "track_id")),
        "groups": list(DuplicateAnalysisGroup.objects.order_by("pk").values()),
        "members": [
            member
            for group in DuplicateAnalysisGroup.objects.order_by("pk")
            for member in group.members.order_by("position").values()
        ],
    }
