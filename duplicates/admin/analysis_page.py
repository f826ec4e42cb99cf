"""What the page of one analysis shows: its row and a handful of queries, however large the result is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Count, Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from duplicates.admin.buttons import Buttons, buttons_of
from duplicates.admin.condition import Banner, Fate, banner_of, fates_since_predecessor
from duplicates.admin.export_list import exports_context
from duplicates.admin.impact_panel import impact_context
from duplicates.admin.progress import phase_marks, progress_values
from duplicates.admin.shared import BAND_BADGES, STALENESS_BADGES, STATUS_BADGES, asked_by, status_badge
from duplicates.admin.wording import duplicates_in_words, groups_in_words, tracks_in_words
from duplicates.choices import AnalysisStatus, ConfidenceBand, Phase, SortBy
from duplicates.models import DuplicateAnalysisResult, DuplicatePreferences
from duplicates.services import permissions
from duplicates.services.library_changes import LibraryChangeSummary, get_library_change_summary
from duplicates.told import told
from library import admin_pages as pages
from library.models import Track
from library.moments import absolute

HISTORY_SHOWN = 10
JUST_FINISHED = timedelta(minutes=10)
NOT_JUDGED_SHOWN = 100
PAGE = "admin:duplicates_duplicateanalysisresult_change"


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the page: a name, a value, and a quieter remark."""

    name: str
    value: str | SafeString
    remark: str = ""


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
        analysis, running, condition = self.analysis, self._equal_run(), self._condition()
        return {
            "title": str(analysis.get_preset_display()),
            "subtitle": f"“{analysis.search_term}”" if analysis.search_term else None,
            "status_badge": status_badge(analysis),
            "banner_kind": STATUS_BADGES[AnalysisStatus(analysis.status)],
            "age": pages.moment(analysis.age_anchor, self.now),
            **condition,
            "progress": progress_values(analysis, self.now) if analysis.is_active else None,
            "phases": phase_marks(analysis) if analysis.is_active else [],
            "being_kept": progress_values(analysis, self.now)["message"] if analysis.is_being_kept(self.now) else "",
            "progress_url": reverse("admin:duplicates_analysis_progress", args=[analysis.pk]),
            "previous_url": self._previous_url(),
            "newer_url": self._newer_url(),
            "history": [self._in_history(one) for one in self.history],
            "equal_run": running,
            "equal_run_progress": progress_values(running, self.now) if running else None,
            "buttons": self._buttons(running),
            "may_run": permissions.may_run(self.user),
            "may_review": permissions.may_review(self.user),
            "delete_url": self._delete_url(),
            "is_newest_of_mine": self._is_newest_of_mine(),
            "figures": self._figures() if analysis.has_groups else [],
            "sections": self._sections(),
            "notes": self._notes(),
            "not_judged": self._not_judged(),
            "groups_url": self._groups_url(),
            **(self._confidence() if analysis.has_groups else {}),
            **(impact_context(analysis, self._changes(condition)) if analysis.has_groups else {}),
            **(exports_context(analysis, self.now) if permissions.may_export(self.user) else {}),
        }

    # --- Parts ------------------------------------------------------------------------------------------------------

    def _condition(self) -> dict[str, Any]:
        """Return how old the result is, what changed since, and what became of the previous one's groups."""
        if not self.analysis.is_readable:
            return {}
        banner = banner_of(self.analysis, self.preferences, now=self.now, session=self.session)
        level, fates = banner.condition.age.level, fates_since_predecessor(self.analysis)
        return {
            "staleness": pages.badge(STALENESS_BADGES[level], level.label),
            "banner_kind": STALENESS_BADGES[level],
            "banner": banner,
            "fates": fates,
            "summary": self._summary(fates),
        }

    def _changes(self, condition: dict[str, Any]) -> LibraryChangeSummary:
        """Return what changed since: what the banner found out, or for a run without one, asked for."""
        banner: Banner | None = condition.get("banner")
        return banner.condition.changes if banner else get_library_change_summary(self.analysis)

    def _summary(self, fates: list[Fate]) -> dict[str, Any]:
        """Say in a sentence or two what the run came to."""
        analysis = self.analysis
        found = _("Found %(groups)s with %(duplicates)s among %(tracks)s, in %(time)s.") % {
            "groups": groups_in_words(analysis.groups_found),
            "duplicates": duplicates_in_words(analysis.duplicates_found),
            "tracks": tracks_in_words(analysis.tracks_analyzed),
            "time": pages.duration(analysis.processing_seconds),
        }
        said = ", ".join(f"{pages.number(fate.count)} {fate.label.lower()}" for fate in fates if fate.count)
        difference = _("Since the analysis before: %(changes)s.") % {"changes": said} if said else ""
        ended = analysis.completed_at
        is_new = ended is not None and self.now - ended < JUST_FINISHED
        return {"found": found, "difference": difference, "is_new": is_new}

    @cached_property
    def history(self) -> list[DuplicateAnalysisResult]:
        """The newest analyses the viewer may see."""
        visible = DuplicateAnalysisResult.objects.visible_to(self.user).for_lists()
        return list(visible.order_by("-created_at")[:HISTORY_SHOWN])

    def _in_history(self, analysis: DuplicateAnalysisResult) -> dict[str, Any]:
        search = f" “{analysis.search_term}”" if analysis.search_term else ""
        return {
            "url": reverse(PAGE, args=[analysis.pk]),
            "when": absolute(analysis.age_anchor),
            "name": f"{analysis.get_preset_display()}{search}",
            "badge": status_badge(analysis),
            "groups": groups_in_words(analysis.groups_found) if analysis.has_groups else "",
            "is_this": analysis.pk == self.analysis.pk,
        }

    def _previous_url(self) -> str:
        """Return where the result before this one is: what it refreshes, else the newest other that can be read."""
        if self.analysis.predecessor_id:
            return reverse(PAGE, args=[self.analysis.predecessor_id])
        if self.analysis.is_readable:
            return ""
        readable = (one for one in self.history if one.is_readable and one.pk != self.analysis.pk)
        return reverse(PAGE, args=[found.pk]) if (found := next(readable, None)) else ""

    def _newer_url(self) -> str:
        """Return where the result of a refresh of this one is, while that is among the newest."""
        refreshed = (one for one in self.history if one.is_readable and one.predecessor_id == self.analysis.pk)
        return reverse(PAGE, args=[found.pk]) if (found := next(refreshed, None)) else ""

    def _delete_url(self) -> str:
        """Return where it is deleted; nothing while it runs or is pinned, and to those who may not."""
        analysis = self.analysis
        if analysis.is_active or analysis.is_pinned or not permissions.may_manage(self.user, analysis):
            return ""
        return reverse("admin:duplicates_delete_analysis", args=[analysis.pk])

    def _is_newest_of_mine(self) -> bool:
        """Is this what a quick refresh would refresh, as far as the history shows?"""
        mine = (one for one in self.history if one.is_readable and one.user_id == self.user.pk)
        newest = next(mine, None)
        return newest is None or newest.pk == self.analysis.pk

    @cached_property
    def preferences(self) -> DuplicatePreferences:
        """What the viewer prefers, read once."""
        return DuplicatePreferences.objects.of(self.user)

    def _equal_run(self) -> DuplicateAnalysisResult | None:
        """Return the run under way that asks the same, or refreshes this with version words taught since."""
        if self.analysis.is_active or not permissions.may_run(self.user):
            return None
        mine = DuplicateAnalysisResult.objects.filter(user_id=self.user.pk).active().for_lists()
        same = Q(parameters_fingerprint=self.analysis.parameters_fingerprint)
        return mine.filter(same | Q(predecessor=self.analysis.pk)).first()

    def _buttons(self, running: DuplicateAnalysisResult | None) -> Buttons:
        return buttons_of(
            self.analysis,
            self.user,
            is_refreshing=running is not None,
            first_format=self.preferences.export_format,
        )

    def _figures(self) -> list[Fact]:
        analysis = self.analysis
        return [
            Fact(_("Groups"), pages.number(analysis.groups_found)),
            Fact(_("Duplicates"), pages.number(analysis.duplicates_found), _("beside the keepers")),
            Fact(_("Compared"), pages.number(analysis.tracks_analyzed), _("tracks")),
            Fact(_("Not judged"), pages.number(analysis.not_enough_data_count), _("too little data")),
            Fact(_("Similarity"), pages.percent(analysis.average_similarity), _("on average")),
            Fact(_("Took"), pages.duration(analysis.processing_seconds)),
        ]

    def _sections(self) -> list[tuple[str, list[Fact]]]:
        return [
            (_("What was asked"), self._asked()),
            (_("The library it saw"), self._library()),
            (_("The run"), self._run()),
        ]

    def _asked(self) -> list[Fact]:
        analysis, asked = self.analysis, self.analysis.parameters
        ignored = ", ".join(name.replace("_", " ") for name in asked.get("ignored_fields", []))
        return [
            Fact(_("Counts as the same"), str(analysis.get_preset_display())),
            Fact(_("Search"), f"“{analysis.search_term}”" if analysis.search_term else _("The whole library")),
            Fact(_("Confidence of at least"), pages.percent(analysis.min_confidence)),
            Fact(_("Groups numbered by"), str(SortBy(analysis.sort_by).label)),
            Fact(_("Left out of the evidence"), ignored or _("Nothing")),
            Fact(_("A remaster is the same"), _("Yes") if asked.get("fold_remasters", True) else _("No")),
            Fact(_("Explicit kept apart"), _("Yes") if asked.get("keep_explicit_apart") else _("No")),
        ]

    def _library(self) -> list[Fact]:
        analysis = self.analysis
        return [
            Fact(_("Tracks"), pages.number(analysis.library_track_count)),
            Fact(_("Revision"), pages.number(analysis.library_revision)),
            Fact(_("iTunes catalogue"), told(str(analysis.figures.get("itunes_note") or "")) or self._looked_up()),
        ]

    def _looked_up(self) -> str:
        return _("Looked up") if self.analysis.is_readable else pages.UNKNOWN

    def _run(self) -> list[Fact]:
        analysis = self.analysis
        phases = [
            Fact(str(Phase(name).label), pages.duration(seconds))
            for name, seconds in analysis.phase_seconds.items()
            if name in Phase.values
        ]
        return [
            Fact(_("Asked by"), asked_by(analysis), str(analysis.get_trigger_display())),
            Fact(_("Queued"), pages.moment(analysis.created_at, self.now)),
            Fact(_("Started"), pages.moment(analysis.started_at, self.now)),
            Fact(_("Ended"), pages.moment(analysis.completed_at, self.now)),
            *phases,
            Fact(_("Processor time"), pages.duration(analysis.cpu_seconds)),
            Fact(_("Peak memory"), pages.size(analysis.peak_memory_bytes)),
            Fact(_("Id"), format_html("<code>{}</code>", analysis.pk)),
        ]

    def _notes(self) -> list[str]:
        figures = self.analysis.figures
        return [told(str(note)) for note in (*figures.get("narrowed", []), *figures.get("notes", []))]

    def _not_judged(self) -> list[tuple[str, str]]:
        """Return the first tracks that held too little to be judged, with where each is mended if one may look."""
        # Lists leave this field out, and most analyses have none: it is read where there is something in it.
        ids = self.analysis.not_enough_data[:NOT_JUDGED_SHOWN] if self.analysis.not_enough_data_count else []
        tracks = Track.objects.filter(pk__in=ids).order_by("pk") if ids else ()
        may_look = self.user.has_perm("library.view_track")
        return [
            (str(track), reverse("admin:library_track_change", args=[track.pk]) if may_look else "") for track in tracks
        ]

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
        decided = _("%(decided)s of %(all)s (%(percent)s)") % {
            "decided": pages.number(counts["resolved"]),
            "all": pages.number(counts["low"]),
            "percent": pages.percent(counts["resolved"] / counts["low"] if counts["low"] else None),
        }
        return {
            "bands": bands,
            "group_count": counts["low"],
            "resolved_count": counts["resolved"],
            "decided": decided,
            "open_url": f"{self._groups_url()}&decision=open",
            "review_url": f"{reverse('admin:duplicates_review')}?analysis={self.analysis.pk}",
        }
