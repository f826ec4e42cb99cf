"""What became of the groups of one analysis in another: new, gone, grown, shrunk, unchanged.

Groups are told by whom they share most members with: an old and a new group that are each other's best are one group
that lived on, and carries its identity along. Whatever was split off is new, whatever was swallowed is gone.
"""

import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connection, models
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from library.numbers import number

_GROUPS, _MEMBERS = "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack"
# CROSS JOIN is the order in which SQLite looks: of a few new groups it would otherwise look at all the old ones.
# Ties go to the group that comes first, so that the answer never depends on the order of rows.
_LIVED_ON_AMONG = f"""
    SELECT new_id, old_id, shared, n.member_count - shared AS gained, o.member_count - shared AS lost
    FROM (
        SELECT new_id, old_id, shared,
               ROW_NUMBER() OVER (PARTITION BY new_id ORDER BY shared DESC, old_id) AS best_of_new,
               ROW_NUMBER() OVER (PARTITION BY old_id ORDER BY shared DESC, new_id) AS best_of_old
        FROM (
            SELECT n.group_id AS new_id, o.group_id AS old_id, COUNT(*) AS shared
            FROM {_GROUPS} gn CROSS JOIN {_MEMBERS} n CROSS JOIN {_MEMBERS} o CROSS JOIN {_GROUPS} go
            WHERE n.group_id = gn.id AND o.track_id = n.track_id AND go.id = o.group_id AND go.analysis_id = %s
                AND {{new}} GROUP BY n.group_id, o.group_id
        ) overlap
    ) ranked
    JOIN {_GROUPS} n ON n.id = new_id JOIN {_GROUPS} o ON o.id = old_id
    WHERE best_of_new = 1 AND best_of_old = 1"""
_LIVED_ON = _LIVED_ON_AMONG.format(new="gn.analysis_id = %s")
# What `_LIVED_ON` says of groups that neither gained nor lost, told by the key of their members. A member that was
# deleted while an analysis was saved is in the key and not in the count.
_UNCHANGED = f"""
    SELECT id FROM {_GROUPS} WHERE analysis_id = %s
        AND (group_key, member_count) IN (SELECT group_key, member_count FROM {_GROUPS} WHERE analysis_id = %s)"""


class GroupChange(models.TextChoices):
    """What became of a group from one analysis to the next. One that gained and lost counts by which was more."""

    NEW = "new", lazy("New")
    GONE = "gone", lazy("Gone")
    GROWN = "grown", lazy("Grown")
    SHRUNK = "shrunk", lazy("Shrunk")
    UNCHANGED = "unchanged", lazy("Unchanged")


_KINDS = {
    GroupChange.GROWN: "gained > 0 AND gained >= lost",
    GroupChange.SHRUNK: "lost > gained",
    GroupChange.UNCHANGED: "gained = 0 AND lost = 0",
}


_COUNTED = {
    GroupChange.NEW.value: lazy("%(count)s new"),
    GroupChange.GONE.value: lazy("%(count)s gone"),
    GroupChange.GROWN.value: lazy("%(count)s grown"),
    GroupChange.SHRUNK.value: lazy("%(count)s shrunk"),
    GroupChange.UNCHANGED.value: lazy("%(count)s unchanged"),
}


@dataclass(frozen=True, slots=True)
class RunDifference:
    """How many groups are new, gone, grown, shrunk or unchanged in the newer of two analyses."""

    new: int
    gone: int
    grown: int
    shrunk: int
    unchanged: int

    @property
    def is_none(self) -> bool:
        return not (self.new or self.gone or self.grown or self.shrunk)

    @property
    def sentence(self) -> str:
        """Say it in words: "3 groups new, 1 gone, 2 grown, 120 unchanged"."""
        counts = {kind: getattr(self, kind) for kind in GroupChange.values}
        said = [_COUNTED[kind] % {"count": number(count)} for kind, count in counts.items() if count]
        return ", ".join(said) or _("No groups in either")


