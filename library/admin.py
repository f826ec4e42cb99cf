"""The library in the admin: tracks may be corrected, everything an import or a trigger wrote can only be read."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminTextInputWidget
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from library import admin_pages as pages
from library.admin_filters import CatalogFilter, FormatFilter, QuarantineFilter, SourceFilter
from library.changes import recording
from library.listening import CONTENT_TYPES, audio_file
from library.models import (
    Availability,
    ChangeKind,
    ImportStatus,
    ITunesTrack,
    LibraryChange,
    LibraryImport,
    Playlist,
    PlaylistEntry,
    Track,
)
from library.ranges import send_file
from library.reconciliation import asked_lines, report_lines
from library.search import beginning_with, is_small

ENTRIES_SHOWN = 200

CREATED, COMPLETED, QUARANTINED = pages.when("created_at"), pages.when("completed_at"), pages.when("quarantined_at")

AVAILABILITY_BADGES = {
    Availability.LOCAL: "good",
    Availability.CLOUD: "info",
    Availability.MISSING: "warn",
    Availability.UNKNOWN: "quiet",
}
IMPORT_BADGES = {
    ImportStatus.QUEUED: "quiet",
    ImportStatus.READING: "info",
    ImportStatus.APPLYING: "info",
    ImportStatus.COMPLETED: "good",
    ImportStatus.PARTIAL: "warn",
    ImportStatus.FAILED: "bad",
}
CHANGE_BADGES = {ChangeKind.ADDED: "good", ChangeKind.MODIFIED: "info", ChangeKind.DELETED: "warn"}


@admin.register(Track)
class TrackAdmin(pages.CalmAdmin):
    """Tracks may be corrected; they come by import and leave by quarantine, never by hand here."""

    list_display = ("shown_title", "shown_album", "length", "year", "quality", "plays", "state")
    list_filter = (QuarantineFilter, "availability", SourceFilter, FormatFilter)
    search_fields = ("title", "artist", "album")
    search_help_text = lazy("Title, artist or album")
    searches_as_you_type = True
    sortable_by = ()
    ordering = ("-pk",)
    actions: Any = None
    empty_message = lazy("No track here. Bring a library in: uv run manage.py import_library PATH")
    readonly_fields = (
        "source",
        "source_track_id",
        "unparsed_values",
        "last_import",
        CREATED,
        QUARANTINED,
        "is_protected",
        "playlists",
    )
    fieldsets = (
        (
            lazy("What it says it is"),
            {
                "fields": (
                    "title",
                    "artist",
                    "album_artist",
                    "album",
                    ("track_number", "disc_number", "year", "release_date"),
                    ("duration_ms", "genre"),
                    ("isrc", "musicbrainz_recording_id"),
                    ("explicit", "compilation"),
                    "unparsed_values",
                )
            },
        ),
        (
            lazy("The file"),
            {
                "fields": (
                    "location",
                    "availability",
                    ("format", "bit_rate_kbps", "sample_rate_hz"),
                    ("size_bytes", "lossless"),
                )
            },
        ),
        (
            lazy("What people did with it"),
            {
                "fields": (
                    ("play_count", "skip_count", "rating", "loved"),
                    "last_played_at",
                    "added_at",
                    "playlists",
                )
            },
        ),
        (
            lazy("Where it came from"),
            {"fields": ("source", "source_track_id", "last_import", CREATED, QUARANTINED, "is_protected")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("last_import")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave the file's place out for those who may not see it."""
        if request.user.has_perm("library.view_track_location"):
            return super().get_fieldsets(request, obj)
        return [
            (name, options | {"fields": tuple(field for field in options["fields"] if field != "location")})
            for name, options in super().get_fieldsets(request, obj)
        ]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Give long texts one line: titles and artists are no essays."""
        if db_field.get_internal_type() == "TextField":
            kwargs["widget"] = AdminTextInputWidget(attrs={"class": "vLargeTextField"})
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.show_hidden_initial = True  # tells what a person changed from what changed while the page was open
        return field

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write what the person changed and nothing else: a merge or an import may have written the rest meanwhile."""
        with recording(""):
            obj.save(update_fields=form.changed_data)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search a large library by beginnings, which its indexes know; a small one by any part."""
        if not search_term.strip() or is_small():
            return super().get_search_results(request, queryset, search_term)
        return beginning_with(queryset, search_term.strip()), False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.listen_view)
        return [path("<int:track_id>/listen/", view, name="library_listen"), *super().get_urls()]

    def listen_view(self, request: HttpRequest, track_id: int) -> HttpResponseBase:
        """Send the audio of a track, whole or the part a player asks for, to those who may hear it."""
        if not (self.has_view_permission(request) and request.user.has_perm("library.listen_to_tracks")):
            raise PermissionDenied
        location = Track.objects.filter(pk=track_id).values_list("location", flat=True).first()
        file = audio_file(location or "")
        if file is None:
            raise Http404(_("There is nothing to hear."))
        return send_file(request, file, content_type=CONTENT_TYPES[file.suffix.lower()])

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=lazy("title"))
    def shown_title(self, track: Track) -> SafeString:
        return pages.two_lines(track.title or _("Untitled"), track.artist or _("Unknown artist"))

    @admin.display(description=lazy("album"))
    def shown_album(self, track: Track) -> str:
        return track.album

    @admin.display(description=lazy("length"))
    def length(self, track: Track) -> str:
        return pages.length(track.duration_ms)

    @admin.display(description=lazy("file"))
    def quality(self, track: Track) -> str:
        return pages.quality(track.format, track.bit_rate_kbps)

    @admin.display(description=lazy("plays"))
    def plays(self, track: Track) -> str:
        return pages.number(track.play_count)

    @admin.display(description=lazy("state"))
    def state(self, track: Track) -> SafeString:
        if track.quarantined_at:
            return pages.badge("bad", _("In quarantine"))
        if track.is_protected:
            return pages.badge("keeper", _("Protected"))
        availability = Availability(track.availability)
        return pages.badge(AVAILABILITY_BADGES[availability], availability.label)

    @admin.display(description=lazy("Values that could not be read"))
    def unparsed_values(self, track: Track) -> str | SafeString:
        return format_html_join("; ", "{}: “{}”", track.unparsed.items()) or pages.UNKNOWN

    @admin.display(description=lazy("playlists"))
    def playlists(self, track: Track) -> str | SafeString:
        entries = track.playlist_entries.select_related("playlist").order_by("playlist_id", "position")
        rows = ((entry.playlist.name, entry.position + 1) for entry in entries[:ENTRIES_SHOWN])
        return format_html_join(", ", _("{} (place {})"), rows) or _("In none")


@admin.register(Playlist)
class PlaylistAdmin(pages.ReadOnlyAdmin):
    """Playlists as they were imported."""

    list_display = ("name", "source", "entry_count", "is_smart", CREATED)
    list_filter = (SourceFilter, "is_smart")
    search_fields = ("name",)
    sortable_by = ()
    ordering = ("-pk",)
    empty_message = lazy("No playlist here. iTunes libraries bring theirs along: uv run manage.py import_library PATH")
    fields = ("name", "source", "source_playlist_id", "is_smart", CREATED, "entry_count", "tracks")
    readonly_fields = (CREATED, "entry_count", "tracks")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Count entries by a subquery, so that only the rows of the page are counted."""
        entries = PlaylistEntry.objects.filter(playlist=OuterRef("pk")).order_by().values("playlist")
        counted = Subquery(entries.annotate(count=Count("pk")).values("count"))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(entries_counted=Coalesce(counted, 0))
        return rows

    @admin.display(description=lazy("tracks"))
    def entry_count(self, playlist: Any) -> str:
        return pages.number(playlist.entries_counted)

    @admin.display(description=lazy("in their order"))
    def tracks(self, playlist: Playlist) -> str | SafeString:
        entries = playlist.entries.select_related("track").order_by("position")[:ENTRIES_SHOWN]
        lines = format_html_join(
            "",
            '<li><a href="{}">{}</a></li>',
            ((reverse("admin:library_track_change", args=[entry.track_id]), entry.track) for entry in entries),
        )
        return format_html('<ol class="plain-list">{}</ol>', lines) if lines else _("Empty")


