"""What the page of one analysis shows: its row and a handful of queries, however large the result is."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from duplicates.admin.condition import banner_of, fates_since_predecessor
from duplicates.admin.impact_panel import impact_context
from duplicates.admin.progress import phase_marks, progress_values
from duplicates.admin.shared import BAND_BADGES, EXPORT_BADGES, STALENESS_BADGES, asked_by, status_badge
from duplicates.choices import ConfidenceBand, ExportFormat, ExportStatus, Phase, SortBy
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import permissions
from duplicates.services.downloading import is_downloadable
from duplicates.services.work_folder import is_unsaved_result_kept
from library import admin_pages as pages

EXPORTS_SHOWN = 5
PAGE = "admin:duplicates_duplicateanalysisresult_change"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the page: a name, a value, and a quieter remark."""

    name: str
    value: str | SafeString
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """Something a person can do here; `action` is the admin action it posts."""

    action: str
    label: str
    kind: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """How many groups are this sure, and where they are listed."""

    label: str
    kind: str
    count: int
    link: str


@dataclass(frozen=True)
class AnalysisPage:
    """One analysis as one person sees it at one moment."""

    analysis: DuplicateAnalysisResult
    user: AbstractUser
    now: datetime
    session: SessionBase

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        analysis, running = self.analysis, self._equal_run()
        return {
            "title": str(analysis.get_preset_display()),
            "subtitle": f"“{analysis.search_term}”" if analysis.search_term else None,
            "status_badge": status_badge(analysis),
            "age": pages.moment(analysis.age_anchor, self.now),
            **self._condition(),
            "progress": progress_values(analysis, self.now) if analysis.is_active else None,
            "phases": phase_marks(analysis) if analysis.is_active else [],
            "progress_url": reverse("admin:duplicates_analysis_progress", args=[analysis.pk]),
            "previous_url": reverse(PAGE, args=[analysis.predecessor_id]) if analysis.predecessor_id else "",
            "equal_run": running,
            "equal_run_progress": progress_values(running, self.now) if running else None,
            "buttons": self._buttons(running),
            "may_run": permissions.may_run(self.user),
            "figures": self._figures() if analysis.has_groups else [],
            "sections": self._sections(),
            "notes": self._notes(),
            "groups_url": self._groups_url(),
            **(self._confidence() if analysis.has_groups else {}),
            **(impact_context(analysis) if analysis.has_groups else {}),
            **(self._exports() if permissions.may_export(self.user) else {}),
        }

    # --- Parts ------------------------------------------------------------------------------------------------------

    def _condition(self) -> dict[str, Any]:
        """Return how old the result is, what changed since, and what became of the previous one's groups."""
        if not self.analysis.is_readable:
            return {}
        banner = banner_of(self.analysis, self.preferences, now=self.now, session=self.session)
        level = banner.condition.age.level
        return {
            "staleness": pages.badge(STALENESS_BADGES[level], level.label),
            "banner": banner,
            "fates": fates_since_predecessor(self.analysis),
        }

    @cached_property
    def preferences(self) -> DuplicatePreferences:
        """What the viewer prefers, read once."""
        return DuplicatePreferences.objects.of(self.user)

    def _equal_run(self) -> DuplicateAnalysisResult | None:
        """Return the refresh of this analysis that is under way, if there is one."""
        if self.analysis.is_active or not permissions.may_run(self.user):
            return None
        mine = DuplicateAnalysisResult.objects.filter(user_id=self.user.pk).active().for_lists()
        return mine.filter(parameters_fingerprint=self.analysis.parameters_fingerprint).first()

    def _buttons(self, running: DuplicateAnalysisResult | None) -> list[Button]:
        buttons = []
        if self.analysis.is_active:
            if permissions.may_manage(self.user, self.analysis):
                asked = self.analysis.cancel_requested
                buttons.append(Button("cancel", "Stopping" if asked else "Cancel", "danger", disabled=asked))
            return buttons
        is_unsaved = is_unsaved_result_kept(self.analysis)
        if not self.analysis.is_readable and permissions.may_manage(self.user, self.analysis):
            buttons.append(Button("resume", "Save again" if is_unsaved else "Retry", "primary", bool(running)))
        if permissions.may_run(self.user):
            label = "Refresh" if self.analysis.is_readable else "Start anew"
            buttons.append(Button("refresh", label, disabled=bool(running)))
            if self.analysis.is_readable:
                buttons.append(Button("refresh_anew", "Refresh anew", disabled=bool(running)))
            buttons.append(Button("run_analysis", "Run analysis"))
        if self.analysis.is_readable and permissions.may_export(self.user):
            buttons += self._export_buttons()
        if is_unsaved and permissions.may_export(self.user):
            buttons += [Button("unsaved_json", "Export unsaved JSON"), Button("unsaved_csv", "Export unsaved CSV")]
        return buttons

    def _export_buttons(self) -> list[Button]:
        """Offer each format, the one this person prefers first."""
        first = self.preferences.export_format
        formats = sorted(ExportFormat, key=lambda one: one != first)
        return [Button(f"export_{one.value}", f"Export {one.label}") for one in formats]

    def _figures(self) -> list[Fact]:
        analysis = self.analysis
        return [
            Fact("Groups", pages.number(analysis.groups_found)),
            Fact("Duplicates", pages.number(analysis.duplicates_found), "beside the keepers"),
            Fact("Tracks compared", pages.number(analysis.tracks_analyzed)),
            Fact("Not enough data", pages.number(analysis.not_enough_data_count), "too thin to judge"),
            Fact("Average similarity", pages.percent(analysis.average_similarity)),
            Fact("Took", pages.duration(analysis.processing_seconds)),
        ]

    def _sections(self) -> list[tuple[str, list[Fact]]]:
        return [
            ("What was asked", self._asked()),
            ("The library it saw", self._library()),
            ("The run", self._run()),
        ]

    def _asked(self) -> list[Fact]:
        analysis, asked = self.analysis, self.analysis.parameters
        ignored = ", ".join(name.replace("_", " ") for name in asked.get("ignored_fields", []))
        return [
            Fact("Counts as the same", str(analysis.get_preset_display())),
            Fact("Search", f"“{analysis.search_term}”" if analysis.search_term else "The whole library"),
            Fact("Confidence of at least", pages.percent(analysis.min_confidence)),
            Fact("Groups numbered by", str(SortBy(analysis.sort_by).label)),
            Fact("Left out of the evidence", ignored or "Nothing"),
            Fact("A remaster is the same", "Yes" if asked.get("fold_remasters", True) else "No"),
            Fact("Explicit kept apart", "Yes" if asked.get("keep_explicit_apart") else "No"),
        ]

    def _library(self) -> list[Fact]:
        analysis = self.analysis
        return [
            Fact("Tracks", pages.number(analysis.library_track_count)),
            Fact("Revision", pages.number(analysis.library_revision)),
            Fact("iTunes catalogue", str(analysis.figures.get("itunes_note") or self._looked_up())),
        ]

    def _looked_up(self) -> str:
        return "Looked up" if self.analysis.is_readable else pages.UNKNOWN

    def _run(self) -> list[Fact]:
        analysis = self.analysis
        phases = [
            Fact(str(Phase(name).label), pages.duration(seconds))
            for name, seconds in analysis.phase_seconds.items()
            if name in Phase.values
        ]
        return [
            Fact("Asked by", asked_by(analysis), str(analysis.get_trigger_display())),
            Fact("Queued", pages.moment(analysis.created_at, self.now)),
            Fact("Started", pages.moment(analysis.started_at, self.now)),
            Fact("Ended", pages.moment(analysis.completed_at, self.now)),
            *phases,
            Fact("Processor time", pages.duration(analysis.cpu_seconds)),
            Fact("Peak memory", pages.size(analysis.peak_memory_bytes)),
            Fact("Id", format_html("<code>{}</code>", analysis.pk)),
        ]

    def _notes(self) -> list[str]:
        figures = self.analysis.figures
        return [str(note) for note in (*figures.get("narrowed", []), *figures.get("notes", []))]

    def _groups_url(self) -> str:
        return f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?analysis={self.analysis.pk}"

    def _confidence(self) -> dict[str, Any]:
        """Count the groups by band and those already decided, in one pass over the index."""
        counts = self.analysis.groups.aggregate(
            very_high=Count("pk", filter=Q(confidence__gte=settings.CONFIDENCE_VERY_HIGH)),
            high=Count("pk", filter=Q(confidence__gte=settings.CONFIDENCE_HIGH)),
            medium=Count("pk", filter=Q(confidence__gte=settings.CONFIDENCE_MEDIUM)),
            low=Count("pk"),
            resolved=Count("pk", filter=Q(is_resolved=True)),
        )
        bands, above = [], 0
        for band in ConfidenceBand:
            link = f"{self._groups_url()}&band={band.value}"
            bands.append(Band(str(band.label), BAND_BADGES[band], counts[band.value] - above, link))
            above = counts[band.value]
        return {"bands": bands, "group_count": counts["low"], "resolved_count": counts["resolved"]}

    def _exports(self) -> dict[str, Any]:
        newest = DuplicateAnalysisExport.objects.filter(analysis=self.analysis).order_by("-created_at")
        base = reverse("admin:duplicates_duplicateanalysisexport_changelist")
        return {
            "exports": [self._export(export) for export in newest[:EXPORTS_SHOWN]],
            "exports_url": f"{base}?analysis__analysis_id__exact={self.analysis.pk}",
        }

    def _export(self, export: DuplicateAnalysisExport) -> dict[str, Any]:
        ready = is_downloadable(export, now=self.now)
        status = ExportStatus(export.status)
        shown = ExportStatus.EXPIRED if status == ExportStatus.COMPLETED and not ready else status
        return {
            "name": export.get_format_display(),
            "badge": pages.badge(EXPORT_BADGES[shown], shown.label),
            "size": pages.size(export.size_bytes),
            "asked": pages.moment(export.created_at, self.now),
            "url": reverse("admin:duplicates_export_download", args=[export.pk]) if ready else "",
        }
