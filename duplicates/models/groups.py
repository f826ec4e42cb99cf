"""`DuplicateAnalysisGroup` and `DuplicateAnalysisTrack`: what an analysis found, with snapshots of every member.

A member keeps what its track said when it was analysed, so that a result stays readable after the track is gone.
"""

import hashlib
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import ConfidenceBand, ITunesMatch, Resolution
from duplicates.models.analysis import DuplicateAnalysisResult
from library.models import Track


def band_of(confidence: float) -> ConfidenceBand:
    """Return the confidence band a probability falls into, by the limits in the settings."""
    if confidence >= settings.CONFIDENCE_VERY_HIGH:
        return ConfidenceBand.VERY_HIGH
    if confidence >= settings.CONFIDENCE_HIGH:
        return ConfidenceBand.HIGH
    return ConfidenceBand.MEDIUM if confidence >= settings.CONFIDENCE_MEDIUM else ConfidenceBand.LOW


VERSION_FIELDS = ("keeper_track_id", "resolution", "remaining_count", "keeper_chosen_at", "resolved_at")


def version_of(
    keeper_track_id: int,
    resolution: str,
    remaining_count: int,
    keeper_chosen_at: datetime | None,
    resolved_at: datetime | None,
) -> str:
    """Return the version of a group with these values, in the order of VERSION_FIELDS."""
    chosen, resolved = keeper_chosen_at and keeper_chosen_at.timestamp(), resolved_at and resolved_at.timestamp()
    said = repr((keeper_track_id, resolution, remaining_count, chosen, resolved))
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


class DuplicateAnalysisGroup(models.Model):
    """Tracks that one analysis takes for the same, and what a person decided about them."""

    # Identity
    # No index of its own, here and at the members: every row saved pays for it, and longer ones below begin with it.
    # On PostgreSQL no foreign key either: triggers do the same by the statement (migration 0045), and for the people
    # below only where one is named (migration 0048).
    analysis = models.ForeignKey(
        DuplicateAnalysisResult, on_delete=models.DB_CASCADE, related_name="groups", db_index=False
    )
    position = models.PositiveIntegerField(help_text=lazy("Counts from 1 in the order the analysis asked for."))
    group_key = models.CharField(max_length=32, help_text=lazy("Equal for the same members in any analysis."))
    identity = models.CharField(
        max_length=32, editable=False, help_text=lazy("Stays when a refresh adds or drops members.")
    )

    # What people see in a list
    title = models.TextField(blank=True)
    artist = models.TextField(blank=True)
    member_count = models.PositiveIntegerField()
    duplicate_count = models.PositiveIntegerField()
    total_plays = models.PositiveBigIntegerField(default=0)

    # Evidence
    confidence = models.FloatField(help_text=lazy("The weakest member's probability against the keeper."))
    average_similarity = models.FloatField()
    cohesion = models.FloatField(help_text=lazy("Share of the group's pairs that are links of their own."))

    # The keeper
    keeper_track_id = models.BigIntegerField()
    keeper_rule = models.CharField(max_length=40)
    keeper_reason = models.TextField(blank=True)
    keeper_chosen_at = models.DateTimeField(null=True, blank=True, help_text=lazy("Nothing where the analysis chose."))
    keeper_chosen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DB_SET_NULL,
        related_name="+",
        db_index=False,
    )

    # iTunes
    itunes_match = models.CharField(lazy("iTunes match"), max_length=5, choices=ITunesMatch, default=ITunesMatch.NONE)
    itunes_match_count = models.PositiveIntegerField(default=0)

    # Resolution
    remaining_count = models.PositiveIntegerField(help_text=lazy("Members still in the library."))
    lost_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text=lazy("When the last member went, by a road other than clean-up."),
    )
    is_resolved = models.BooleanField(default=False)
    resolution = models.CharField(max_length=16, choices=Resolution, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DB_SET_NULL,
        related_name="+",
        db_index=False,
    )

    class Meta:
        verbose_name = lazy("duplicate group")
        permissions = [("review_groups", "Can decide about groups")]
        indexes = [
            # Paging by confidence, and the open ones of an analysis.
            models.Index(fields=["analysis", "-confidence", "id"], name="group_by_confidence"),
            models.Index(fields=["analysis", "is_resolved", "position"], name="group_open"),
            # How often people agreed with the matcher, by confidence; only what is decided is in it.
            models.Index(
                fields=["resolution", "confidence", "identity"], name="group_decided", condition=Q(is_resolved=True)
            ),
            # What a person who leaves has decided and chosen; few groups are in these and most cost nothing.
            models.Index(fields=["resolved_by"], name="group_resolved_by", condition=Q(resolved_by__isnull=False)),
            models.Index(
                fields=["keeper_chosen_by"], name="group_chosen_by", condition=Q(keeper_chosen_by__isnull=False)
            ),
            # The chosen keepers of an analysis, which a refresh takes over.
            models.Index(fields=["analysis"], name="group_chosen", condition=Q(keeper_chosen_at__isnull=False)),
        ]
        constraints = [
            # Paging in the order of the analysis; also keeps a repeated save from doubling groups.
            models.UniqueConstraint(fields=["analysis", "position"], name="group_position"),
            models.CheckConstraint(
                condition=Q(member_count__gte=2) & Q(duplicate_count=F("member_count") - 1), name="group_has_duplicates"
            ),
            # No clean-up takes the last copy: who deletes it elsewhere must say so with `lost_at`.
            models.CheckConstraint(
                condition=Q(remaining_count__gte=1) | Q(lost_at__isnull=False), name="group_keeps_a_copy"
            ),
        ]

    def __str__(self) -> str:
        return _("#%(position)s %(title)s by %(artist)s") % {
            "position": self.position,
            "title": self.title or _("Untitled"),
            "artist": self.artist or _("unknown artist"),
        }

    @property
    def band(self) -> ConfidenceBand:
        return band_of(self.confidence)

    @property
    def version(self) -> str:
        """16 hex digits that differ once anybody decides otherwise, removes a copy or gives it another keeper."""
        return version_of(*(getattr(self, name) for name in VERSION_FIELDS))