@admin.register(LibraryImport)
class LibraryImportAdmin(pages.ReadOnlyAdmin):
    """Imports with their reconciliation: what was seen is added, changed, unchanged or skipped."""

    list_display = (
        "file_name",
        "source",
        "state",
        "started",
        "seen",
        "added",
        "changed",
        "unchanged",
        "skipped",
    )
    list_filter = ("status", "is_dry_run", "format", "is_catalog", "started_at")
    search_fields = ("file_name", "source")
    sortable_by = ("started",)
    ordering = ("-started_at",)
    empty_message = lazy("No import yet. Bring a library in: uv run manage.py import_library PATH")
    fieldsets = (
        (None, {"fields": ("file_name", "source", "format", "state", "error_message", "started", COMPLETED)}),
        (
            lazy("Reconciliation"),
            {
                "fields": (
                    "seen",
                    "added",
                    "changed",
                    "unchanged",
                    "skipped",
                    "vanished_count",
                    "pruned_count",
                    "playlist_count",
                )
            },
        ),
        (lazy("Report"), {"fields": ("report_text",)}),
        (lazy("How it was asked for"), {"fields": ("user", "asked")}),
    )
    readonly_fields = (
        "state",
        "started",
        COMPLETED,
        "seen",
        "added",
        "changed",
        "unchanged",
        "skipped",
        "report_text",
        "asked",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("user")

    @admin.display(description=lazy("status"))
    def state(self, row: LibraryImport) -> SafeString:
        return pages.badge(IMPORT_BADGES[ImportStatus(row.status)], row.state_words)

    @admin.display(description=lazy("started"), ordering="started_at")
    def started(self, row: LibraryImport) -> str | SafeString:
        return pages.moment(row.started_at, timezone.now())

    @admin.display(description=lazy("seen"))
    def seen(self, row: LibraryImport) -> str:
        return pages.number(row.seen_count)

    @admin.display(description=lazy("added"))
    def added(self, row: LibraryImport) -> str:
        return pages.number(row.added_count)

    @admin.display(description=lazy("changed"))
    def changed(self, row: LibraryImport) -> str:
        return pages.number(row.changed_count)

    @admin.display(description=lazy("unchanged"))
    def unchanged(self, row: LibraryImport) -> str:
        return pages.number(row.unchanged_count)

    @admin.display(description=lazy("skipped"))
    def skipped(self, row: LibraryImport) -> str:
        return pages.number(row.skipped_count)

    @admin.display(description=lazy("report"))
    def report_text(self, row: LibraryImport) -> str | SafeString:
        """Show the report in the words the import printed."""
        if not row.report:
            return pages.UNKNOWN
        return format_html('<pre class="json" tabindex="0">{}</pre>', "\n".join(report_lines(row)))

    @admin.display(description=lazy("options"))
    def asked(self, row: LibraryImport) -> SafeString:
        return pages.lines(asked_lines(row)) if row.options else format_html("{}", pages.UNKNOWN)


@admin.register(LibraryChange)
class LibraryChangeAdmin(pages.ReadOnlyAdmin):
    """The library's own diary, written by the database."""

    list_display = ("revision", "track", "what", "cause", "changed")
    list_filter = ("kind", "changed_at")
    search_fields = ("track_id__exact", "revision__exact")
    search_help_text = lazy("Number of a track or of a revision")
    sortable_by = ()
    ordering = ("-pk",)
    empty_message = lazy("No change recorded yet. Every track added, edited or removed will be listed here.")
    fields = ("revision", "track", "what", "cause", "changed", "before_text")
    readonly_fields = ("track", "what", "changed", "before_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("before")

    @admin.display(description=lazy("track"))
    def track(self, change: LibraryChange) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:library_track_change", args=[change.track_id]), change.track_id
        )

    @admin.display(description=lazy("what"))
    def what(self, change: LibraryChange) -> SafeString:
        kind = ChangeKind(change.kind)
        return pages.badge(CHANGE_BADGES[kind], kind.label)

    @admin.display(description=lazy("when"))
    def changed(self, change: LibraryChange) -> str | SafeString:
        return pages.moment(change.changed_at, timezone.now())

    @admin.display(description=lazy("as it was before"))
    def before_text(self, change: LibraryChange) -> SafeString:
        return pages.facts(change.before)


@admin.register(ITunesTrack)
class ITunesTrackAdmin(pages.ReadOnlyAdmin):
    """The iTunes reference catalogue."""

    list_display = ("shown_title", "album", "length", "year", "plays", "catalog")
    list_filter = (CatalogFilter,)
    search_fields = ("title", "artist", "album", "persistent_id__exact")
    search_help_text = lazy("Title, artist, album or persistent id")
    sortable_by = ()
    ordering = ("-pk",)
    empty_message = lazy("No iTunes catalogue is loaded. Load one: uv run manage.py import_library PATH --catalog")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("last_import")

    @admin.display(description=lazy("title"))
    def shown_title(self, track: ITunesTrack) -> SafeString:
        return pages.two_lines(track.title or _("Untitled"), track.artist or _("Unknown artist"))

    @admin.display(description=lazy("length"))
    def length(self, track: ITunesTrack) -> str:
        return pages.length(track.duration_ms)

    @admin.display(description=lazy("plays"))
    def plays(self, track: ITunesTrack) -> str:
        return pages.number(track.play_count)
