"""The doors by which a person decides about a group on its page: each verb is one service, one sentence, one way back.

A form sends its verb with what it is about: `remove`, `split:<track>`, `undo:<action>`.

Every decision is saved at once. What was decided last is kept in the session, so that it can be undone from the next
group. The browser keeps a decision under a name of its own until a page says that name was answered; one that came
after the session had ended is offered again by the page (`unsaved.js`), and judged then like any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from duplicates.admin.review_queue import ReviewQueue, queue_of
from duplicates.admin.shared import as_uuid, person
from duplicates.choices import LaterEdits, Resolution
from duplicates.exceptions import DuplicatesError, InvalidOptions, NothingToUndo, UndoConflict
from duplicates.models import CleanupAction, DuplicateAnalysisGroup
from duplicates.services import permissions, reviewing, undo
from duplicates.services.guards import is_decided
from duplicates.services.keepers import choose_keeper, take_back_choice
from duplicates.services.removal import remove_duplicates
from library import admin_pages as pages

if TYPE_CHECKING:
    from duplicates.admin.groups import GroupAdmin

type Verb = Callable[[HttpRequest, DuplicateAnalysisGroup, str], "Done"]
LAST, CONFLICT, ANSWERED = "review_last", "review_conflict", "review_answered"
ANSWERS_KEPT = 20  # decisions that may be under way in one browser at a time, in as many tabs
LONGEST_NAME = 64  # of a decision
Group = DuplicateAnalysisGroup


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb did: the sentence for the person, and the verb that takes it back (none where nothing does)."""

    sentence: str
    way_back: str = ""


def decide(model_admin: "GroupAdmin", request: HttpRequest, group: Group) -> HttpResponseBase:
    """Do what a form of the page asks for and lead on: to the next group of the queue, or back to this one."""
    queue = queue_of(model_admin, request, group)
    _note_answer(request)
    name, _colon, about = request.POST.get("verb", "").partition(":")
    verb = _VERBS.get(name)
    if verb is None:
        messages.warning(request, _("Nothing was done: the page asked for something unknown. Load it anew."))
        return HttpResponseRedirect(queue.url_of(group.pk))
    try:
        done = verb(request, group, about)
    except UndoConflict as conflict:
        request.session[CONFLICT] = {"action": about, "sentence": str(conflict)}
        return HttpResponseRedirect(queue.url_of(group.pk))
    except DuplicatesError as refused:
        messages.warning(request, _("Not saved. %(reason)s") % {"reason": refused.sentence})
        return HttpResponseRedirect(queue.url_of(group.pk))
    except OperationalError:
        _take_answer_back(request)  # so that the page offers it again
        messages.error(request, _("Not saved: the database is busy. Try again in a moment."))
        return HttpResponseRedirect(queue.url_of(group.pk))
    group.refresh_from_db()
    _remember(request, group, queue, done)
    return HttpResponseRedirect(_onward(request, queue, group))


def not_saved(model_admin: "GroupAdmin", request: HttpRequest, group: Group) -> HttpResponseBase:
    """Say that a decision is not saved: its form came when nobody was logged in, and logging in asked for it again."""
    messages.warning(
        request, _("You had been logged out, so your last decision is not saved. Here is the group again.")
    )
    return HttpResponseRedirect(queue_of(model_admin, request, group).url_of(group.pk))


def left_over(request: HttpRequest) -> dict[str, Any]:
    """Return what the page says of earlier decisions: the last one, and an undo that waits for an answer."""
    last: dict[str, Any] | None = request.session.get(LAST)
    url = f"{reverse('admin:duplicates_decide', args=[last['group']])}{last['query']}" if last else ""
    answered = " ".join(request.session.get(ANSWERED, ()))
    return {"last": last, "last_url": url, "conflict": request.session.pop(CONFLICT, None), "answered": answered}


def _note_answer(request: HttpRequest) -> None:
    """Remember that the server has dealt with this decision, for the browser that still keeps it."""
    if name := request.POST.get("decision", "")[:LONGEST_NAME]:
        request.session[ANSWERED] = [*request.session.get(ANSWERED, ()), name][-ANSWERS_KEPT:]


def _take_answer_back(request: HttpRequest) -> None:
    request.session[ANSWERED] = request.session.get(ANSWERED, ())[:-1]


def _remember(request: HttpRequest, group: Group, queue: ReviewQueue, done: Done) -> None:
    if not done.way_back:
        request.session.pop(LAST, None)
        messages.success(request, done.sentence)
        return
    request.session[LAST] = {
        "group": group.pk,
        "version": group.version,
        "sentence": done.sentence,
        "query": queue.query,
        "verb": done.way_back,
    }


def _onward(request: HttpRequest, queue: ReviewQueue, group: Group) -> str:
    """Return where a decision leads: onward in a queue once the group needs nothing more."""
    is_settled = group.is_resolved and request.POST.get("verb", "").partition(":")[0] in _SETTLING
    if not (queue.is_asked_for and is_settled):
        return queue.url_of(group.pk)
    if onward := queue.next_url(group):
        return onward
    messages.success(request, _("That was the last group of this queue."))
    return queue.url_of(group.pk)


