"""The library as programs see it: tracks, and playlists with their places. Read only."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from duplicates.api.access import Door
from duplicates.api.history_serializers import EventSerializer
from duplicates.api.pages import CursorPages
from duplicates.choices import TokenScope
from duplicates.services import permissions
from duplicates.services.timeline import track_timeline
from library.models import Availability, Playlist, PlaylistEntry, Track
from library.search import beginning_with, is_small


class TrackSerializer(serializers.ModelSerializer[Track]):
    """One track, as its source describes it; nothing or null is "not known"."""

    availability = serializers.ChoiceField(Availability.choices, read_only=True)
    location = serializers.SerializerMethodField(help_text="Null for those who may not see where files lie.")

    class Meta:
        model = Track
        fields = (
            "id",
            "source",
            "source_track_id",
            "title",
            "artist",
            "album_artist",
            "album",
            "genre",
            "track_number",
            "disc_number",
            "year",
            "release_date",
            "duration_ms",
            "isrc",
            "musicbrainz_recording_id",
            "explicit",
            "compilation",
            "unparsed",
            "location",
            "availability",
            "format",
            "bit_rate_kbps",
            "sample_rate_hz",
            "size_bytes",
            "lossless",
            "play_count",
            "skip_count",
            "last_played_at",
            "rating",
            "loved",
            "added_at",
            "is_protected",
            "quarantined_at",
        )
        read_only_fields = fields

    def get_location(self, track: Track) -> str | None:
        return track.location if permissions.may_see_location(self.context["request"].user) else None


class PlaylistSerializer(serializers.ModelSerializer[Playlist]):
    """One playlist."""

    entry_count = serializers.IntegerField(read_only=True)

    class Meta:
        model = Playlist
        fields = ("id", "source", "source_playlist_id", "name", "is_smart", "entry_count")
        read_only_fields = fields


class EntrySerializer(serializers.ModelSerializer[PlaylistEntry]):
    """One place of a playlist, counted from 0."""

    track_id = serializers.IntegerField(read_only=True)
    title = serializers.CharField(source="track.title", read_only=True)
    artist = serializers.CharField(source="track.artist", read_only=True)

    class Meta:
        model = PlaylistEntry
        fields = ("position", "track_id", "title", "artist")
        read_only_fields = fields


class TrackFilters(django_filters.FilterSet):
    """Narrow the list of tracks."""

    source = django_filters.CharFilter(max_length=100)
    source_track_id = django_filters.CharFilter(max_length=300)
    isrc = django_filters.CharFilter(max_length=12)
    availability = django_filters.ChoiceFilter(choices=Availability.choices)
    in_quarantine = django_filters.BooleanFilter(field_name="quarantined_at", lookup_expr="isnull", exclude=True)
    is_protected = django_filters.BooleanFilter()
    search = django_filters.CharFilter(method="with_words", max_length=200)

    class Meta:
        model = Track
        fields: ClassVar[list[str]] = []

    def with_words(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Search a large library by beginnings, as the admin does; a small one by any part."""
        if value.strip() and not is_small():
            return beginning_with(queryset, value.strip())
        for word in value.split():
            queryset = queryset.filter(Q(title__icontains=word) | Q(artist__icontains=word) | Q(album__icontains=word))
        return queryset


class EntriesInOrder(CursorPages):
    """In the order of the playlist."""

    ordering = ("position",)


@extend_schema_view(
    list=extend_schema(operation_id="list_tracks", summary="List tracks, newest first"),
    retrieve=extend_schema(operation_id="get_track", summary="Show one track"),
)
class TrackViewSet(Door, viewsets.ReadOnlyModelViewSet[Track]):
    """Tracks of the library, and those in quarantine."""

    queryset = Track.objects.all()
    serializer_class = TrackSerializer
    filterset_class = TrackFilters
    pagination_class = CursorPages
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_view_tracks),
        "retrieve": (TokenScope.READ, permissions.may_view_tracks),
        "timeline": (TokenScope.READ, permissions.may_view_tracks),
    }

    @extend_schema(
        operation_id="get_track_timeline",
        summary="Everything that happened to a track",
        responses=EventSerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=None, filter_backends=())
    def timeline(self, request: Request, pk: Any = None) -> Response:
        """Imported, edited, grouped, kept, removed, restored, decided: the newest first, at most 200."""
        return Response(EventSerializer(track_timeline(self.get_object()), many=True).data)


@extend_schema_view(
    list=extend_schema(operation_id="list_playlists", summary="List playlists"),
    retrieve=extend_schema(operation_id="get_playlist", summary="Show one playlist"),
)
class PlaylistViewSet(Door, viewsets.ReadOnlyModelViewSet[Playlist]):
    """Playlists, each with its places in order."""

    queryset = Playlist.objects.annotate(entry_count=Count("entries"))
    serializer_class = PlaylistSerializer
    pagination_class = CursorPages
    lookup_value_converter = "int"
    access = {
        "list": (TokenScope.READ, permissions.may_view_playlists),
        "retrieve": (TokenScope.READ, permissions.may_view_playlists),
        "entries": (TokenScope.READ, permissions.may_view_playlists),
    }

    @extend_schema(
        operation_id="list_playlist_entries",
        summary="List the places of a playlist",
        responses=EntrySerializer(many=True),
        filters=False,
    )
    @action(detail=True, pagination_class=EntriesInOrder, filter_backends=())
    def entries(self, request: Request, pk: Any = None) -> Response:
        """Every place, a page at a time."""
        entries: Any = self.get_object().entries.select_related("track")
        page: Any = self.paginate_queryset(entries) or []
        return self.get_paginated_response(EntrySerializer(page, many=True).data)
