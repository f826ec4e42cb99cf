"""What music we have.

A `Track` is one row of somebody's library, not a recording: the same recording may be here several times, which is what
Reprise is for. This module knows nothing of duplicates.
"""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from library.merged import Merge, MergedPlace, MergedValue

__all__ = [
    "Availability",
    "ChangeKind",
    "ITunesTrack",
    "ImportStatus",
    "LibraryChange",
    "LibraryImport",
    "LibraryRevision",
    "Merge",
    "MergedPlace",
    "MergedValue",
    "Playlist",
    "PlaylistEntry",
    "Track",
    "TrackQuerySet",
    "TrackTouch",
]


class Availability(models.TextChoices):
    """Where the audio of a track is, as far as its source says."""

    LOCAL = "local", lazy("In the library")
    CLOUD = "cloud", lazy("Cloud only")
    MISSING = "missing", lazy("File missing")
    UNKNOWN = "unknown", lazy("Not stated")


class TrackQuerySet(models.QuerySet["Track"]):
    """Adjectives for tracks."""

    def active(self) -> TrackQuerySet:
        """Tracks that are part of the library now: not in quarantine."""
        return self.filter(quarantined_at__isnull=True)

    def quarantined(self) -> TrackQuerySet:
        return self.filter(quarantined_at__isnull=False)

    def from_source(self, source: str) -> TrackQuerySet:
        return self.filter(source=source)


class Track(models.Model):
    """One track of the library, as its source describes it.

    Blank text and null numbers mean "not known". `unparsed` keeps the text of values that could not be read as what
    their column promises (a length of "unk."), by field name. Removal is a state, not a deletion: a track with
    `quarantined_at` is out of the library until it is restored or purged.
    """

    # Identity
    source = models.CharField(
        max_length=100, help_text=lazy("Which library, file or folder this track was imported from.")
    )
    source_track_id = models.CharField(max_length=300, help_text=lazy("The id it has there."))

    # What it says it is
    title = models.TextField(blank=True)
    artist = models.TextField(blank=True)
    album_artist = models.TextField(blank=True)
    album = models.TextField(blank=True)
    genre = models.TextField(blank=True)
    track_number = models.PositiveIntegerField(null=True, blank=True)
    disc_number = models.PositiveIntegerField(null=True, blank=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    release_date = models.DateField(null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField(lazy("duration (ms)"), null=True, blank=True)
    isrc = models.CharField("ISRC", max_length=12, blank=True)
    musicbrainz_recording_id = models.CharField(lazy("MusicBrainz recording id"), max_length=36, blank=True)
    explicit = models.BooleanField(null=True, blank=True)
    compilation = models.BooleanField(default=False)
    unparsed = models.JSONField(default=dict, blank=True)

    # The file
    location = models.TextField(blank=True)
    availability = models.CharField(max_length=10, choices=Availability, default=Availability.UNKNOWN)
    format = models.CharField(max_length=60, blank=True)
    bit_rate_kbps = models.PositiveIntegerField(lazy("bit rate (kbit/s)"), null=True, blank=True)
    sample_rate_hz = models.PositiveIntegerField(lazy("sample rate (Hz)"), null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(lazy("size (bytes)"), null=True, blank=True)
    lossless = models.BooleanField(null=True, blank=True)

    # What people did with it
    play_count = models.PositiveIntegerField(default=0)
    skip_count = models.PositiveIntegerField(default=0)
    last_played_at = models.DateTimeField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text=lazy("0 to 100."))
    loved = models.BooleanField(default=False)
    added_at = models.DateTimeField(lazy("date added"), null=True, blank=True)

    # Our own bookkeeping
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_import = models.ForeignKey(
        "LibraryImport", null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+", editable=False
    )
    quarantined_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_protected = models.BooleanField(
        "protected", default=False, db_default=False, help_text=lazy("Never removed as a duplicate.")
    )

    objects = TrackQuerySet.as_manager()

    class Meta:
        constraints = [
            # Re-import finds its row again by this key, and two sources never overwrite each other.
            models.UniqueConstraint(fields=["source", "source_track_id"], name="track_source_identity"),
            models.CheckConstraint(condition=Q(rating__isnull=True) | Q(rating__lte=100), name="track_rating_0_to_100"),
        ]
        indexes = [
            # No index on title or artist themselves: PostgreSQL refuses an index row of a 10,000-character title.
            # What waits in quarantine.
            models.Index(
                fields=["quarantined_at"], name="track_quarantined", condition=Q(quarantined_at__isnull=False)
            ),
            # The cross-reference by recording code.
            models.Index(fields=["isrc"], name="track_isrc", condition=~Q(isrc="")),
        ]
        permissions = [
            ("view_track_location", "Can see where a track's file lies"),
            ("listen_to_tracks", "Can listen to tracks"),
        ]

    def __str__(self) -> str:
        return _("%(title)s by %(artist)s") % {
            "title": self.title or _("Untitled"),
            "artist": self.artist or _("unknown artist"),
        }


class Playlist(models.Model):
    """A playlist of one source, in its order."""

    source = models.CharField(max_length=100)
    source_playlist_id = models.CharField(max_length=300)
    name = models.TextField()
    is_smart = models.BooleanField(default=False, help_text=lazy("Filled by rules in the application it came from."))
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "source_playlist_id"], name="playlist_source_identity"),
        ]

    def __str__(self) -> str:
        return self.name


