"""The first page of the admin: what the services found out, in words, with the addresses where each thing is done."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.admin.condition import ignored_in
from duplicates.admin.next_step_view import StepView, view_of_step
from duplicates.admin.progress import phase_marks, progress_values
from duplicates.admin.shared import STALENESS_BADGES, asked_by, person, status_badge
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.models.analysis import sees_all
from duplicates.services import permissions
from duplicates.services.dashboard import EXPIRES_SOON, Dashboard, get_dashboard
from duplicates.services.history import REMOVALS, Tally, Week
from duplicates.services.storage import KINDS, Stored
from duplicates.services.workers import WORKER_COMMAND
from library import admin_pages as pages

PAGE = "admin:duplicates_duplicateanalysisresult_change"
_DECISIONS = (REMOVALS, "groups.resolved")


@dataclass(frozen=True, slots=True)
class Figure:
    """A large number with its name, a quiet remark, and where the number leads."""

    name: str
    value: str
    remark: str = ""
    url: str = ""


def dashboard_context(request: HttpRequest) -> dict[str, Any]:
    """Return what `admin/index.html` shows; nothing to those who may not see analyses."""
    user = person(request)
    if not permissions.may_read(user):
        return {}
    now = timezone.now()
    preferences = DuplicatePreferences.objects.of(user)
    board = get_dashboard(user, preferences, now=now, ignored=ignored_in(request.session))
    return {"board": board, **_Words(board, user, now).context()}


@dataclass(frozen=True)
class _Words:
    """A dashboard in words, for one person at one moment."""

    board: Dashboard
    user: AbstractUser
    now: datetime

    def context(self) -> dict[str, Any]:
        return {
            "step": self._step(),
            "runs": [self._run(run) for run in self.board.runs],
            "figures": list(self._figures()),
            "latest": self._latest(),
            "progress": self._decided(),
            "trend": self._trend(),
            "weeks": self._weeks(),
            "quarantine": self._quarantine(),
            "storage": self._storage(),
            "worker_command": WORKER_COMMAND,
        }

    def _step(self) -> StepView:
        return view_of_step(self.board, self.user)

    def _run(self, run: DuplicateAnalysisResult) -> dict[str, Any]:
        return {
            "name": _name(run),
            "url": reverse(PAGE, args=[run.pk]),
            "asked_by": asked_by(run),
            "badge": status_badge(run),
            "progress": progress_values(run, self.now, has_workers=self.board.has_workers),
            "phases": phase_marks(run),
            "progress_url": reverse("admin:duplicates_analysis_progress", args=[run.pk]),
        }

    def _figures(self) -> Any:
        left, quarantine, condition = self.board.left, self.board.quarantine, self.board.condition
        if left and condition and self.board.latest:
            groups = _groups_url(self.board.latest)
            found = self.board.latest.duplicates_found
            yield Figure(
                _("Duplicates left"),
                pages.number(left.duplicates),
                _("of %(count)s found") % {"count": pages.number(found)},
                f"{groups}&decision=open",
            )
            yield Figure(
                _("Groups to decide"),
                pages.number(left.groups_open),
                _("of %(count)s") % {"count": pages.number(left.groups)},
                f"{groups}&decision=open",
            )
            if left.set_aside:
                yield Figure(
                    _("Set aside"), pages.number(left.set_aside), _("for later"), f"{groups}&decision=manual_review"
                )
        if quarantine and (quarantine.tracks or left):
            url = f"{reverse('admin:library_track_changelist')}?quarantine=yes" if self._may_view_tracks else ""
            yield Figure(_("In quarantine"), pages.number(quarantine.tracks), _("can come back"), url)
        if condition and self._may_view_tracks:
            url = reverse("admin:library_track_changelist")
            yield Figure(_("Library"), pages.number(condition.changes.tracks_now), _("tracks"), url)

    @property
    def _may_view_tracks(self) -> bool:
        return permissions.may_view_tracks(self.user)

    def _latest(self) -> dict[str, Any] | None:
        latest, condition = self.board.latest, self.board.condition
        if latest is None or condition is None:
            return None
        level = condition.age.level
        return {
            "name": _name(latest),
            "url": reverse(PAGE, args=[latest.pk]),
            "groups_url": _groups_url(latest),
            "badge": pages.badge(STALENESS_BADGES[level], level.label),
            "when": pages.moment(latest.age_anchor, self.now),
            "change_line": condition.changes.sentence,
            "is_significant": condition.changes.is_significant,
            "advice": condition.recommendation.advice if condition.suggests_refresh else "",
            "facts": [
                (_("Groups"), pages.number(latest.groups_found)),
                (_("Duplicates"), pages.number(latest.duplicates_found)),
                (_("Tracks compared"), pages.number(latest.tracks_analyzed)),
                (_("Took"), pages.duration(latest.processing_seconds)),
                (_("Asked by"), asked_by(latest)),
            ],
        }

    def _decided(self) -> dict[str, Any] | None:
        left = self.board.left
        if left is None or not left.groups:
            return None
        text = _("%(decided)s of %(all)s groups decided (%(percent)s)") % {
            "decided": pages.number(left.groups_decided),
            "all": pages.number(left.groups),
            "percent": pages.percent(left.groups_decided / left.groups),
        }
        return {"text": text, "value": left.groups_decided, "max": left.groups}

    def _trend(self) -> dict[str, Any] | None:
        """Return the points, or None while they would draw nothing but a level line between one run and now."""
        points = self.board.trend
        if len(points) < 2 or (len(points) == 2 and points[0].duplicates == points[1].duplicates):
            return None
        labels = [date_format(localtime(point.at), "j M Y, H:i") for point in points[:-1]] + [_("Now")]
        return {
            "name": "trend-data",
            "kind": "line",
            "labels": labels,
            "places": [int(point.at.timestamp() * 1000) for point in points],
            "series": [{"name": _("Duplicates"), "tone": "info", "values": [point.duplicates for point in points]}],
            "rows": [(label, [pages.number(one.duplicates)]) for label, one in zip(labels, points, strict=True)],
        }

    def _weeks(self) -> dict[str, Any] | None:
        """Return the weeks, or None while nothing was decided in any of them."""
        done = [(_ended(week), _groups_decided(week), _tracks_removed(week)) for week in self.board.weeks]
        if not any(groups or tracks for _label, groups, tracks in done):
            return None
        labels, groups, tracks = ([one[place] for one in done] for place in range(3))
        return {
            "name": "weeks-data",
            "kind": "bar",
            "labels": labels,
            "series": [
                {"name": _("Groups decided"), "tone": "info", "values": groups},
                {"name": _("Tracks removed"), "tone": "warn", "values": tracks},
            ],
            "rows": [(label, [pages.number(one), pages.number(other)]) for label, one, other in done],
            "history_url": reverse("admin:duplicates_history") if sees_all(self.user) else "",
        }

    def _quarantine(self) -> dict[str, Any] | None:
        quarantine = self.board.quarantine
        if quarantine is None:
            return None
        soon = quarantine.expiring_tracks
        said = ngettext(
            "%(count)s copy is deleted for good within %(days)s days, unless it is brought back.",
            "%(count)s copies are deleted for good within %(days)s days, unless they are brought back.",
            soon,
        )
        return {
            "tracks": quarantine.tracks,
            "total": pages.number(quarantine.tracks),
            "soon": said % {"count": pages.number(soon), "days": EXPIRES_SOON.days} if soon else "",
            "first": pages.moment(quarantine.first_expires_at, self.now),
            "url": f"{reverse('admin:library_track_changelist')}?quarantine=yes" if self._may_view_tracks else "",
        }

    def _storage(self) -> dict[str, Any] | None:
        storage = self.board.storage
        if storage is None:
            return None
        return {
            "rows": [
                (KINDS[kind], _rows(stored, is_estimate=storage.is_estimate), pages.size(stored.size_bytes or None))
                for kind, stored in storage.by_kind.items()
            ],
            "database": pages.size(storage.database_bytes),
        }


def _name(analysis: DuplicateAnalysisResult) -> str:
    search = f" “{analysis.search_term}”" if analysis.search_term else ""
    return f"{analysis.get_preset_display()}{search}"


def _groups_url(analysis: DuplicateAnalysisResult) -> str:
    return f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?analysis={analysis.pk}"


def _rows(stored: Stored, *, is_estimate: bool) -> str:
    if stored.is_at_least:
        return _("more than %(count)s") % {"count": pages.number(stored.rows)}
    if is_estimate and stored.rows:
        return _("about %(count)s") % {"count": pages.number(stored.rows)}
    return pages.number(stored.rows)


def _ended(week: Week) -> str:
    return date_format(localtime(week.ends_at), "j M")


def _groups_decided(week: Week) -> int:
    return sum(week.by_action.get(name, Tally()).groups for name in _DECISIONS)


def _tracks_removed(week: Week) -> int:
    return week.by_action.get(REMOVALS, Tally()).tracks
