"""What the page "Measured precision" shows: rates with their intervals, the bar, switches, samples and what ran."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from duplicates.admin.shared import BAND_BADGES
from duplicates.choices import AutomaticOutcome, ConfidenceBand, Preset, Resolution
from duplicates.models import AutomaticResolution, AutomaticRun, DuplicateAnalysisResult, KeeperProfile, PrecisionSample
from duplicates.services import permissions
from duplicates.services.automatic_switch import DOES, unfinished, what_is_missing
from duplicates.services.precision import MOST_MEMBERS, BandRate, MeasuredPrecision, measured_precision
from duplicates.services.sampling import MOST_PER_BAND, USUAL_PER_BAND, judged_counts
from library import admin_pages as pages

SHOWN = 20  # samples and runs; the newest
OUTCOME_BADGES = {
    AutomaticOutcome.PREPARING: "info",
    AutomaticOutcome.CARRIED_OUT: "good",
    AutomaticOutcome.WAITING: "warn",
    AutomaticOutcome.NOTHING: "quiet",
    AutomaticOutcome.STOPPED: "warn",
    AutomaticOutcome.SKIPPED: "quiet",
}


@dataclass(frozen=True, slots=True)
class PrecisionPage:
    """The page as one person sees it at one moment."""

    user: Any
    now: datetime

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        measured = measured_precision(now=self.now)
        switches = {(one.preset, one.band): one for one in AutomaticResolution.objects.all()}
        places = {(one.preset, one.band) for one in measured.rates} | {
            key for key, one in switches.items() if one.is_on
        }
        order = [(preset, band) for preset in Preset for band in ConfidenceBand if (preset, band) in places]
        may_judge = permissions.may_judge(self.user)
        return {
            "title": _("Measured precision"),
            "days": measured.days,
            "limit": _percent(measured.bar.limit),
            "least": pages.number(measured.bar.least_judged),
            "at_best": pages.number(measured.bar.least_without_a_false_match),
            "lines": [self._line(measured, measured.of(*place), switches.get(place)) for place in order],
            "older": [rate_line(one) for one in measured.older],
            "samples": self._samples(may_judge),
            "runs": self._runs(),
            "may_judge": may_judge,
            "may_automate": permissions.may_automate(self.user),
            "may_see_settings": self.user.has_perm("duplicates.view_sitesetting"),
            "analyses": self._analyses() if may_judge else [],
            "most_per_band": MOST_PER_BAND,
            "most_members": MOST_MEMBERS,
            "usual_per_band": USUAL_PER_BAND,
            "decisions": [(value, value.label) for value in DOES if permissions.may_automate(self.user, value)],
            "profiles": list(KeeperProfile.objects.values_list("name", flat=True)),
        }

    def _line(self, measured: MeasuredPrecision, rate: BandRate, switch: AutomaticResolution | None) -> dict[str, Any]:
        missing = what_is_missing(rate, measured.bar) or unfinished(rate)
        line = rate_line(rate)
        if switch is None:
            return {**line, "missing": missing}
        return {
            **line,
            "missing": missing,
            "is_on": switch.is_on,
            "does": Resolution(switch.resolution).label,
            "profile": switch.profile_name,
            "by": switch.user_name,
            "on_since": pages.moment(switch.switched_on_at, self.now),
            "off_since": pages.moment(switch.switched_off_at, self.now) if switch.switched_off_at else "",
            "off_reason": switch.off_reason,
        }

    def _samples(self, may_judge: bool) -> list[dict[str, Any]]:
        rows = list(PrecisionSample.objects.visible_to(self.user).order_by("-created_at")[:SHOWN])
        judged = judged_counts(rows)
        return [
            {
                "row": row,
                "url": reverse("admin:duplicates_precisionsample_change", args=[row.pk]),
                "judge_url": reverse("admin:duplicates_judge_next", args=[row.pk])
                if may_judge and not row.completed_at
                else "",
                "judged": pages.number(judged.get(row.pk, 0)),
                "groups": pages.number(row.group_count),
                "drawn": pages.moment(row.created_at, self.now),
            }
            for row in rows
        ]

    def _runs(self) -> list[dict[str, Any]]:
        visible = DuplicateAnalysisResult.objects.visible_to(self.user).values("pk")
        runs = AutomaticRun.objects.filter(analysis__in=visible).select_related("switch", "analysis", "plan")
        runs = runs.defer("analysis__learnt_tables").order_by("-created_at", "-pk")
        may_view_plans = permissions.may_view_plans(self.user)
        return [
            {
                "switch": str(run.switch),
                "analysis": run.analysis,
                "when": pages.moment(run.created_at, self.now),
                "outcome": _outcome(run),
                "message": run.message,
                "plan_url": reverse("admin:duplicates_cleanupplan_change", args=[run.plan_id])
                if run.plan_id and may_view_plans
                else "",
            }
            for run in runs[:SHOWN]
        ]

    def _analyses(self) -> list[tuple[str, str]]:
        """Return what a sample can be drawn from, the newest first; the draw itself looks more closely."""
        completed = DuplicateAnalysisResult.objects.visible_to(self.user).completed().for_lists()
        newest = completed.filter(search_term="", min_confidence=0).order_by("-created_at")[:SHOWN]
        return [
            (
                str(one.pk),
                _("%(analysis)s, %(groups)s groups") % {"analysis": one, "groups": pages.number(one.groups_found)},
            )
            for one in newest
        ]


def rate_line(rate: BandRate) -> dict[str, Any]:
    """Return one measured rate in words."""
    interval = rate.interval
    return {
        "preset": rate.preset,
        "preset_name": rate.preset.label,
        "band": rate.band,
        "band_badge": pages.badge(BAND_BADGES[rate.band], rate.band.label),
        "judged": pages.number(rate.judged),
        "different": pages.number(rate.different),
        "cannot_tell": pages.number(rate.cannot_tell),
        "waiting": pages.number(rate.waiting),
        "rate": pages.UNKNOWN if rate.rate is None else _percent(rate.rate),
        "between": f"{_percent(interval[0])} – {_percent(interval[1])}" if interval else pages.UNKNOWN,
    }


def _outcome(run: AutomaticRun) -> SafeString:
    outcome = AutomaticOutcome(run.outcome)
    return pages.badge(OUTCOME_BADGES[outcome], outcome.label)


def _percent(share: float) -> str:
    """Return a share with the decimals that a small rate needs; rounded first, for Django would cut them off."""
    return f"{pages.number(round(100 * share, 2), 2)} %"


def sample_context(sample: PrecisionSample, user: Any, now: datetime, judged: int, found: list[Any]) -> dict[str, Any]:
    """Return what the page of one sample needs: how it was drawn, how far it is, and once complete what was found."""
    may_judge = permissions.may_judge(user)
    bands = [(ConfidenceBand(band).label, pages.number(many)) for band, many in sample.populations.items()]
    return {
        "title": str(sample),
        "judged": judged,
        "drawn": pages.moment(sample.created_at, now),
        "completed": pages.moment(sample.completed_at, now) if sample.completed_at else "",
        "bands": bands,
        "judge_url": reverse("admin:duplicates_judge_next", args=[sample.pk])
        if may_judge and not sample.completed_at
        else "",
        "found": [
            (
                one,
                ", ".join(dict.fromkeys(member["title"] or _("Untitled") for member in one.members)),
                reverse("admin:duplicates_duplicateanalysisgroup_change", args=[one.group_id]) if one.group_id else "",
            )
            for one in found
        ],
    }
