"""The review queue: the list of groups as it was filtered and sorted, and where in it one group stands.

The address of a group carries the list's own address (`_changelist_filters`), so a link shows a colleague the same
queue at the same place, and a reload loses nothing. Neighbours are found by the sort key of the group itself: it needs
not be in the queue any more, as when it has just been decided in a queue of open ones.
"""

import copy
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import SuspiciousOperation
from django.db.models import F, Q, QuerySet
from django.db.models.expressions import OrderBy
from django.http import HttpRequest, QueryDict
from django.urls import reverse

from duplicates.admin.group_filters import ResolutionFilter, decided
from duplicates.admin.shared import chosen_analysis, forget_chosen_analysis
from duplicates.models import DuplicateAnalysisGroup

if TYPE_CHECKING:
    from duplicates.admin.groups import GroupAdmin

FILTERS = "_changelist_filters"
PAGE = "admin:duplicates_duplicateanalysisgroup_change"
# What a list's address may say that means nothing to a queue.
_OF_THE_LIST_ONLY = ("p", "e", "all", "_popup", "_to_field")
Rows = QuerySet[DuplicateAnalysisGroup]


class QueueOfGroups(ChangeList):
    """The filtered and sorted rows of a list, none of them read or counted."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_count, self.result_list = 0, []


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group stands in its queue: the number counts from 1, `left` are the undecided ones asked for."""

    number: int
    total: int
    left: int | None
    previous_url: str
    next_url: str


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """A queue. `rows` hold every decision, `wanted` says which of them are still to be gone through."""

    filters: str
    rows: Rows
    decision: str
    is_asked_for: bool

    def place_of(self, group: DuplicateAnalysisGroup) -> Place:
        """Say where a group stands and what comes before and after it."""
        key = _SortKey(self.rows, group)
        left = self.rows.filter(decided(self.decision)).count() if self.decision else None
        return Place(
            key.rows.filter(key.before()).count() + 1,
            self.rows.count(),
            left,
            self._url(key.rows.filter(decided(self.decision), key.before()).reverse().first()),
            self._url(key.rows.filter(decided(self.decision), key.after()).first()),
        )

    def next_url(self, group: DuplicateAnalysisGroup) -> str:
        """Return the address of the next group to decide, beginning again where the end is reached; empty for none."""
        key = _SortKey(self.rows, group)
        rows = key.rows.filter(decided(self.decision)).exclude(pk=group.pk)
        return self._url(rows.filter(key.after()).first()) or (self._url(rows.first()) if self.decision else "")

    def url_of(self, group_id: int) -> str:
        """Return the address of a group in this queue."""
        return f"{reverse(PAGE, args=[group_id])}{self.query}"

    @property
    def query(self) -> str:
        """What an address says to stay in this queue."""
        if not self.is_asked_for:
            return ""
        query = QueryDict(mutable=True)
        query[FILTERS] = self.filters
        return f"?{query.urlencode()}"

    @property
    def list_url(self) -> str:
        """The list this queue was made from."""
        return f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?{self.filters}"

    def _url(self, group: DuplicateAnalysisGroup | None) -> str:
        return self.url_of(group.pk) if group is not None else ""


def queue_of(model_admin: "GroupAdmin", request: HttpRequest, group: DuplicateAnalysisGroup) -> ReviewQueue:
    """Return the queue an address names, when the group is of its analysis, else that of the group's analysis."""
    asked = QueryDict(request.GET.get(FILTERS, ""), mutable=True)
    for name in _OF_THE_LIST_ONLY:
        asked.pop(name, None)
    decision = str(asked.get(ResolutionFilter.parameter_name, ""))
    rows = _rows(model_admin, request, asked, group.analysis_id) if asked else None
    if rows is None:
        analysis = QueryDict(mutable=True)
        analysis["analysis"] = str(group.analysis_id)
        rows = model_admin.get_queryset(request).filter(analysis_id=group.analysis_id).order_by("position", "-pk")
        return ReviewQueue(analysis.urlencode(), rows, "", is_asked_for=False)
    return ReviewQueue(asked.urlencode(), rows, decision, is_asked_for=True)


def first_of_queue(model_admin: "GroupAdmin", request: HttpRequest) -> str:
    """Return the address of the first group of the list at this address; of the open ones unless it says otherwise."""
    asked = QueryDict(request.GET.urlencode(), mutable=True)
    for name in _OF_THE_LIST_ONLY:
        asked.pop(name, None)
    analysis = chosen_analysis(request)
    if analysis is None:
        return ""
    asked["analysis"] = str(analysis.pk)
    asked.setdefault(ResolutionFilter.parameter_name, "open")
    decision = str(asked[ResolutionFilter.parameter_name])
    rows = _rows(model_admin, request, asked, analysis.pk)
    first = rows.filter(decided(decision)).first() if rows is not None else None
    if rows is None or first is None:
        return ""
    return ReviewQueue(asked.urlencode(), rows, decision, is_asked_for=True).url_of(first.pk)


def _rows(model_admin: "GroupAdmin", request: HttpRequest, asked: QueryDict, analysis_id: uuid.UUID) -> Rows | None:
    """Return what the list would show for an address, whatever was decided.

    None for an address no list has, and for a list of another analysis than this one.
    """
    whatever_was_decided = asked.copy()
    whatever_was_decided.pop(ResolutionFilter.parameter_name, None)
    of_list: Any = copy.copy(request)
    forget_chosen_analysis(of_list)
    of_list.method, of_list.GET, of_list.wants_queue = "GET", whatever_was_decided, True
    chosen = chosen_analysis(of_list)
    if chosen is None or chosen.pk != analysis_id:
        return None
    try:
        rows: Rows = model_admin.get_changelist_instance(of_list).queryset
        return rows
    except (IncorrectLookupParameters, SuspiciousOperation):
        return None


class _SortKey:
    """The values by which a list sorts, for one group, and the rows that come before and after it."""

    def __init__(self, rows: Rows, group: DuplicateAnalysisGroup) -> None:
        terms = [_term(one) for one in rows.query.order_by]
        computed = {f"_key{place}": expression for place, (expression, _) in enumerate(terms)}
        self.rows = rows.annotate(**{name: one for name, one in computed.items() if not isinstance(one, F)})
        names = [str(one.name) if isinstance(one, F) else name for name, one in computed.items()]  # type: ignore[attr-defined]
        self.order = list(zip(names, (descending for _, descending in terms), strict=True))
        everybody = DuplicateAnalysisGroup.objects.annotate(
            **{name: one for name, one in computed.items() if not isinstance(one, F)}
        )
        self.values: Sequence[Any] = everybody.values_list(*names).get(pk=group.pk)

    def after(self) -> Q:
        return self._beyond(backwards=False)

    def before(self) -> Q:
        return self._beyond(backwards=True)

    def _beyond(self, *, backwards: bool) -> Q:
        """Ask for a value only where all before it are equal: each may have to be worked out of the members."""
        beyond = Q(pk__in=[])
        for (name, descending), value in reversed(list(zip(self.order, self.values, strict=True))):
            lookup = "lt" if descending != backwards else "gt"
            beyond = Q(**{f"{name}__{lookup}": value}) | Q(**{name: value}) & beyond
        return beyond


def _term(term: Any) -> tuple[Any, bool]:
    """Return what a list sorts by, and whether downwards."""
    if isinstance(term, OrderBy):
        return term.expression, term.descending
    return F(term.removeprefix("-")), term.startswith("-")