# --- Verbs ------------------------------------------------------------------------------------------------------------


def _remove(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_remove(person(request), group))
    action = remove_duplicates(
        group=group,
        keeper_id=_as_number(request.POST.get("keeper", "")),
        removing=[_as_number(one) for one in request.POST.getlist("removing")],
        actor=person(request),
        now=timezone.now(),
        seen_version=request.POST.get("version", ""),
    )
    return Done(_removed(action), f"undo:{action.pk}")


def _removed(action: CleanupAction) -> str:
    """Say what a removal did, with the figures that matter."""
    said = ngettext(
        "Removed %(count)d copy of %(group)s", "Removed %(count)d copies of %(group)s", action.removed_count
    )
    parts = [said % {"count": action.removed_count, "group": action.label}]
    if action.plays_moved:
        moved = ngettext("%(count)s play moved", "%(count)s plays moved", action.plays_moved)
        parts.append(moved % {"count": pages.number(action.plays_moved)})
    if action.places_moved:
        moved = ngettext("%(count)s playlist place changed", "%(count)s playlist places changed", action.places_moved)
        parts.append(moved % {"count": pages.number(action.places_moved)})
    return f"{'; '.join(parts)}."


def _resolve(resolution: Resolution) -> Verb:
    def resolve(request: HttpRequest, group: Group, about: str) -> Done:
        _require(permissions.may_review(person(request), group))
        reviewing.decide(group=group, resolution=resolution, **_who_and_when(request))
        said = {
            Resolution.NOT_DUPLICATES: _("Not duplicates: %(group)s. Later analyses keep them apart."),
            Resolution.MANUAL_REVIEW: _("Set aside for later: %(group)s."),
        }
        return Done(said[resolution] % {"group": group}, "reopen")

    return resolve


def _keep(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_review(person(request), group))
    track = _as_number(about)
    choose_keeper(group=group, track_id=track, **_who_and_when(request))
    return Done(_("Track %(track)s is the keeper now.") % {"track": track}, "keep_back")


def _keep_back(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_review(person(request), group))
    choice = take_back_choice(group=group, **_who_and_when(request))
    return Done(_("Track %(track)s is no longer the keeper.") % {"track": choice.track_id})


def _split(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_review(person(request), group))
    track = _as_number(about)
    decided = reviewing.split_out(group=group, track_id=track, **_who_and_when(request))
    sentence = _("Split out: track %(track)s is none of these. The next analysis leaves it out.") % {"track": track}
    return Done(sentence, "reopen" if is_decided(decided) else f"put_back:{track}")


def _put_back(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_review(person(request), group))
    track = _as_number(about)
    reviewing.put_back(group=group, track_id=track, **_who_and_when(request))
    return Done(_("Track %(track)s belongs to the group again.") % {"track": track})


def _reopen(request: HttpRequest, group: Group, about: str) -> Done:
    _require(permissions.may_review(person(request), group))
    reviewing.reopen(group=group, **_who_and_when(request))
    return Done(_("%(group)s is open again.") % {"group": group})


def _undo(request: HttpRequest, group: Group, about: str) -> Done:
    action_id = as_uuid(about)
    of_group = CleanupAction.objects.filter(group=group).select_related("analysis")
    action = of_group.filter(pk=action_id).first() if action_id else None
    if action is None:
        raise NothingToUndo
    _require(permissions.may_undo(person(request), action))
    choice = request.POST.get("later_edits", LaterEdits.ASK)
    if choice not in LaterEdits.values:
        raise InvalidOptions(_("%(choice)s is no answer.") % {"choice": choice})
    undo.undo_action(action=action, actor=person(request), now=timezone.now(), later_edits=LaterEdits(choice))
    back = ngettext("%(count)d copy is back", "%(count)d copies are back", action.removed_count)
    return Done(_("Undone: %(what)s.") % {"what": back % {"count": action.removed_count}})


_VERBS: dict[str, Verb] = {
    "keep": _keep,
    "keep_back": _keep_back,
    "remove": _remove,
    "not_duplicates": _resolve(Resolution.NOT_DUPLICATES),
    "later": _resolve(Resolution.MANUAL_REVIEW),
    "split": _split,
    "put_back": _put_back,
    "reopen": _reopen,
    "undo": _undo,
}
_SETTLING = frozenset(("remove", "not_duplicates", "later", "split"))


def _require(is_allowed: bool) -> None:
    if not is_allowed:
        raise PermissionDenied


def _who_and_when(request: HttpRequest) -> dict[str, Any]:
    return {
        "actor": person(request),
        "now": timezone.now(),
        "seen_version": request.POST.get("version", ""),
    }


def _as_number(text: str) -> int:
    """Read the number of a track a form sent. Raises InvalidOptions for anything else."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise InvalidOptions(_("%(text)s is no track.") % {"text": repr(text[:20])})
    return int(text)