class PlaylistEntry(models.Model):
    """One place in a playlist. The same track may hold several places."""

    playlist = models.ForeignKey(Playlist, on_delete=models.DB_CASCADE, related_name="entries")
    track = models.ForeignKey(Track, on_delete=models.DB_CASCADE, related_name="playlist_entries")
    position = models.PositiveIntegerField(help_text=lazy("Counts from 0."))

    class Meta:
        verbose_name_plural = lazy("playlist entries")
        constraints = [
            # One track a place; re-import replaces a playlist's places as a whole.
            models.UniqueConstraint(fields=["playlist", "position"], name="playlist_entry_position"),
        ]

    def __str__(self) -> str:
        return f"{self.playlist_id} #{self.position}"


class ImportStatus(models.TextChoices):
    """reading → applying → completed; or failed, or partial when what was readable was kept on request.

    A large upload is queued first, until a worker takes it up.
    """

    QUEUED = "queued", lazy("Queued")
    READING = "reading", lazy("Reading")
    APPLYING = "applying", lazy("Applying")
    COMPLETED = "completed", lazy("Completed")
    PARTIAL = "partial", lazy("Kept in part")
    FAILED = "failed", lazy("Failed")


class LibraryImport(models.Model):
    """One run of an import, and its reconciliation: seen = added + changed + unchanged + skipped.

    Its path is read to the end first (reading), then applied in short batches (applying). A run killed while applying
    is completed from its spool by the next import. A dry run is written once, when it has ended; its counts are what an
    import would have done.
    """

    import_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    # What was imported
    source = models.CharField(max_length=100)
    format = models.CharField(max_length=20)
    file_name = models.CharField(max_length=500, help_text=lazy("Name without its folder."))
    is_catalog = models.BooleanField(default=False, help_text=lazy("Loaded as the iTunes reference catalogue."))
    is_dry_run = models.BooleanField(default=False)
    options = models.JSONField(default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )

    # State
    status = models.CharField(max_length=10, choices=ImportStatus, default=ImportStatus.READING)
    started_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    applied_entries = models.PositiveIntegerField(
        default=0, help_text=lazy("Spool lines applied; where a next run goes on.")
    )
    spool = models.CharField(max_length=500, blank=True, editable=False)

    # Reconciliation
    seen_count = models.PositiveIntegerField(default=0)
    added_count = models.PositiveIntegerField(default=0)
    changed_count = models.PositiveIntegerField(default=0)
    unchanged_count = models.PositiveIntegerField(default=0)
    skipped_count = models.PositiveIntegerField(default=0)
    vanished_count = models.PositiveIntegerField(
        default=0, help_text=lazy("Known from before, not in the file any more.")
    )
    pruned_count = models.PositiveIntegerField(default=0)
    playlist_count = models.PositiveIntegerField(default=0)
    report = models.JSONField(default=dict, help_text=lazy("Skipped entries by reason with examples, flags, warnings."))
    error_message = models.TextField(blank=True)

    class Meta:
        indexes = [
            # The list page, and the search for an import that was cut short.
            models.Index(fields=["-started_at"], name="import_newest"),
            models.Index(fields=["status"], name="import_status"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} ({self.state_words})"

    @property
    def state_words(self) -> str:
        """The state in words; a dry run says that it is one."""
        words = self.get_status_display()
        return _("Dry run: %(words)s") % {"words": words.lower()} if self.is_dry_run else words


class ChangeKind(models.TextChoices):
    """What happened to a track, as seen from the library."""

    ADDED = "added", lazy("Added")
    MODIFIED = "modified", lazy("Modified")
    DELETED = "deleted", lazy("Deleted")


class LibraryChange(models.Model):
    """One recorded change of one track, written by a database trigger and never by hand.

    Quarantine counts as deleted and restore as added. Only fields that matter for matching make a change; playing a
    song is not one. `before` holds those fields as they were. `cause` names what the change belongs to, such as
    `analysis:<id>` while that analysis is being resolved.
    """

    revision = models.PositiveBigIntegerField()
    track_id = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=ChangeKind)
    cause = models.CharField(max_length=100, blank=True, default="", db_default="")
    before = models.JSONField(null=True, blank=True)
    changed_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            # Counting what changed since an analysis is one range of this index.
            models.Index(fields=["revision", "track_id"], name="change_revision_track"),
            # A track's timeline.
            models.Index(fields=["track_id", "revision"], name="change_track_timeline"),
        ]

    def __str__(self) -> str:
        return _("r%(revision)s: track %(track_id)s %(kind)s") % {
            "revision": self.revision,
            "track_id": self.track_id,
            "kind": str(self.get_kind_display()).lower(),
        }


