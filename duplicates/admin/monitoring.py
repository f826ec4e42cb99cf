"""The Monitoring page: how runs, people and storage have done, in words, charts and tables."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from duplicates.admin.shared import person
from duplicates.choices import Phase
from duplicates.services import permissions
from duplicates.services.error_patterns import find_patterns
from duplicates.services.measured_precision import BandPrecision
from duplicates.services.metrics import PERIODS, Activity, Metrics, SizeFigures, get_metrics
from duplicates.services.storage import KINDS, Stored
from duplicates.services.storage_growth import Growth, forecast, get_growth
from duplicates.services.storage_limits import storage_warnings
from duplicates.told import told
from library import admin_pages as pages

LONGEST_BY_DAY = 30  # of a longer period the charts show weeks
PEOPLE_SHOWN = 20


def monitoring_view(request: HttpRequest, site_context: dict[str, Any]) -> TemplateResponse:
    """Show the page to those who see everybody's analyses."""
    user = person(request)
    if not permissions.may_monitor(user):
        raise PermissionDenied
    offered = {str(days): days for days in PERIODS}
    days = offered.get(request.GET.get("days", ""), PERIODS[1])
    now = timezone.now()
    page = _Page(get_metrics(now=now, days=days), get_growth(now=now, days=days), permissions.may_view_audit(user))
    context = {**site_context, "title": _("Monitoring"), **page.context()}
    return TemplateResponse(request, "admin/duplicates/monitoring.html", context)