class TrackSnapshot(models.Model):
    """What a track said when it was analysed: each field is the column of the same name in `Track`, copied by SQL."""

    source = models.CharField(max_length=100)
    source_track_id = models.CharField(max_length=300)
    title = models.TextField(blank=True)
    artist = models.TextField(blank=True)
    album_artist = models.TextField(blank=True)
    album = models.TextField(blank=True)
    genre = models.TextField(blank=True)
    track_number = models.PositiveIntegerField(null=True)
    disc_number = models.PositiveIntegerField(null=True)
    year = models.PositiveSmallIntegerField(null=True)
    duration_ms = models.PositiveBigIntegerField(null=True)
    isrc = models.CharField("ISRC", max_length=12, blank=True)
    explicit = models.BooleanField(null=True)
    format = models.CharField(max_length=60, blank=True)
    bit_rate_kbps = models.PositiveIntegerField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    lossless = models.BooleanField(null=True)
    play_count = models.PositiveIntegerField(default=0)
    skip_count = models.PositiveIntegerField(default=0)
    last_played_at = models.DateTimeField(null=True)
    rating = models.PositiveSmallIntegerField(null=True)
    loved = models.BooleanField(default=False)
    added_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


class DuplicateAnalysisTrack(TrackSnapshot):
    """One member of a group: the track as it was when the analysis read it, and its evidence against the keeper."""

    # Identity
    group = models.ForeignKey(
        DuplicateAnalysisGroup, on_delete=models.DB_CASCADE, related_name="members", db_index=False
    )
    # No constraint and no cascade: the snapshot outlives its track.
    track = models.ForeignKey(Track, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+", db_index=False)
    position = models.PositiveIntegerField(help_text=lazy("0 is the keeper."))

    # Evidence
    is_canonical = models.BooleanField("keeper", default=False)
    similarity = models.FloatField(help_text=lazy("Match probability against the keeper; the keeper's own is 1."))
    match_weight = models.FloatField(help_text=lazy("The same evidence in bits."))
    evidence = models.BigIntegerField(
        help_text=lazy("Packed comparison levels; the analysis holds the tables to read it.")
    )
    matches_keeper = models.BooleanField(help_text=lazy("A direct match, not only through other members."))

    # iTunes
    itunes_match = models.CharField(lazy("iTunes match"), max_length=5, choices=ITunesMatch, default=ITunesMatch.NONE)
    itunes_confidence = models.FloatField(null=True)
    itunes_persistent_id = models.CharField(max_length=16, blank=True)
    itunes_differences = models.JSONField(default=list)

    # What became of it
    still_exists = models.BooleanField(default=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = lazy("group member")
        indexes = [
            # The groups of one track, and the members to mark when a track goes.
            models.Index(fields=["track"], name="member_track"),
            # What went lately, and how many keepers were among it.
            models.Index(fields=["deleted_at"], name="member_gone", condition=Q(still_exists=False)),
        ]
        constraints = [
            # Members in order; one query shows a page of groups with all of them.
            models.UniqueConstraint(fields=["group", "position"], name="member_position"),
            # One keeper, since one member is first. A look at the row; an index would cost each one saved.
            models.CheckConstraint(
                condition=Q(is_canonical=True, position=0) | Q(is_canonical=False, position__gt=0),
                name="member_keeper_is_first",
            ),
        ]

    def __str__(self) -> str:
        return _("%(title)s by %(artist)s") % {
            "title": self.title or _("Untitled"),
            "artist": self.artist or _("unknown artist"),
        }
