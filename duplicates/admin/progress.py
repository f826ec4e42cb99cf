"""Where a run is, as the analysis page shows it: sentences made here, so that the script only puts them in place."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.choices import AnalysisStatus, Phase
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.workers import WORKER_COMMAND, are_there_workers
from duplicates.told import told
from library import admin_pages as pages


def progress_values(
    analysis: DuplicateAnalysisResult, now: datetime, *, has_workers: bool | None = None
) -> dict[str, Any]:
    """Return the state of an analysis as plain JSON for page and script; who knows of workers saves a query."""
    stored = analysis.progress or {}
    percentage = float(stored.get("percentage", 0))
    return {
        "status": analysis.status,
        "status_label": str(analysis.get_status_display()),
        "is_active": analysis.is_active or analysis.is_being_kept(now),
        "percentage": round(percentage, 1),
        "percent_text": f"{percentage:.0f} %",
        "phase": analysis.phase,
        "message": _message(analysis, stored),
        "tracks_text": _tracks(stored),
        "groups_text": _groups(stored["groups_found"]) if stored.get("groups_found") else "",
        "time_left_text": _time_left(stored.get("estimated_seconds_remaining")),
        "needs_worker": analysis.status == AnalysisStatus.QUEUED and not _are_there_workers(now, has_workers),
        "worker_command": WORKER_COMMAND,
    }


def _are_there_workers(now: datetime, known: bool | None) -> bool:
    return are_there_workers(now=now) if known is None else known


def phase_marks(analysis: DuplicateAnalysisResult) -> list[dict[str, str]]:
    """Return the phases in order, each done, current or still to come."""
    names = Phase.values
    current = names.index(analysis.phase) if analysis.phase in names else -1
    states = ["done" if place < current else "current" if place == current else "ahead" for place in range(len(names))]
    return [
        {"name": name, "label": str(Phase(name).label), "state": state}
        for name, state in zip(names, states, strict=True)
    ]


def _message(analysis: DuplicateAnalysisResult, stored: dict[str, Any]) -> str:
    if analysis.status == AnalysisStatus.CANCELLED:
        return _("Stopped as asked. What was found so far is being kept; earlier results stay untouched.")
    if analysis.status == AnalysisStatus.QUEUED:
        return _("Waiting for a worker.")
    return told(str(stored.get("message") or "")) or _("Starting.")


def _tracks(stored: dict[str, Any]) -> str:
    total = stored.get("total_tracks", 0)
    if not total:
        return ""
    return _("%(done)s of %(total)s tracks in this step") % {
        "done": pages.number(stored.get("tracks_processed", 0)),
        "total": pages.number(total),
    }


def _groups(found: int) -> str:
    return ngettext("%(count)s group found", "%(count)s groups found", found) % {"count": pages.number(found)}


def _time_left(seconds: float | None) -> str:
    return "" if seconds is None else _("about %(time)s left") % {"time": pages.duration(max(1, round(seconds)))}
