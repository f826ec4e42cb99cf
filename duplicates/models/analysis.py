"""`DuplicateAnalysisResult`: one run and what it found, the single source of truth about its state.

    queued → running → completed
       ↑        │    → failed
       └────────┘    → cancelled      (back to queued when its worker died)

A task in the queue is only a wake-up call for such a row. While a worker runs it, the row carries that worker's lease;
every write of the worker proves the lease. A cancelled one carries it on until the worker has kept what it had found.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import ACTIVE, AnalysisStatus, Phase, Preset, SortBy, Trigger

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

VIEW_ALL, MANAGE_ALL = "duplicates.view_all_analyses", "duplicates.manage_all_analyses"


def sees_all(user: AbstractBaseUser | AnonymousUser) -> bool:
    """May this person see everybody's analyses?"""
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and any(map(has_perm, (VIEW_ALL, MANAGE_ALL)))


class AnalysisQuerySet(models.QuerySet["DuplicateAnalysisResult"]):
    """Adjectives for analyses."""

    def for_lists(self) -> AnalysisQuerySet:
        """Without the columns that only one page needs and that may be large."""
        return self.defer("learnt_tables", "not_enough_data", "figures", "error_details")

    def active(self) -> AnalysisQuerySet:
        return self.filter(status__in=ACTIVE)

    def completed(self) -> AnalysisQuerySet:
        return self.filter(status=AnalysisStatus.COMPLETED)

    def finished_before(self, moment: datetime) -> AnalysisQuerySet:
        return self.exclude(status__in=ACTIVE).filter(created_at__lt=moment)

    def of(self, user: AbstractBaseUser | None) -> AnalysisQuerySet:
        """Analyses of one user; None is the system, which counts as one user."""
        return self.filter(user__isnull=True) if user is None else self.filter(user_id=user.pk)

    def visible_to(self, user: AbstractBaseUser | AnonymousUser) -> AnalysisQuerySet:
        """One's own and the system's; everybody's with `view_all_analyses` or `manage_all_analyses`."""
        if sees_all(user):
            return self
        return self.filter(Q(user_id=user.pk) | Q(user__isnull=True))


AnalysisManager = models.Manager.from_queryset(AnalysisQuerySet)


class ShownAnalyses(AnalysisManager["DuplicateAnalysisResult"]):
    """All but those that are being deleted, which are gone for everybody but who deletes them."""

    def get_queryset(self) -> AnalysisQuerySet:
        return AnalysisQuerySet(self.model, using=self._db).filter(deleting_at=None)