@dataclass(frozen=True)
class _Page:
    """The figures in words; who did how much only for those who may read the audit trail."""

    metrics: Metrics
    growth: Growth
    shows_people: bool

    def context(self) -> dict[str, Any]:
        storage = self.metrics.storage
        return {
            "periods": [(days, days == self.metrics.days) for days in PERIODS],
            "days": self.metrics.days,
            "figures": list(self._figures()),
            "patterns": find_patterns(self.metrics.runs),
            "warnings": storage_warnings(storage, free_bytes=self.metrics.free_bytes),
            "runs_chart": self._runs_chart(),
            "review_chart": self._review_chart(),
            "export_chart": self._export_chart(),
            "storage_chart": self._storage_chart(),
            "sizes": [_size(one) for one in self.metrics.by_size],
            "phases": [Phase(phase).label for phase in Phase.values],
            "failures": sorted(self.metrics.failures.items(), key=lambda item: (-item[1], item[0])),
            "work": list(self._work()),
            "bands": [_band(one) for one in self.metrics.precision],
            "kinds": [_stored(str(KINDS[kind]), stored) for kind, stored in storage.by_kind.items()],
            "total": _stored(_("Together"), storage.total),
            "is_estimate": storage.is_estimate,
            "owners": self._owners(),
            "forecast": forecast(self.growth, free_bytes=self.metrics.free_bytes),
            "shows_people": self.shows_people,
            "reviewers": self._reviewers(),
            "more_reviewers": max(0, len(self.metrics.reviewers) - PEOPLE_SHOWN),
        }

    @cached_property
    def _all(self) -> Activity:
        return self.metrics.activity()

    def _figures(self) -> Iterable[tuple[str, str, str]]:
        ended = self._all.completed + self._all.failed
        yield (
            _("Completed"),
            pages.percent(self._all.completion_ratio),
            _("of %(count)s analyses") % {"count": pages.number(ended)},
        )
        waiting = self.metrics.queue.queued
        yield _("Waiting"), pages.number(waiting), _("%(count)s under way") % {"count": self.metrics.queue.running}
        yield _("Workers"), pages.number(self.metrics.workers.alive), _("alive")
        yield _("Groups decided"), pages.number(self._all.groups_decided), self._pace()
        yield _("Exports"), pages.number(self._all.exports_requested), self._downloads()
        size = pages.size(self.metrics.storage.total.size_bytes)
        yield _("Stored"), size, _("%(free)s free") % {"free": pages.size(self.metrics.free_bytes)}

    def _pace(self) -> str:
        a_day = self._all.groups_decided / self.metrics.days
        return _("%(count)s a day") % {"count": pages.number(a_day, 1)}

    def _downloads(self) -> str:
        return _("%(count)s downloads") % {"count": pages.number(self._all.downloads)}

    def _work(self) -> Iterable[tuple[str, str]]:
        queue, workers = self.metrics.queue, self.metrics.workers
        yield _("Longest wait in the queue"), pages.duration(queue.oldest_queued_seconds or None)
        yield _("Exports waiting"), pages.number(queue.exports_waiting)
        yield _("Clean-up plans under way"), pages.number(queue.plans_at_work)
        yield _("Worker last seen"), _ago(workers.heartbeat_age_seconds)

    # --- Charts: a series for each kind, a place for each day or week ------------------------------------------------

    def _runs_chart(self) -> dict[str, Any] | None:
        kinds = (
            (_("Completed"), "good", "completed"),
            (_("Failed"), "bad", "failed"),
            (_("Cancelled"), "quiet", "cancelled"),
        )
        return self._bars("runs-data", kinds)

    def _review_chart(self) -> dict[str, Any] | None:
        kinds = ((_("Groups decided"), "info", "groups_decided"), (_("Copies removed"), "warn", "tracks_removed"))
        return self._bars("review-data", kinds)

    def _export_chart(self) -> dict[str, Any] | None:
        kinds = ((_("Exports"), "info", "exports_requested"), (_("Downloads"), "good", "downloads"))
        return self._bars("export-data", kinds)

    def _bars(self, name: str, kinds: Iterable[tuple[str, str, str]]) -> dict[str, Any] | None:
        """Return a chart, or None where there is nothing to draw."""
        parts = self._parts
        series = [
            {"name": says, "tone": tone, "values": [sum(getattr(day, field) for day in days) for _label, days in parts]}
            for says, tone, field in kinds
        ]
        if not any(any(one["values"]) for one in series):
            return None
        labels = [label for label, _days in parts]
        values: list[Any] = [one["values"] for one in series]
        rows = [(label, [pages.number(one) for one in row]) for label, *row in zip(labels, *values, strict=True)]
        return {"name": name, "kind": "bar", "labels": labels, "series": series, "rows": rows}

    @cached_property
    def _parts(self) -> list[tuple[str, list[Activity]]]:
        """Cut the period into days or weeks that end now, each with the day on which it ends."""
        length = 1 if self.metrics.days <= LONGEST_BY_DAY else 7
        days = self.metrics.by_day
        parts = []
        for end in range(len(days), 0, -length):
            at = localtime(self.metrics.at - timedelta(days=len(days) - end))
            parts.append((date_format(at, "j M"), list(days[max(0, end - length) : end])))
        return parts[::-1]

    def _storage_chart(self) -> dict[str, Any] | None:
        if len(self.growth.days) < 2:
            return None
        labels = [date_format(day, "j M Y") for day in self.growth.days]
        at = [datetime.combine(day, time(), self.metrics.at.tzinfo) for day in self.growth.days]
        megabytes = [round(size / 1_000_000, 2) for size in self.growth.totals]
        sizes = [[pages.size(size)] for size in self.growth.totals]
        return {
            "name": "storage-data",
            "kind": "line",
            "labels": labels,
            "places": [int(one.timestamp() * 1000) for one in at],
            "series": [{"name": _("MB stored"), "tone": "info", "values": megabytes}],
            "rows": list(zip(labels, sizes, strict=True)),
        }

    # --- Tables ------------------------------------------------------------------------------------------------------

    def _owners(self) -> list[tuple[str, str, str]]:
        """Return whose results hold how much, the largest first."""
        held = sorted(self.metrics.storage.by_user.items(), key=lambda item: -item[1].size_bytes)
        return [_stored(name or _("System"), stored) for (_id, name), stored in held[:PEOPLE_SHOWN]]

    def _reviewers(self) -> list[dict[str, Any]]:
        if not self.shows_people:
            return []
        return [
            {
                "name": one.name or _("System"),
                "actions": pages.number(one.actions),
                "groups": pages.number(one.groups),
                "tracks": pages.number(one.tracks),
                "last": pages.moment(one.last_at, self.metrics.at),
            }
            for one in self.metrics.reviewers[:PEOPLE_SHOWN]
        ]


def _size(figures: SizeFigures) -> dict[str, Any]:
    return {
        "name": told(figures.size_class),
        "runs": pages.number(figures.runs),
        "median": pages.duration(figures.median_seconds),
        "longest": pages.duration(figures.longest_seconds),
        "pace": pages.number(figures.tracks_per_second),
        "memory": pages.size(figures.peak_memory_bytes),
        "phases": [pages.duration(figures.phase_seconds[phase]) for phase in Phase.values],
    }


def _band(one: BandPrecision) -> dict[str, str]:
    interval = one.interval
    between = f"{pages.percent(interval[0])} – {pages.percent(interval[1])}" if interval else ""
    return {
        "name": str(one.band.label),
        "confirmed": pages.number(one.confirmed),
        "different": pages.number(one.different),
        "share": pages.percent(one.precision),
        "between": between,
    }


def _stored(name: str, stored: Stored) -> tuple[str, str, str]:
    return name, pages.number(stored.rows), pages.size(stored.size_bytes)


def _ago(seconds: float | None) -> str:
    return _("never") if seconds is None else _("%(time)s ago") % {"time": pages.duration(seconds)}
