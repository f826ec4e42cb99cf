"""The records around analyses: exports, decisions that two tracks differ, and the audit trail."""

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import ExportFormat, ExportStatus
from duplicates.models.analysis import DuplicateAnalysisResult, sees_all

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser


class DuplicateAnalysisExport(models.Model):
    """One file written from an analysis, and how often it was fetched."""

    export_id = models.UUIDField("id", primary_key=True, default=uuid.uuid4, editable=False)
    analysis = models.ForeignKey(DuplicateAnalysisResult, on_delete=models.DB_CASCADE, related_name="exports")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )
    format = models.CharField(max_length=5, choices=ExportFormat)
    is_compressed = models.BooleanField(default=False, help_text=lazy("Packed with gzip."))
    status = models.CharField(max_length=10, choices=ExportStatus, default=ExportStatus.PENDING)
    file_name = models.CharField(max_length=200, blank=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    row_count = models.PositiveIntegerField(default=0, help_text=lazy("Members written so far."))
    total_rows = models.PositiveIntegerField(default=0, help_text=lazy("Members there are to write."))
    sha256 = models.CharField("SHA-256", max_length=64, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    download_count = models.PositiveIntegerField(default=0)
    last_downloaded_at = models.DateTimeField(null=True)
    error_message = models.TextField(blank=True)
    # Who writes it or wrote it, which is part of the file's name, and until when nobody else may; see `export_claims`.
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempt = models.PositiveSmallIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = "export"
        indexes = [
            # One's own history, and what has expired.
            models.Index(fields=["user", "-created_at"], name="export_user_time"),
            models.Index(fields=["status", "expires_at"], name="export_expiry"),
        ]

    def __str__(self) -> str:
        return _("%(format)s of %(analysis)s (%(hex)s)") % {
            "format": self.get_format_display(),
            "analysis": self.analysis,
            "hex": self.analysis_id.hex[:8],
        }

    @property
    def percentage(self) -> float:
        """How much is written, 0 to 100."""
        if self.status == ExportStatus.COMPLETED:
            return 100.0
        return min(99.9, round(100 * self.row_count / self.total_rows, 1)) if self.total_rows else 0.0


def identity_key(source: str, source_track_id: str) -> str:
    """Return 64 hex digits naming a track by where it comes from; equal after re-import, re-tagging and moves."""
    return hashlib.sha256(f"{source}\0{source_track_id}".encode()).hexdigest()


class DecisionQuerySet(models.QuerySet["NotDuplicate"]):
    """Adjectives for decisions."""

    def in_force(self) -> "DecisionQuerySet":
        return self.filter(revoked_at=None)

    def reopened(self) -> "DecisionQuerySet":
        """Decisions that ended by themselves, because the evidence they were based on changed."""
        return self.exclude(reopened_because="")


class NotDuplicate(models.Model):
    """A pair that staff declared different, keyed on what the tracks are and not on their rows.

    A key is the hex digest of source and source id (`identity_key`); the smaller key is left, so a pair is stored once.
    The evidence is what the two said of themselves then: by it a moved file is recognised, and when it changes the
    decision no longer holds.

        in force → taken back by a person
                 → reopened, because the evidence changed
    """

    left_key = models.CharField(max_length=64)
    right_key = models.CharField(max_length=64)
    left_label = models.TextField(help_text=lazy("How the track was called when the decision was made."))
    right_label = models.TextField()
    left_evidence = models.JSONField(
        default=dict, help_text=lazy("What the track said of itself then, and where it was.")
    )
    right_evidence = models.JSONField(default=dict)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="+"
    )
    user_name = models.CharField(max_length=150, blank=True, help_text=lazy("Frozen; blank means the system."))
    created_at = models.DateTimeField()
    note = models.TextField(blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, help_text=lazy("Since when it is no longer in force."))
    reopened_because = models.TextField(blank=True, help_text=lazy("What changed, where it ended by itself."))

    objects = DecisionQuerySet.as_manager()

    class Meta:
        verbose_name = lazy("not-duplicate decision")
        indexes = [
            # The decisions about one track; the left key leads the constraint below.
            models.Index(fields=["right_key"], name="not_duplicate_right"),
            # The list, the newest first, of those in force or not.
            models.Index(fields=["-created_at"], name="not_duplicate_newest"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(left_key__lt=F("right_key")), name="not_duplicate_is_ordered"),
            models.UniqueConstraint(
                fields=["left_key", "right_key"],
                condition=Q(revoked_at__isnull=True),
                name="not_duplicate_decided_once",
            ),
        ]

    def __str__(self) -> str:
        return _("%(left_label)s is not %(right_label)s") % {
            "left_label": self.left_label,
            "right_label": self.right_label,
        }


class DecidingGroup(models.Model):
    """A group whose decision declares a pair different. A pair with no such group was declared by itself.

    Reopening a group takes back the pairs that no other group declares. The group is a plain number: what it declared
    outlives it.
    """

    decision = models.ForeignKey(NotDuplicate, on_delete=models.DB_CASCADE, related_name="deciding_groups")
    group_id = models.BigIntegerField()

    class Meta:
        constraints = [
            # Also the look-up of what a group that is reopened declared.
            models.UniqueConstraint(fields=["group_id", "decision"], name="deciding_group_once"),
        ]

    def __str__(self) -> str:
        return f"{self.group_id}: {self.decision_id}"


# What the plain reading of a code would say badly.
_ACTION_WORDS = {
    "analyses.followed_library": lazy("Analyses brought up to the library"),
    "group.followed_library": lazy("Group brought up to the library"),
    "analysis.cancel_requested": lazy("Cancelling of an analysis asked for"),
    "analysis.reclaimed": lazy("Analysis taken over from a dead worker"),
    "cleanup.analyses": lazy("Old analyses cleaned up"),
    "export.unsaved": lazy("Unsaved result exported"),
    "tracks.protection_lifted": lazy("Protection of tracks lifted"),
}


def action_words(code: str) -> str:
    """Return the code of an action as people say it: `analysis.completed` is "Analysis completed"."""
    plain = code.replace(".", " ").replace("_", " ")
    words = _ACTION_WORDS.get(code)
    return str(words) if words else _(plain[:1].upper() + plain[1:])


class AuditQuerySet(models.QuerySet["AuditRecord"]):
    """Audit records can be read and, past their retention, cleaned up; never edited."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("Audit records are append-only.")

    def delete(self) -> NoReturn:
        raise TypeError("Audit records are append-only.")

    def forget(self) -> int:
        """Delete the rows; return how many. The database refuses unless retention has said that they may go."""
        return int(self._raw_delete(self.db) or 0)

    def visible_to(self, user: "AbstractBaseUser | AnonymousUser") -> "AuditQuerySet":
        """One's own and the system's; everybody's for those who may see everybody's analyses."""
        return self if sees_all(user) else self.filter(Q(user_id_then=user.pk) | Q(user_id_then__isnull=True))

    def older_than(self, moment: Any) -> "AuditQuerySet":
        return self.filter(created_at__lt=moment)


class AuditRecord(models.Model):
    """Who did what, when, to what, with which outcome. Names are frozen, so that a record outlives its subjects."""

    created_at = models.DateTimeField()
    user_id_then = models.BigIntegerField(lazy("user id"), null=True, blank=True)
    user_name = models.CharField(max_length=150, blank=True, help_text=lazy("Blank means the system."))
    action = models.CharField(max_length=60, help_text=lazy("Dotted code, such as analysis.queued."))
    subject_type = models.CharField(max_length=40, blank=True)
    subject_id = models.CharField(max_length=64, blank=True)
    subject_label = models.TextField(blank=True)
    was_successful = models.BooleanField(default=True)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    counts = models.JSONField(default=dict, blank=True)
    # What the history adds up, as columns: `counts` holds them too, with everything else that was counted
    group_count = models.PositiveIntegerField(default=0, editable=False)
    track_count = models.PositiveIntegerField(default=0, editable=False)
    play_count = models.PositiveBigIntegerField(default=0, editable=False)
    duration_seconds = models.FloatField(null=True, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    message = models.TextField(blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        indexes = [
            # The trail by time.
            models.Index(fields=["created_at"], name="audit_time"),
            # By kind. The history of clean-up reads nothing but this index, in its order.
            models.Index(
                fields=[
                    "action",
                    "created_at",
                    "was_successful",
                    "group_count",
                    "track_count",
                    "play_count",
                    "duration_seconds",
                ],
                name="audit_history_by_kind",
            ),
            # Everything about one subject.
            models.Index(fields=["subject_type", "subject_id", "-created_at"], name="audit_subject"),
        ]

    def __str__(self) -> str:
        return _("%(action_words)s by %(user_name)s") % {
            "action_words": self.action_words,
            "user_name": self.user_name or _("system"),
        }

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new record; an existing one refuses."""
        if self.pk is not None and not self._state.adding:
            raise TypeError("Audit records are append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: only retention removes records, by age."""
        raise TypeError("Audit records are append-only.")

    @property
    def action_words(self) -> str:
        return action_words(self.action)


class AuditRetention(models.Model):
    """The one row by which the database knows which audit records retention may delete now; nothing at other times."""

    deletable_before = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return (
            _("Audit records before %(deletable_before)s") % {"deletable_before": self.deletable_before}
            if self.deletable_before
            else _("No audit record")
        )


class Worker(models.Model):
    """One worker process that shows it is alive by renewing `seen_at`; the row goes when the process ends."""

    worker_id = models.CharField(max_length=64, primary_key=True)
    host = models.CharField(max_length=255)
    process_id = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [
            # Is anybody there? Who has gone?
            models.Index(fields=["seen_at"], name="worker_seen"),
        ]

    def __str__(self) -> str:
        return _("%(worker_id)s on %(host)s") % {"worker_id": self.worker_id, "host": self.host}
