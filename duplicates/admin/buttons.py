"""What one person can do with one analysis, each where its page offers it: plainly, under Export, or under More."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext as _

from duplicates.choices import ExportFormat
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import permissions
from duplicates.services.work_folder import is_unsaved_result_kept


@dataclass(frozen=True, slots=True)
class Button:
    """Something a person can do here; `action` is the admin action it posts."""

    action: str
    label: str
    kind: str = ""
    disabled: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Buttons:
    """The buttons of a page by the place where they stand."""

    stop: list[Button]  # beside the live bar
    retry: list[Button]  # beside the failure
    refresh: list[Button]  # beside the age
    export: list[Button]
    more: list[Button]


def buttons_of(
    analysis: DuplicateAnalysisResult, user: AbstractUser, *, is_refreshing: bool, first_format: str
) -> Buttons:
    """Offer what this person may do with the analysis as it is."""
    may_manage, may_run = permissions.may_manage(user, analysis), permissions.may_run(user)
    if analysis.is_active:
        return Buttons([Button("cancel", _("Cancel"), "danger")] if may_manage else [], [], [], [], [])
    is_unsaved = is_unsaved_result_kept(analysis)
    retry = []
    if may_manage and not analysis.is_readable:
        retry.append(Button("resume", _("Save again") if is_unsaved else _("Retry"), "primary", is_refreshing))
    return Buttons(
        stop=[],
        retry=retry,
        refresh=[_refresh(analysis, is_refreshing=is_refreshing)] if may_run else [],
        export=_exports(analysis, is_unsaved=is_unsaved, first=first_format) if permissions.may_export(user) else [],
        more=[
            *(_again(analysis, is_refreshing=is_refreshing) if may_run else []),
            *([_pin(analysis)] if may_manage and analysis.has_groups else []),
        ],
    )


def _refresh(analysis: DuplicateAnalysisResult, *, is_refreshing: bool) -> Button:
    return Button("refresh", _("Refresh") if analysis.is_readable else _("Start anew"), disabled=is_refreshing)


def _again(analysis: DuplicateAnalysisResult, *, is_refreshing: bool) -> list[Button]:
    """Offer the other ways to run it again."""
    other = Button(
        "run_analysis", _("New analysis with other settings"), hint=_("Begins with the settings of this one")
    )
    if not analysis.is_readable:
        return [other]
    anew = Button("refresh_anew", _("Refresh anew"), disabled=is_refreshing, hint=_("Matches every track again"))
    return [other, anew]


def _pin(analysis: DuplicateAnalysisResult) -> Button:
    if analysis.is_pinned:
        return Button("unpin", _("Unpin"), hint=_("Clean-up may take it again"))
    return Button("pin", _("Pin"), hint=_("No clean-up takes it"))


def _exports(analysis: DuplicateAnalysisResult, *, is_unsaved: bool, first: str) -> list[Button]:
    """Offer each format, the one this person prefers first."""
    if is_unsaved:
        return [
            Button("unsaved_json", _("Export unsaved JSON")),
            Button("unsaved_csv", _("Export unsaved CSV")),
        ]
    if not analysis.is_readable:
        return []
    formats = sorted(ExportFormat, key=lambda one: one != first)
    return [Button(f"export_{one.value}", _("Export %(format)s") % {"format": one.label}) for one in formats]
