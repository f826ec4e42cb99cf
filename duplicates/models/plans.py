"""`CleanupPlan` and `CleanupPlanItem`: a clean-up of many groups, worked out to the last copy before anything is done.

A plan is a preview that is kept: what it says is what it will do, group by group, unless somebody comes in between.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from duplicates.choices import PLAN_AT_WORK, LaterEdits, PlanItemState, PlanState, Resolution
from duplicates.models.analysis import DuplicateAnalysisResult, sees_all
from library.numbers import number


class CleanupPlanQuerySet(models.QuerySet["CleanupPlan"]):
    """Adjectives for plans."""

    def visible_to(self, user: Any) -> CleanupPlanQuerySet:
        """Plans of analyses a person sees, and their own where the analysis is gone."""
        if sees_all(user):
            return self
        visible = DuplicateAnalysisResult.objects.visible_to(user)
        return self.filter(Q(analysis__in=visible) | Q(analysis=None, user_id=user.pk))

    def waiting(self, now: datetime) -> CleanupPlanQuerySet:
        """Plans with work to do that nobody is at: never taken up, handed back, or left by a worker that died."""
        return self.filter(Q(lease_until=None) | Q(lease_until__lt=now), state__in=PLAN_AT_WORK)


class CleanupPlan(models.Model):
    """One decision about many groups of an analysis.

        planning → planned → executing → completed → undoing → undone
        planning, planned → cancelled           (nothing was done)
        executing → cancelled → undoing → …     (what was done stays until it is undone)
        any of those at work → failed           (it can be continued)

    What it does carries its id as the batch. It outlives its analysis, so that it can still be undone.
    """

    # Identity
    plan_id = models.UUIDField("id", primary_key=True, default=uuid.uuid4, editable=False)
    analysis = models.ForeignKey(
        DuplicateAnalysisResult, null=True, on_delete=models.DB_SET_NULL, related_name="cleanup_plans"
    )

    # What is to be done
    filters = models.JSONField(_("groups"), default=dict, help_text=_("Which groups, as the list was filtered."))
    resolution = models.CharField(_("decision"), max_length=16, choices=Resolution)
    profile_name = models.CharField(
        _("keeper profile"), max_length=60, blank=True, help_text=_("Blank: the keepers the groups have.")
    )
    profile_version = models.PositiveIntegerField(null=True)
    rules = models.JSONField(default=list, help_text=_("The profile's rules as they were."))

    # Who and when; names are frozen
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+")
    user_name = models.CharField(_("made by"), max_length=150, blank=True, help_text=_("Blank means the system."))
    created_at = models.DateTimeField(_("made"))
    library_revision = models.PositiveBigIntegerField(
        null=True, help_text=_("What the library was when it was planned.")
    )
    confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.DB_SET_NULL, related_name="+"
    )
    confirmed_name = models.CharField(_("confirmed by"), max_length=150, blank=True)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)

    # State
    state = models.CharField(_("state"), max_length=10, choices=PlanState, default=PlanState.PLANNING)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempt = models.PositiveSmallIntegerField(default=0, help_text=_("Times its work was taken up and left undone."))
    later_edits = models.CharField(
        max_length=8, choices=LaterEdits, default=LaterEdits.ASK, help_text=_("What its undo does with them.")
    )
    ended_at = models.DateTimeField(_("ended"), null=True)
    error_message = models.TextField(_("error"), blank=True)
    failed_state = models.CharField(max_length=10, blank=True, help_text=_("What it was at when it failed."))

    # What it will do: of the groups that are not refused
    total_groups = models.PositiveIntegerField(default=0, help_text=_("All it looks at."))
    group_count = models.PositiveIntegerField(_("groups"), default=0)
    track_count = models.PositiveIntegerField(_("tracks"), default=0, help_text=_("Copies that go into quarantine."))
    play_count = models.PositiveBigIntegerField(_("plays"), default=0)
    place_count = models.PositiveIntegerField(_("playlist places"), default=0)
    byte_count = models.PositiveBigIntegerField(_("bytes"), default=0)
    sizeless_count = models.PositiveIntegerField(default=0, help_text=_("Copies whose size is not known."))
    refused = models.JSONField(_("refused"), default=dict, help_text=_("Refused groups by error code."))

    # What it has done; groups that were refused only then are among `refused`
    planned_groups = models.PositiveIntegerField(default=0)
    done_groups = models.PositiveIntegerField(default=0)
    done_tracks = models.PositiveIntegerField(default=0)
    undone_groups = models.PositiveIntegerField(default=0)

    objects = CleanupPlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("clean-up plan")
        verbose_name_plural = _("clean-up plans")
        default_permissions = ("view",)
        indexes = [
            # The list; what waits for a worker; the plans of one analysis.
            models.Index(fields=["-created_at"], name="plan_newest"),
            models.Index(fields=["state", "created_at"], name="plan_state"),
        ]

    def __str__(self) -> str:
        return _("%(resolution)s: %(group_count)s groups, %(track_count)s tracks") % {
            "resolution": self.get_resolution_display(),
            "group_count": number(self.group_count),
            "track_count": number(self.track_count),
        }


class CleanupPlanItem(models.Model):
    """One group of a plan: what is to become of it, and what became of it.

    `version` is the group's as the plan saw it; a group that has another one meanwhile is refused.
    """

    plan = models.ForeignKey(CleanupPlan, on_delete=models.DB_CASCADE, related_name="items")
    # A plain number: the item outlives its group.
    group_id = models.BigIntegerField()
    label = models.TextField(help_text=_("How the group was called."))
    version = models.CharField(max_length=16)

    # What is to be done
    keeper_track_id = models.BigIntegerField()
    keeper_rule = models.CharField(max_length=40, blank=True, help_text=_("Blank where the group's own keeper stays."))
    keeper_reason = models.TextField(blank=True)
    removing = models.JSONField(default=list, help_text=_("Ids of the copies that go."))
    play_count = models.PositiveBigIntegerField(default=0)
    place_count = models.PositiveIntegerField(default=0)
    byte_count = models.PositiveBigIntegerField(default=0)
    sizeless_count = models.PositiveIntegerField(default=0)

    # What became of it
    state = models.CharField(max_length=8, choices=PlanItemState, default=PlanItemState.PENDING)
    code = models.CharField(max_length=40, blank=True, help_text=_("Why it was refused."))
    message = models.TextField(blank=True)
    action_id = models.UUIDField(null=True, help_text=_("The removal, where copies went."))
    choice_id = models.BigIntegerField(null=True, help_text=_("The choice of another keeper, where there was one."))
    before = models.JSONField(null=True, help_text=_("The decision on the group as it was."))
    decided_at = models.DateTimeField(null=True, help_text=_("By it undo knows the plan's own decision from a later."))

    class Meta:
        default_permissions = ()
        constraints = [
            # A repeated step of planning cannot double a group.
            models.UniqueConstraint(fields=["plan", "group_id"], name="plan_item_once"),
        ]
        indexes = [
            # What is still to be done, in order; what was refused, by reason.
            models.Index(fields=["plan", "state", "id"], name="plan_item_state"),
            models.Index(fields=["plan", "code"], name="plan_item_code"),
        ]

    def __str__(self) -> str:
        return self.label