class DuplicateAnalysisResult(models.Model):
    """One analysis of the library, from the wish for it to its saved result."""

    # Identity
    analysis_id = models.UUIDField("id", primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DB_SET_NULL,
        related_name="duplicate_analyses",
        help_text=lazy("Nobody means the system: visible to all staff who may view."),
    )
    trigger = models.CharField(max_length=10, choices=Trigger, default=Trigger.COMMAND)
    predecessor = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.DB_SET_NULL, related_name="successors"
    )
    is_pinned = models.BooleanField(default=False, help_text=lazy("Never cleaned up."))

    # Parameters: what was asked
    preset = models.CharField(max_length=10, choices=Preset, default=Preset.RECORDING)
    search_term = models.CharField(max_length=200, blank=True)
    sort_by = models.CharField(max_length=12, choices=SortBy, default=SortBy.CONFIDENCE)
    min_confidence = models.FloatField(default=0.0)
    parameters = models.JSONField(default=dict, help_text=lazy("Every option of the run, complete."))
    parameters_fingerprint = models.CharField(max_length=64, editable=False)
    engine_fingerprint = models.CharField(max_length=64, blank=True, editable=False)

    # State
    status = models.CharField(max_length=10, choices=AnalysisStatus, default=AnalysisStatus.QUEUED)
    phase = models.CharField(max_length=24, choices=Phase, blank=True)
    progress = models.JSONField(
        null=True, blank=True, help_text=lazy("Where a queued or running analysis is; then empty.")
    )
    keep_partial = models.BooleanField(
        default=True, help_text=lazy("When it is stopped, keep the groups found so far.")
    )
    is_partial = models.BooleanField(default=False, help_text=lazy("Stopped early; holds the groups found until then."))
    time_limit_seconds = models.PositiveIntegerField(
        null=True, blank=True, help_text=lazy("Of this run; else the setting.")
    )
    attempt = models.PositiveSmallIntegerField(default=0)

    # The claim of the worker that runs it
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    slot = models.PositiveSmallIntegerField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=64, blank=True, editable=False)
    saved_groups = models.PositiveIntegerField(
        default=0, editable=False, help_text=lazy("Where an interrupted save goes on.")
    )

    # Timestamps
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    # The library it saw
    library_track_count = models.PositiveIntegerField(null=True, blank=True)
    library_revision = models.PositiveBigIntegerField(null=True, blank=True)
    newest_import = models.UUIDField(null=True, blank=True, editable=False)
    touch_mark = models.PositiveBigIntegerField(null=True, blank=True, editable=False)  # see `library.touches`

    # A refresh that matched only what changed, and the full run whose tables it used
    learns_anew = models.BooleanField(default=False, help_text=lazy("Match every track, however few have changed."))
    tables_of = models.UUIDField(null=True, blank=True, editable=False)
    tables_revision = models.PositiveBigIntegerField(null=True, blank=True, editable=False)

    # Counts
    tracks_analyzed = models.PositiveIntegerField(default=0)
    groups_found = models.PositiveIntegerField(default=0)
    duplicates_found = models.PositiveIntegerField(default=0, help_text=lazy("Members beside the keepers."))
    average_similarity = models.FloatField(null=True, blank=True)
    not_enough_data_count = models.PositiveIntegerField(default=0)

    # Outcome
    processing_seconds = models.FloatField(null=True, blank=True)
    cpu_seconds = models.FloatField(null=True, blank=True)
    peak_memory_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    phase_seconds = models.JSONField(default=dict, help_text=lazy("Seconds spent in each phase."))
    figures = models.JSONField(default=dict, help_text=lazy("Counts the engine reports, and what it narrowed."))
    not_enough_data = models.JSONField(
        default=list, help_text=lazy("Ids of tracks too thin to judge, the first thousand.")
    )
    learnt_tables = models.BinaryField(null=True, editable=False, help_text=lazy("Needed to explain the scores again."))
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.TextField(blank=True)
    error_details = models.JSONField(default=dict, blank=True)

    # Its end; see `services.discarding`
    deleting_at = models.DateTimeField(
        null=True, editable=False, help_text=lazy("It is being deleted, and when somebody was last at that.")
    )

    objects = ShownAnalyses()
    everything = AnalysisQuerySet.as_manager()

    class Meta:
        verbose_name = "analysis"
        verbose_name_plural = "analyses"
        permissions = [
            ("view_all_analyses", "Can view everybody's analyses"),
            ("manage_all_analyses", "Can cancel, pin and delete everybody's analyses"),
            ("run_analysis", "Can run analyses"),
            ("export_analysis", "Can export analyses"),
        ]
        indexes = [
            # A user's history, and their latest completed analysis.
            models.Index(fields=["user", "-created_at"], name="analysis_user_time"),
            # What is queued or running, in order; retention by age.
            models.Index(fields=["status", "created_at"], name="analysis_status_time"),
            # The list of everybody's.
            models.Index(fields=["-created_at"], name="analysis_newest"),
            # Is an equal one queued, running or still good?
            models.Index(fields=["parameters_fingerprint", "status"], name="analysis_equal"),
            # What somebody began to delete; hardly ever more than one.
            models.Index(fields=["deleting_at"], name="analysis_deleting", condition=Q(deleting_at__isnull=False)),
        ]
        constraints = [
            # Two equal runs of one user never compete; the system is one user (see the next).
            models.UniqueConstraint(
                fields=["user", "parameters_fingerprint"],
                condition=Q(status__in=ACTIVE, user__isnull=False),
                name="analysis_one_active_per_user_and_parameters",
            ),
            models.UniqueConstraint(
                fields=["parameters_fingerprint"],
                condition=Q(status__in=ACTIVE, user__isnull=True),
                name="analysis_one_active_of_the_system",
            ),
            # A running analysis always has an owner who can prove it, and a place among those that run at once.
            models.CheckConstraint(
                condition=~Q(status=AnalysisStatus.RUNNING) | Q(lease_token__isnull=False, slot__isnull=False),
                name="analysis_running_has_a_lease",
            ),
            models.UniqueConstraint(
                fields=["slot"], condition=Q(status=AnalysisStatus.RUNNING), name="analysis_one_run_per_slot"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_preset_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    @property
    def is_readable(self) -> bool:
        """Is there a complete result to show?"""
        return self.status == AnalysisStatus.COMPLETED

    @property
    def has_groups(self) -> bool:
        """Is there something to show: a complete result, or what was found before the run was stopped?"""
        return self.is_readable or (self.is_partial and not self.is_active)

    def is_being_kept(self, now: datetime) -> bool:
        """Was it cancelled, and its worker is still keeping what it had found?"""
        is_owned = self.lease_until is not None and self.lease_until > now
        return self.status == AnalysisStatus.CANCELLED and self.keep_partial and is_owned

    @property
    def age_anchor(self) -> datetime:
        """The moment the result describes: when the run read the library."""
        return self.started_at or self.created_at

    def age(self, now: datetime) -> timedelta:
        return now - self.age_anchor
