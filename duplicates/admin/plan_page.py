"""What the page of a clean-up plan shows: its figures, how far it is, what it refused, and what can be done with it."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from duplicates.admin.plan_forms import CHOICES
from duplicates.choices import ConfidenceBand, ITunesMatch, LaterEdits, PlanItemState, PlanState, Resolution
from duplicates.exceptions import sentence_of_code
from duplicates.models import AutomaticRun, CleanupPlan
from duplicates.services import permissions, planning
from duplicates.services.selecting import GroupFilter
from duplicates.services.workers import WORKER_COMMAND, are_there_workers
from library import admin_pages as pages

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

ITEMS_SHOWN = 20
STATE_BADGES = {
    PlanState.PLANNING: "info",
    PlanState.PLANNED: "warn",
    PlanState.EXECUTING: "info",
    PlanState.COMPLETED: "good",
    PlanState.CANCELLED: "quiet",
    PlanState.UNDOING: "info",
    PlanState.UNDONE: "quiet",
    PlanState.FAILED: "bad",
}
_FILTER_NAMES: dict[str, Any] = {
    "band": gettext_lazy("confidence"),
    "size": gettext_lazy("size"),
    "decision": gettext_lazy("decision"),
    "itunes_match": gettext_lazy("iTunes"),
    "touched": gettext_lazy("tracks changed since"),
    "since": gettext_lazy("since the one before"),
    "artist": gettext_lazy("artist"),
    "search": gettext_lazy("title or artist"),
    "most_members": gettext_lazy("members at most"),
}
_CHOICES: dict[str, Any] = {"band": ConfidenceBand, "itunes_match": ITunesMatch}


def state_badge(plan: CleanupPlan) -> SafeString:
    """Return the state of a plan as a badge."""
    return pages.badge(STATE_BADGES[PlanState(plan.state)], plan.get_state_display())


def filter_in_words(wanted: GroupFilter) -> str:
    """Say which groups are meant."""
    if wanted.group_ids:
        many = len(wanted.group_ids)
        return ngettext("%(count)d chosen group", "%(count)d chosen groups", many) % {"count": many}
    said = [
        f"{name}: {_CHOICES[key](value).label if key in _CHOICES else str(value).replace('_', ' ')}"
        for key, name in _FILTER_NAMES.items()
        if (value := getattr(wanted, key))
    ]
    return "; ".join(said) or _("All undecided groups of the analysis")


def plan_progress(plan: CleanupPlan, now: datetime) -> dict[str, Any]:
    """Return how far the present work of a plan is, as plain JSON for page and script."""
    total, behind = planning.progress_of(plan)
    percentage = 100 * behind / total if total else 0.0
    counted = {"behind": pages.number(behind), "total": pages.number(total)}
    is_at_work = planning.is_at_work(plan)
    return {
        "is_active": is_at_work,
        "percentage": round(percentage, 1),
        "percent_text": f"{percentage:.0f} %",
        "phase": plan.state,
        "message": str(plan.get_state_display()),
        "time_left_text": "",
        "tracks_text": _("%(behind)s of %(total)s groups") % counted,
        "groups_text": "",
        "needs_worker": is_at_work and not are_there_workers(now=now),
        "worker_command": WORKER_COMMAND,
    }


@dataclass(frozen=True, slots=True)
class PlanPage:
    """One plan at one moment, for one person."""

    plan: CleanupPlan
    user: "AbstractUser"
    now: datetime

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        plan = self.plan
        is_at_work = planning.is_at_work(plan)
        refused = planning.refused_items(plan, most=ITEMS_SHOWN)
        doing = plan.items.exclude(state=PlanItemState.REFUSED).order_by("pk")[:ITEMS_SHOWN]
        return {
            "title": self._title(),
            "state_badge": state_badge(plan),
            "meant": filter_in_words(GroupFilter.from_json(plan.filters)),
            "made": pages.moment(plan.created_at, self.now),
            "confirmed": pages.moment(plan.confirmed_at, self.now) if plan.confirmed_at else "",
            "automatic": AutomaticRun.objects.filter(plan=plan).select_related("switch").first(),
            "figures": self._figures(),
            "progress": plan_progress(plan, self.now) if is_at_work else None,
            "progress_url": reverse("admin:duplicates_plan_progress", args=[plan.pk]),
            "do_url": reverse("admin:duplicates_do_plan", args=[plan.pk]),
            "refused_by_reason": [
                (sentence_of_code(code), many) for code, many in sorted(plan.refused.items(), key=lambda one: -one[1])
            ],
            "refused_items": [(item, self._group_url(item.group_id)) for item in refused],
            "refused_more": max(0, sum(plan.refused.values()) - len(refused)),
            "items": [(item, self._group_url(item.group_id)) for item in doing],
            "items_more": max(0, plan.group_count - ITEMS_SHOWN),
            "may_steer": permissions.may_steer(self.user, plan),
            "must_type": planning.must_type_the_count(plan),
            "limit": settings.BULK_REMOVAL_LIMIT,
            "can_confirm": plan.state == PlanState.PLANNED and plan.group_count > 0,
            "can_cancel": plan.state in (PlanState.PLANNING, PlanState.PLANNED, PlanState.EXECUTING),
            "can_continue": plan.state == PlanState.FAILED,
            "can_undo": self._can_undo(),
            "has_conflicts": plan.items.filter(state=PlanItemState.DONE, code="UNDO_CONFLICT").exists(),
            "later_edits": LaterEdits,
        }

    def _title(self) -> str:
        """Say what is to be done until it is confirmed, and what was decided from then on."""
        if self.plan.state in (PlanState.PLANNING, PlanState.PLANNED):
            return str(CHOICES[Resolution(self.plan.resolution)][0])
        return str(self.plan.get_resolution_display())

    def _can_undo(self) -> bool:
        over = (PlanState.COMPLETED, PlanState.CANCELLED, PlanState.UNDONE, PlanState.FAILED)
        return self.plan.state in over and self.plan.items.filter(state=PlanItemState.DONE).exists()

    def _figures(self) -> list[tuple[str, str]]:
        plan = self.plan
        if plan.state == PlanState.PLANNING:
            return []
        size = pages.size(plan.byte_count)
        if plan.sizeless_count:
            unknown = ngettext("%(count)s of unknown size", "%(count)s of unknown size", plan.sizeless_count)
            size = f"{size}, {unknown % {'count': pages.number(plan.sizeless_count)}}"
        said = [
            (
                _("Groups"),
                _("%(these)s of %(all)s")
                % {"these": pages.number(plan.group_count), "all": pages.number(plan.total_groups)},
            )
        ]
        if plan.track_count:
            said += [
                (_("Copies removed"), pages.number(plan.track_count)),
                (_("Plays moved to the keepers"), pages.number(plan.play_count)),
                (_("Playlist places moved"), pages.number(plan.place_count)),
                (_("Size"), size),
            ]
        if plan.confirmed_at:
            said.append((_("Groups done"), pages.number(plan.done_groups)))
        if plan.undone_groups:
            said.append((_("Groups undone"), pages.number(plan.undone_groups)))
        return said

    def _group_url(self, group_id: int) -> str:
        if self.plan.analysis_id is None:
            return ""
        return reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group_id])
