"""What the pages of duplicates share: whose rows one sees, which analysis a list is about, and the colours of words."""

import logging
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.models import AbstractUser
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.choices import AnalysisStatus, ConfidenceBand, ExportStatus, ITunesMatch, Preset
from duplicates.exceptions import NotAllowed
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import permissions
from duplicates.services.impact import follow_library
from duplicates.services.staleness import Staleness
from library import admin_pages as pages
from library.moments import absolute

if TYPE_CHECKING:
    from duplicates.models.analysis import AnalysisQuerySet

logger = logging.getLogger("reprise.admin")

ANALYSES_OFFERED = 20
_CHOSEN = "_chosen_analysis"

STATUS_BADGES = {
    AnalysisStatus.QUEUED: "quiet",
    AnalysisStatus.RUNNING: "info",
    AnalysisStatus.COMPLETED: "good",
    AnalysisStatus.FAILED: "bad",
    AnalysisStatus.CANCELLED: "quiet",
}
STALENESS_BADGES = {
    Staleness.FRESH: "good",
    Staleness.MODERATE: "warn",
    Staleness.STALE: "bad",
    Staleness.VERY_STALE: "bad",
}
BAND_BADGES = {
    ConfidenceBand.VERY_HIGH: "good",
    ConfidenceBand.HIGH: "good",
    ConfidenceBand.MEDIUM: "warn",
    ConfidenceBand.LOW: "bad",
}
EXPORT_BADGES = {
    ExportStatus.PENDING: "quiet",
    ExportStatus.RUNNING: "info",
    ExportStatus.COMPLETED: "good",
    ExportStatus.FAILED: "bad",
    ExportStatus.EXPIRED: "quiet",
}
ITUNES_BADGES = {ITunesMatch.EXACT: "good", ITunesMatch.FUZZY: "warn", ITunesMatch.NONE: "quiet"}


def person(request: HttpRequest) -> AbstractUser:
    """Return who asks; admin views are reached only by people who logged in."""
    assert request.user.is_authenticated
    return request.user


def follow_if_possible() -> None:
    """Let saved analyses learn what became of their tracks; a busy database only means that it happens later."""
    try:
        follow_library(now=timezone.now())
    except DatabaseError:
        logger.warning("Saved analyses could not follow the library now", exc_info=True)


def asked_by(analysis: DuplicateAnalysisResult) -> str:
    """Return the name of whoever wanted the analysis."""
    return analysis.user.get_username() if analysis.user else _("System")


def require_manager(request: HttpRequest, analysis: DuplicateAnalysisResult) -> None:
    """Refuse who may not decide what becomes of this analysis."""
    if not permissions.may_manage(person(request), analysis):
        raise NotAllowed(_("This analysis was started by %(who)s.") % {"who": asked_by(analysis)})


def status_badge(analysis: DuplicateAnalysisResult) -> SafeString:
    """Return the status of an analysis as a badge."""
    status = AnalysisStatus(analysis.status)
    return pages.badge(STATUS_BADGES[status], status.label)


def band_badge(confidence: float, band: ConfidenceBand) -> SafeString:
    """Return a confidence with the word for it."""
    return pages.badge(BAND_BADGES[band], f"{band.label} {pages.percent(confidence)}")


def itunes_badge(match: str) -> SafeString:
    """Return an iTunes match as a badge."""
    return pages.badge(ITUNES_BADGES[ITunesMatch(match)], ITunesMatch(match).label)


def visible_results(request: HttpRequest) -> "AnalysisQuerySet":
    """Return the completed analyses this person may see: the only ones whose groups are shown."""
    return DuplicateAnalysisResult.objects.visible_to(request.user).completed()


class OfVisibleAnalyses(pages.ReadOnlyAdmin):
    """Rows that belong to an analysis and are seen by those who may see it; others do not learn that they exist."""

    analysis_path = "analysis"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        visible = DuplicateAnalysisResult.objects.visible_to(request.user)
        rows: QuerySet[Any] = super().get_queryset(request).filter(**{f"{self.analysis_path}__in": visible})
        return rows


def chosen_analysis(request: HttpRequest) -> DuplicateAnalysisResult | None:
    """Return the analysis a list of groups is about: the one named in the address, else the newest visible one.

    Looked up once a request; each filter of the list asks for it.
    """
    if not hasattr(request, _CHOSEN):
        setattr(request, _CHOSEN, _look_up(request))
    chosen: DuplicateAnalysisResult | None = getattr(request, _CHOSEN)
    return chosen


def forget_chosen_analysis(request: HttpRequest) -> None:
    """Let a request whose address was replaced look its analysis up anew."""
    request.__dict__.pop(_CHOSEN, None)


def _look_up(request: HttpRequest) -> DuplicateAnalysisResult | None:
    results = visible_results(request).for_lists()
    if "analysis" in request.GET:
        wanted = as_uuid(request.GET["analysis"])
        return results.filter(pk=wanted).first() if wanted else None
    if (preset := request.GET.get("preset")) in Preset.values:
        results = results.filter(preset=preset)
    return results.order_by("-created_at").first()


def as_uuid(text: str) -> uuid.UUID | None:
    """Read an id from an address; None when it is none."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


class AnalysisFilter(admin.SimpleListFilter):
    """One analysis at a time, the newest unless another is chosen: groups of two analyses are never mixed."""

    title = lazy("analysis")
    parameter_name = "analysis"

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.chosen = chosen_analysis(request)
        super().__init__(request, *args)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.path = model_admin.analysis_path
        newest = visible_results(request).for_lists().order_by("-created_at")[:ANALYSES_OFFERED]
        return [(str(analysis.pk), _label(analysis)) for analysis in newest]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.path: self.chosen}) if self.chosen else queryset.none()

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Offer no "All", and mark the one that is shown even when the address names none."""
        chosen = str(self.chosen.pk) if self.chosen else ""
        for value, label in self.lookup_choices:
            yield {
                "selected": value == chosen,
                "query_string": changelist.get_query_string({self.parameter_name: value}, ["preset"]),
                "display": label,
            }

    def has_output(self) -> bool:
        return True


def _label(analysis: DuplicateAnalysisResult) -> str:
    search = f" “{analysis.search_term}”" if analysis.search_term else ""
    return f"{analysis.get_preset_display()}, {absolute(analysis.age_anchor)}{search}"