class LibraryRevision(models.Model):
    """The one row that counts recorded changes.

    Every writer updates it inside its own transaction, so its row lock makes the order of revisions the order of
    commits: nothing with a lower revision can appear after a reader has noted a higher one.
    """

    value = models.PositiveBigIntegerField(default=0, db_default=0)
    cause = models.CharField(max_length=100, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return _("Revision %(value)s") % {"value": self.value}


class TrackTouch(models.Model):
    """When a track was last touched: a play, a rating or the like, which is no change of the library.

    Written by a database trigger and never by hand, one row a track. No constraint: a row may outlive its track.
    """

    track_id = models.BigIntegerField(primary_key=True)
    stamp = models.PositiveBigIntegerField()  # grows; see `library.touches`

    class Meta:
        verbose_name_plural = "track touches"
        indexes = [
            # What was touched since an analysis is one range of this index.
            models.Index(fields=["stamp"], name="touch_stamp"),
        ]

    def __str__(self) -> str:
        return f"{self.track_id} @ {self.stamp}"


class ITunesTrack(models.Model):
    """One entry of the iTunes reference catalogue: read-only, all entries of a song kept."""

    persistent_id = models.CharField(max_length=16)
    catalog = models.CharField(max_length=100, help_text=lazy("The library the entry came from."))
    title = models.TextField(blank=True)
    artist = models.TextField(blank=True)
    album_artist = models.TextField(blank=True)
    album = models.TextField(blank=True)
    genre = models.TextField(blank=True)
    track_number = models.PositiveIntegerField(null=True, blank=True)
    disc_number = models.PositiveIntegerField(null=True, blank=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    release_date = models.DateField(null=True, blank=True)
    duration_ms = models.PositiveBigIntegerField(null=True, blank=True)
    isrc = models.CharField("ISRC", max_length=12, blank=True)
    explicit = models.BooleanField(null=True, blank=True)
    compilation = models.BooleanField(default=False)
    play_count = models.PositiveIntegerField(default=0)
    last_played_at = models.DateTimeField(null=True, blank=True)
    rating = models.PositiveSmallIntegerField(null=True, blank=True)
    loved = models.BooleanField(default=False)
    added_at = models.DateTimeField(null=True, blank=True)
    last_import = models.ForeignKey(
        LibraryImport, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )

    class Meta:
        verbose_name = lazy("iTunes track")
        constraints = [
            models.UniqueConstraint(fields=["catalog", "persistent_id"], name="itunes_track_identity"),
        ]
        indexes = [
            # The two keys by which the cross-reference asks.
            models.Index(fields=["persistent_id"], name="itunes_persistent_id"),
            models.Index(fields=["isrc"], name="itunes_isrc", condition=~Q(isrc="")),
        ]

    def __str__(self) -> str:
        return _("%(title)s by %(artist)s") % {
            "title": self.title or _("Untitled"),
            "artist": self.artist or _("unknown artist"),
        }
