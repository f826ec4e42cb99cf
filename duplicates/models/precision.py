"""Measured precision: random samples of groups that people judge blind, and the switches that what they say allows.

A judgement is no decision: it changes nothing in the group. Samples outlive the analysis they were drawn from; what was
shown of each member is kept with the group that was drawn.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from duplicates.choices import Answer, AutomaticOutcome, ConfidenceBand, Preset, Resolution
from duplicates.models.analysis import DuplicateAnalysisResult, sees_all
from duplicates.models.groups import DuplicateAnalysisGroup
from duplicates.models.keepers import KeeperProfile
from duplicates.models.plans import CleanupPlan


class PrecisionSampleQuerySet(models.QuerySet["PrecisionSample"]):
    """Adjectives for samples."""

    def visible_to(self, user: Any) -> PrecisionSampleQuerySet:
        """Samples of analyses a person sees, and their own where the analysis is gone."""
        if sees_all(user):
            return self
        visible = DuplicateAnalysisResult.objects.visible_to(user)
        return self.filter(Q(analysis__in=visible) | Q(analysis=None, user_id=user.pk))

    def open(self) -> PrecisionSampleQuerySet:
        """Samples with groups left to judge."""
        return self.filter(completed_at=None)


class PrecisionSample(models.Model):
    """One draw: the same number of groups from each band, by chance alone.

    Drawn once and kept whole, so that nobody can draw until they like what they see: every group of it counts, whoever
    judges it. From the seed and the analysis the same groups come out again.
    """

    # What was drawn from
    analysis = models.ForeignKey(
        DuplicateAnalysisResult, null=True, on_delete=models.DB_SET_NULL, related_name="precision_samples"
    )
    analysis_label = models.CharField(_("analysis"), max_length=100)
    preset = models.CharField(_("preset"), max_length=10, choices=Preset)
    engine_version = models.CharField(_("matcher"), max_length=20)
    band_limits = models.CharField(_("limits of the bands"), max_length=40)
    populations = models.JSONField(default=dict, help_text="Band → groups the analysis has in it.")

    # How
    seed = models.BigIntegerField(_("seed"))
    per_band = models.PositiveIntegerField(_("wished per band"))
    group_count = models.PositiveIntegerField(_("groups"))

    # Who and when; names are frozen
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    user_name = models.CharField(_("drawn by"), max_length=150, blank=True, help_text=_("Blank means the system."))
    created_at = models.DateTimeField(_("drawn"))
    completed_at = models.DateTimeField(_("completed"), null=True, help_text="When its last group was judged.")

    objects = PrecisionSampleQuerySet.as_manager()

    class Meta:
        verbose_name = _("precision sample")
        verbose_name_plural = _("measured precision")
        default_permissions = ("view",)
        indexes = [
            # The list.
            models.Index(fields=["-created_at"], name="sample_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_preset_display()}, {self.created_at:%Y-%m-%d %H:%M}"


class SampledGroup(models.Model):
    """One group of a sample: its members as they are shown, and what somebody said who saw nothing else.

    `position` is the order in which the groups are judged, all bands mixed; `members` are in random order.
    """

    sample = models.ForeignKey(PrecisionSample, on_delete=models.DB_CASCADE, related_name="groups", db_index=False)
    position = models.PositiveIntegerField()
    group = models.ForeignKey(DuplicateAnalysisGroup, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    identity = models.CharField(max_length=32)
    band = models.CharField(max_length=10, choices=ConfidenceBand)
    confidence = models.FloatField()
    member_count = models.PositiveIntegerField()
    members = models.JSONField(help_text="What is shown of each.")

    # The judgement
    answer = models.CharField(max_length=12, choices=Answer, blank=True)
    odd_tracks = models.JSONField(default=list, help_text="Which members are not the same as the others.")
    judged_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    judged_name = models.CharField(max_length=150, blank=True)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            # The groups of a sample in order.
            models.UniqueConstraint(fields=["sample", "position"], name="sampled_group_place"),
        ]
        indexes = [
            # The next one that nobody has judged.
            models.Index(fields=["sample", "answer", "position"], name="sampled_group_waiting"),
        ]

    def __str__(self) -> str:
        return f"#{self.position} of sample {self.sample_id}"


class AutomaticResolution(models.Model):
    """The switch of one preset and band: what becomes of its undecided groups when an analysis completes.

    Off unless somebody switched it on; it acts as that person, and switches itself off when it may not go on.
    """

    preset = models.CharField(_("preset"), max_length=10, choices=Preset)
    band = models.CharField(_("band"), max_length=10, choices=ConfidenceBand)
    is_on = models.BooleanField(_("on"), default=False)

    # What it does
    resolution = models.CharField(_("decision"), max_length=16, choices=Resolution, default=Resolution.KEPT_CANONICAL)
    profile = models.ForeignKey(KeeperProfile, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    profile_name = models.CharField(_("keeper profile"), max_length=60, blank=True)
    profile_version = models.PositiveIntegerField(null=True)

    # Who and when
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    user_name = models.CharField(_("switched on by"), max_length=150, blank=True)
    switched_on_at = models.DateTimeField(null=True)
    switched_off_at = models.DateTimeField(null=True)
    off_reason = models.TextField(blank=True, help_text="Why it switched itself off; blank where a person did.")

    class Meta:
        verbose_name = _("automatic resolution")
        default_permissions = ()
        permissions = [("automate_resolution", "Can switch automatic resolution on and off")]
        constraints = [
            models.UniqueConstraint(fields=["preset", "band"], name="automatic_resolution_once"),
        ]

    def __str__(self) -> str:
        return f"{self.get_preset_display()}, {self.get_band_display()}"


class AutomaticRun(models.Model):
    """What a switch made of one analysis. Its plan is one like any other, and undone like any other."""

    switch = models.ForeignKey(AutomaticResolution, on_delete=models.DB_CASCADE, related_name="runs", db_index=False)
    analysis = models.ForeignKey(
        DuplicateAnalysisResult, null=True, on_delete=models.DB_SET_NULL, related_name="automatic_runs"
    )
    plan = models.OneToOneField(CleanupPlan, null=True, on_delete=models.DB_SET_NULL, related_name="automatic_run")
    created_at = models.DateTimeField()
    outcome = models.CharField(max_length=12, choices=AutomaticOutcome, default=AutomaticOutcome.PREPARING)
    message = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = [
            # Of two supervisors at once only one makes a plan.
            models.UniqueConstraint(fields=["switch", "analysis"], name="automatic_run_once"),
        ]
        indexes = [
            # Those whose plan is to be looked at.
            models.Index(
                fields=["created_at"],
                name="automatic_run_preparing",
                condition=Q(outcome=AutomaticOutcome.PREPARING),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.switch}: {self.get_outcome_display()}"