def get_run_difference(older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult) -> RunDifference:
    """Count what became of the groups of `older` in `newer`. Two queries and two counts, whatever their size."""
    counted = ", ".join(f"COUNT(CASE WHEN {test} THEN 1 END)" for test in _KINDS.values())
    query = f"SELECT {counted} FROM ({_LIVED_ON}) l"
    with connection.cursor() as cursor:
        cursor.execute(query, analysis_keys(older, newer))
        grown, shrunk, unchanged = cursor.fetchone()
    lived_on = grown + shrunk + unchanged
    new, gone = newer.groups.count() - lived_on, older.groups.count() - lived_on
    return RunDifference(new=new, gone=gone, grown=grown, shrunk=shrunk, unchanged=unchanged)


def groups_that_changed(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, change: GroupChange
) -> QuerySet[DuplicateAnalysisGroup]:
    """Return the groups with one fate: those of `newer`, and for `gone` those of `older`."""
    keys = analysis_keys(older, newer)
    if change == GroupChange.GONE:
        return older.groups.exclude(pk__in=RawSQL(f"SELECT old_id FROM ({_LIVED_ON}) l", keys))
    if change == GroupChange.NEW:
        return newer.groups.exclude(pk__in=RawSQL(f"SELECT new_id FROM ({_LIVED_ON}) l", keys))
    if change == GroupChange.UNCHANGED:
        return newer.groups.filter(pk__in=RawSQL(_UNCHANGED, [analysis_key(newer), analysis_key(older)]))
    return newer.groups.filter(pk__in=RawSQL(f"SELECT new_id FROM ({_LIVED_ON}) l WHERE {_KINDS[change]}", keys))


def carry_identities_over(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, *, fresh: Collection[int] | None = None
) -> None:
    """Give every group of `newer` that lived on the identity it had in `older`; one whose own is taken gets another.

    `fresh` are the groups that were not copied from `older` with theirs; None means that all are.
    """
    # A few ids and nothing else, or SQLite would look through all groups of the newer one for them.
    few = None if fresh is None else _LIVED_ON_AMONG.format(new=is_among("gn.id", fresh))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_GROUPS} SET identity = o.identity FROM ({few or _LIVED_ON}) l JOIN {_GROUPS} o "
            f"ON o.id = l.old_id WHERE {_GROUPS}.id = l.new_id AND {_GROUPS}.identity <> o.identity",
            [analysis_key(older)] if few else analysis_keys(older, newer),
        )
    _rename_those_whose_identity_is_taken(older, newer, fresh)


def _rename_those_whose_identity_is_taken(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, fresh: Collection[int] | None
) -> None:
    """Tell new groups from those whose identity their key once was: {1, 2} comes back, but what it was moved on."""
    told = newer.groups.order_by("position")  # SQLite reads their rows one by one then
    if fresh is not None:
        own = DuplicateAnalysisGroup.objects.filter(pk__in=fresh).values_list("identity", flat=True)
        told = told.filter(identity__in=list(own))
    many = Counter(told.values_list("identity", flat=True))
    if not (twice := [identity for identity, count in many.items() if count > 1]):
        return
    for group in groups_that_changed(older, newer, GroupChange.NEW).filter(identity__in=twice):
        group.identity = uuid.uuid5(newer.pk, group.identity).hex
        group.save(update_fields=["identity"])


def is_among(column: str, ids: Collection[int]) -> str:
    """Return the condition that a column holds one of some ids."""
    return f"{column} IN ({', '.join(map(str, ids)) or 'NULL'})"


def analysis_keys(older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult) -> list[str]:
    """Return the values for SQL of our own: the keys of two analyses."""
    return [analysis_key(older), analysis_key(newer)]


def analysis_key(analysis: DuplicateAnalysisResult) -> str:
    """Return a key the way its column holds it, for SQL of our own."""
    return analysis.pk.hex if connection.vendor == "sqlite" else str(analysis.pk)
