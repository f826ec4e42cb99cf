"""The one sentence of what to do next, and its button; for those who may not do it, the sentence alone."""

from dataclasses import dataclass

from django.contrib.auth.models import AbstractUser
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.models import DuplicateAnalysisResult
from duplicates.services import permissions
from duplicates.services.dashboard import Dashboard
from duplicates.services.next_step import Step
from duplicates.services.workers import WORKER_COMMAND
from library import admin_pages as pages

PAGE = "admin:duplicates_duplicateanalysisresult_change"
RUN = "admin:duplicates_run_analysis"
IMPORT_COMMAND = 'uv run manage.py import_library "Library.xml"'


@dataclass(frozen=True, slots=True)
class StepView:
    """What to do next in words. Either a link, or an action posted to the page of an analysis, or a command to copy."""

    step: Step
    sentence: str
    button: str = ""
    url: str = ""
    action: str = ""  # posted to `url`, about `analysis`
    analysis: DuplicateAnalysisResult | None = None
    command: str = ""


def view_of_step(board: Dashboard, user: AbstractUser) -> StepView:
    """Say the next step to one person."""
    match board.next_step.step:
        case Step.IMPORT:
            return _import(user)
        case Step.START_WORKER:
            return StepView(
                Step.START_WORKER,
                _("An analysis is waiting, and no worker is running: start one."),
                command=WORKER_COMMAND,
                analysis=board.next_step.analysis,
            )
        case Step.START | Step.START_ANEW:
            return _start(board, user)
        case Step.REFRESH:
            return _refresh(board)
        case Step.REVIEW:
            return _review(board, user)
        case _:
            return _look(board)


def _import(user: AbstractUser) -> StepView:
    sentence = _("Your library is empty: import your music to begin.")
    if not permissions.may_view_imports(user):
        return StepView(Step.IMPORT, sentence, command=IMPORT_COMMAND)
    url = reverse("admin:library_libraryimport_changelist")
    return StepView(Step.IMPORT, sentence, _("See imports"), url, command=IMPORT_COMMAND)


def _start(board: Dashboard, user: AbstractUser) -> StepView:
    step = board.next_step.step
    if not permissions.may_run(user):
        return StepView(step, _("There is no analysis yet. Somebody who may run analyses has to start one."))
    if step == Step.START:
        sentence = _("The library is here; find out which songs it holds twice.")
        return StepView(step, sentence, _("Start an analysis"), reverse(RUN))
    sentence = _("Most of the library has changed since the latest analysis: start a new one.")
    return StepView(step, sentence, _("New analysis"), f"{reverse(RUN)}?like={_pk(board)}")


def _refresh(board: Dashboard) -> StepView:
    assert board.condition is not None  # the step says that there is a result
    said = " ".join((*board.condition.recommendation.reasons, _("Refresh it to be sure.")))
    url = reverse(PAGE, args=[_pk(board)])
    return StepView(Step.REFRESH, said, _("Refresh"), url, action="refresh", analysis=board.next_step.analysis)


def _review(board: Dashboard, user: AbstractUser) -> StepView:
    assert board.left is not None  # likewise
    count = board.left.groups_open
    said = ngettext(
        "%(count)s group is waiting for a decision.", "%(count)s groups are waiting for a decision.", count
    ) % {"count": pages.number(count)}
    if not permissions.may_review(user):
        groups = reverse("admin:duplicates_duplicateanalysisgroup_changelist")
        return StepView(Step.REVIEW, said, _("Look at the groups"), f"{groups}?analysis={_pk(board)}")
    button = _("Go on reviewing") if board.left.groups_decided else _("Start reviewing")
    return StepView(Step.REVIEW, said, button, f"{reverse('admin:duplicates_review')}?analysis={_pk(board)}")


def _look(board: Dashboard) -> StepView:
    """Point to an analysis: one under way, one that failed, or one with nothing left to decide."""
    match board.next_step.step:
        case Step.WATCH:
            said, button = _("An analysis is under way."), _("Watch it")
        case Step.LOOK_AT_FAILURE:
            said, button = _("The last analysis failed. Its page says why and lets you try again."), _("Look at it")
        case _:
            said = _("Everything is decided. Come back when the library has changed.")
            button = _("See the latest result")
    return StepView(board.next_step.step, said, button, reverse(PAGE, args=[_pk(board)]))


def _pk(board: Dashboard) -> str:
    assert board.next_step.analysis is not None  # every step but the first ones is about one
    return str(board.next_step.analysis.pk)
