"""What is lent: removed copies in force, and what their keepers said before.

What a keeper shows is computed from its own values and those of the copies merged into it, never added up step by step.
So an undo in any order, and an import that brings new values of its own, both come out exact. `library.quarantine`
writes these rows; nothing else does.
"""

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy


class Merge(models.Model):
    """One removed copy and the keeper that stands in for it.

    The row stays in force until the removal is undone. It outlives its track, so that a copy purged here and still
    present at its source is recognised when an import brings it back. So is a keeper that was pruned and comes again.
    """

    # The copy: where it comes from, and the row it had or has
    source = models.CharField(max_length=100)
    source_track_id = models.CharField(max_length=300)
    track_id = models.BigIntegerField(unique=True)

    # What it gives, and to whom
    keeper_id = models.BigIntegerField()
    keeper_source = models.CharField(max_length=100, blank=True)
    keeper_source_track_id = models.CharField(max_length=300, blank=True)
    values = models.JSONField(help_text=lazy("What the copy says of itself, field by field."))
    removed_at = models.DateTimeField()

    class Meta:
        constraints = [
            # An import asks by this key whether a new row is a removed copy.
            models.UniqueConstraint(fields=["source", "source_track_id"], name="merge_source_identity"),
        ]
        indexes = [
            # Everything merged into one keeper, in order.
            models.Index(fields=["keeper_id", "id"], name="merge_keeper"),
            # An import asks by this key whether a new row is a keeper that was pruned.
            models.Index(fields=["keeper_source", "keeper_source_track_id"], name="merge_keeper_identity"),
        ]

    def __str__(self) -> str:
        return _("Track %(track_id)s merged into %(keeper_id)s") % {
            "track_id": self.track_id,
            "keeper_id": self.keeper_id,
        }


class MergedValue(models.Model):
    """A field in which a keeper shows something else than its own value, because of a merge."""

    track_id = models.BigIntegerField()
    field = models.CharField(max_length=40)
    own = models.JSONField(null=True, help_text=lazy("What the keeper's source, or a person, says."))
    written = models.JSONField(null=True, help_text=lazy("What the merge made of it; anything else is a later edit."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["track_id", "field"], name="merged_value_once"),
        ]

    def __str__(self) -> str:
        return _("%(field)s of track %(track_id)s") % {"field": self.field, "track_id": self.track_id}


class MergedPlace(models.Model):
    """A playlist place whose own track is removed: taken over by the keeper, or closed because the keeper is there."""

    playlist = models.ForeignKey("library.Playlist", on_delete=models.DB_CASCADE, related_name="merged_places")
    position = models.PositiveIntegerField()
    own_track_id = models.BigIntegerField()
    written_track_id = models.BigIntegerField(null=True, help_text=lazy("Nothing where the place is closed."))

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["playlist", "position"], name="merged_place_once"),
        ]
        indexes = [
            # The places of a copy that comes back.
            models.Index(fields=["own_track_id"], name="merged_place_own_track"),
        ]

    def __str__(self) -> str:
        return f"{self.playlist_id} #{self.position}"
