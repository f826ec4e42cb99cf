"""The panel that says what clean-up has made of an analysis, for whichever page shows it."""

from typing import Any

from django.utils.translation import gettext as _

from duplicates.admin.history_page import CALLOUTS
from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.impact_advice import get_impact_advice
from duplicates.services.impact_summary import (
    NO_ACTION,
    ImpactSummary,
    NewAnalysisSuggestion,
    get_impact_summary,
    suggest_new_analysis,
)
from duplicates.services.library_changes import LibraryChangeSummary
from library import admin_pages as pages


def impact_context(analysis: DuplicateAnalysisResult, changes: LibraryChangeSummary) -> dict[str, Any]:
    """Return what `admin/duplicates/impact.html` shows; nothing while nothing is decided and nothing went."""
    summary = get_impact_summary(analysis)
    if not (summary.groups_resolved or summary.tracks_gone):
        return {}
    suggestion = suggest_new_analysis(summary, changes)
    return {
        "impact": {
            "summary": summary,
            "lines": _lines(summary),
            "advice": [(CALLOUTS[one.tone], one.sentence) for one in get_impact_advice(summary)],
            "suggestion": suggestion,
            "words": _words(suggestion),
        }
    }


def _lines(summary: ImpactSummary) -> list[tuple[str, str]]:
    groups = _("%(resolved)s of %(all)s (%(percent)s)") % {
        "resolved": pages.number(summary.groups_resolved),
        "all": pages.number(summary.groups),
        "percent": pages.percent(summary.groups_resolved_percent / 100),
    }
    eliminated = _("%(gone)s of %(all)s (%(percent)s)") % {
        "gone": pages.number(summary.duplicates_eliminated),
        "all": pages.number(summary.duplicates),
        "percent": pages.percent(summary.duplicates_eliminated_percent / 100),
    }
    freed = pages.size(summary.bytes_freed)
    if summary.sizes_unknown:
        freed = _("Not known: %(count)s sizes are missing") % {"count": pages.number(summary.sizes_unknown)}
    labels = {**dict(Resolution.choices), NO_ACTION: _("Nothing decided")}
    decided = ((str(labels[name]), pages.number(count)) for name, count in summary.by_resolution.items() if count)
    return [
        (_("Groups decided"), groups),
        (_("Cleaned up in part"), pages.number(summary.groups_partly)),
        (_("Duplicates gone"), eliminated),
        (_("Tracks that remain"), pages.number(summary.tracks_remaining)),
        (_("Plays kept"), pages.number(summary.plays_kept)),
        (_("Freed once deleted on disk"), freed),
        *decided,
    ]


def _words(suggestion: NewAnalysisSuggestion) -> str:
    """Say how strongly a new analysis is suggested."""
    said = {
        "recommended": _("A new analysis is recommended."),
        "suggested": _("A new analysis is worth while."),
        "optional": _("A new analysis can find more."),
    }
    return said.get(suggestion.timing, "")
