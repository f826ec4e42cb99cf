"""`CleanupAction` and `LedgerEntry`: what was removed, by whom, and every single value that moved with it.

`LibraryMark` remembers up to where saved analyses have followed the library.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import CleanupState, LedgerKind
from duplicates.models.analysis import DuplicateAnalysisResult, sees_all
from duplicates.models.groups import DuplicateAnalysisGroup


class CleanupActionQuerySet(models.QuerySet["CleanupAction"]):
    """Adjectives for clean-up actions."""

    def done(self) -> CleanupActionQuerySet:
        """Removals in force whose tracks can still come back."""
        return self.filter(state=CleanupState.DONE)

    def visible_to(self, user: Any) -> CleanupActionQuerySet:
        """One's own and the system's, and those in analyses a person sees."""
        if sees_all(user):
            return self
        visible = DuplicateAnalysisResult.objects.visible_to(user).values("pk")
        return self.filter(Q(user_id=user.pk) | Q(user_id=None, user_name="") | Q(analysis__in=visible))

    def expired(self, now: datetime) -> CleanupActionQuerySet:
        """Removals whose tracks may be purged."""
        return self.exclude(state=CleanupState.UNDONE).filter(expires_at__lte=now)


class CleanupAction(models.Model):
    """One removal: some copies of one group, merged into its keeper.

        done → undone
             → purged    (its tracks are deleted; an import may bring them back into quarantine)

    It outlives the analysis it belongs to, so that what was removed can still be brought back.
    """

    # Identity
    action_id = models.UUIDField("id", primary_key=True, default=uuid.uuid4, editable=False)
    batch_id = models.UUIDField(editable=False, help_text=lazy("Shared by everything done in one go."))
    analysis = models.ForeignKey(
        DuplicateAnalysisResult, null=True, on_delete=models.DB_SET_NULL, related_name="cleanup_actions"
    )
    group = models.ForeignKey(
        DuplicateAnalysisGroup, null=True, on_delete=models.DB_SET_NULL, related_name="cleanup_actions"
    )
    label = models.TextField(help_text=lazy("How the group was called."))
    keeper_track_id = models.BigIntegerField()

    # Who and when; names are frozen
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    user_name = models.CharField(max_length=150, blank=True, help_text=lazy("Blank means the system."))
    created_at = models.DateTimeField()

    # State
    state = models.CharField(max_length=8, choices=CleanupState, default=CleanupState.DONE)
    expires_at = models.DateTimeField(help_text=lazy("From then on its tracks may be purged."))
    ended_at = models.DateTimeField(null=True, help_text=lazy("When it was undone or purged."))

    # Counts
    removed_count = models.PositiveIntegerField()
    plays_moved = models.PositiveBigIntegerField(default=0)
    places_moved = models.PositiveIntegerField(default=0)
    bytes_freed = models.PositiveBigIntegerField(null=True, help_text=lazy("Nothing where a size is not known."))

    objects = CleanupActionQuerySet.as_manager()

    class Meta:
        verbose_name = "removal"
        permissions = [
            ("remove_duplicates", "Can remove duplicates and undo it"),
            ("purge_removed", "Can delete removed duplicates for good"),
        ]
        indexes = [
            # Everything of one batch; one person's day; what may be purged.
            models.Index(fields=["batch_id"], name="cleanup_batch"),
            models.Index(fields=["user", "-created_at"], name="cleanup_user_time"),
            models.Index(fields=["state", "expires_at"], name="cleanup_expiry"),
            # What was done lately, one by one or in bulk.
            models.Index(fields=["created_at"], name="cleanup_time"),
            # What waits, the first to expire first.
            models.Index(fields=["expires_at"], name="cleanup_expires"),
        ]

    def __str__(self) -> str:
        return _("%(removed_count)s removed from %(label)s") % {
            "removed_count": self.removed_count,
            "label": self.label,
        }

    @property
    def is_of_the_system(self) -> bool:
        """Has nobody done this? What somebody did who has left since keeps their name and stays theirs."""
        return self.user_id is None and not self.user_name


class LedgerEntry(models.Model):
    """One thing an action changed, before and after: a track's state, a value, a playlist place, a group's decision."""

    action = models.ForeignKey(CleanupAction, on_delete=models.DB_CASCADE, related_name="entries")
    kind = models.CharField(max_length=8, choices=LedgerKind)
    track_id = models.BigIntegerField(null=True)
    field = models.CharField(max_length=40, blank=True)
    playlist_id = models.BigIntegerField(null=True)
    position = models.PositiveIntegerField(null=True)
    group_id = models.BigIntegerField(null=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        verbose_name_plural = lazy("ledger entries")
        indexes = [
            # A track's timeline, and the decision a reopened group had before.
            models.Index(fields=["track_id", "id"], name="ledger_track"),
            models.Index(fields=["group_id", "id"], name="ledger_group"),
        ]

    def __str__(self) -> str:
        return _("%(kind)s %(field)s of %(track_id)s") % {
            "kind": self.kind,
            "field": self.field,
            "track_id": self.track_id or self.group_id or self.playlist_id,
        }


class LibraryMark(models.Model):
    """The one row that says up to which library revision saved analyses know what became of their members."""

    revision = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return _("Followed to revision %(revision)s") % {"revision": self.revision}
