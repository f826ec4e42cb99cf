"""Factories of library rows with the dullest valid defaults; a test names only what it is about."""

import factory
from factory.django import DjangoModelFactory

from library.models import Playlist, PlaylistEntry, Track


class TrackFactory(DjangoModelFactory[Track]):
    """A track with a title, an artist and a length."""

    class Meta:
        model = Track

    source = "test"
    source_track_id = factory.Sequence(lambda number: f"track-{number}")
    title = factory.Sequence(lambda number: f"Song {number}")
    artist = "The Quiet Tide"
    duration_ms = 215_000


class PlaylistFactory(DjangoModelFactory[Playlist]):
    """An empty playlist."""

    class Meta:
        model = Playlist

    source = "test"
    source_playlist_id = factory.Sequence(lambda number: f"playlist-{number}")
    name = factory.Sequence(lambda number: f"Playlist {number}")


class PlaylistEntryFactory(DjangoModelFactory[PlaylistEntry]):
    """A place of a new track in a new playlist."""

    class Meta:
        model = PlaylistEntry

    playlist = factory.SubFactory(PlaylistFactory)
    track = factory.SubFactory(TrackFactory)
    position = factory.Sequence(lambda number: number)
