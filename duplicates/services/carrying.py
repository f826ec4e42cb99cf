"""What a refresh takes over from the analysis it renews: identities of groups, chosen keepers, decisions."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import claims, different
from duplicates.services.claims import Claim
from duplicates.services.difference import among, analysis_keys, carry_identities_over
from duplicates.services.keepers import carry_choice

_GROUPS, _MEMBERS = "duplicates_duplicateanalysisgroup", "duplicates_duplicateanalysistrack"
# What a person had before their eyes when they decided; a change of any of it opens the group again.
SEEN = (
    "title",
    "artist",
    "album_artist",
    "album",
    "track_number",
    "disc_number",
    "year",
    "duration_ms",
    "isrc",
    "explicit",
)


def carry_over(
    analysis: DuplicateAnalysisResult, claimed: Claim, *, now: datetime, fresh: Collection[int] | None = None
) -> None:
    """Take over what holds from the predecessor of a saved, not yet published analysis. Safe to repeat.

    `fresh` are the groups that were not copied from there, which brought everything along; None means that all are.
    """
    older = analysis.predecessor
    if older is None or fresh == []:
        return
    with transaction.atomic():
        claims.renew(claimed, now=now)
        carry_identities_over(older, analysis, fresh=fresh)
        _carry_keepers_over(older, analysis, fresh)
        _carry_decisions_over(older, analysis, fresh)


def carry_late(analysis: DuplicateAnalysisResult) -> None:
    """Take over what people decided about the predecessor since `carry_over`, or since its groups were copied.

    Call it in the transaction that publishes the analysis.
    """
    if analysis.predecessor is not None:
        _carry_keepers_over(analysis.predecessor, analysis, None)
        _carry_decisions_over(analysis.predecessor, analysis, None)
        _open_what_was_taken_back(analysis)
        _hand_pairs_on(analysis.predecessor, analysis)


def _carry_keepers_over(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, fresh: Collection[int] | None
) -> None:
    """Choose again what a person chose in each group that has the same members, none of which has changed."""
    renewed = newer.groups.filter(keeper_chosen_at=None)
    done = newer.groups.filter(keeper_chosen_at__isnull=False).values("group_key")
    waiting = older.groups.filter(keeper_chosen_at__isnull=False).exclude(group_key__in=done)
    for chosen in waiting.select_related("keeper_chosen_by").order_by("pk"):
        group = renewed.filter(group_key=chosen.group_key).first()
        if group is not None and (fresh is None or group.pk in fresh) and _said(group) == _said(chosen):
            carry_choice(chosen, group)


def _said(group: DuplicateAnalysisGroup) -> list[tuple[Any, ...]]:
    """Return what a person had before their eyes, member by member."""
    return list(group.members.order_by("track_id").values_list("track_id", *SEEN))


def _carry_decisions_over(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, fresh: Collection[int] | None
) -> None:
    """Decide each group as the one before with the same members, none of which has changed; reopened is open.

    One that has a single member left says so already.
    """
    # Two questions, each of an index of what is decided, or every group would be looked up in the other analysis.
    for decided in ("o", _GROUPS):
        _carry_decisions_of(decided, older, newer, fresh)


def _carry_decisions_of(
    decided: str, older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, fresh: Collection[int] | None
) -> None:
    differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    changed = " OR ".join(f"om.{name} {differs} nm.{name}" for name in SEEN)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {_GROUPS} SET is_resolved = o.is_resolved, resolution = o.resolution, "
            f"resolved_at = o.resolved_at, resolved_by_id = o.resolved_by_id FROM {_GROUPS} o "
            f"WHERE o.analysis_id = %s AND {_GROUPS}.analysis_id = %s {among(f'{_GROUPS}.id', fresh)} "
            f"AND {decided}.is_resolved = TRUE AND o.group_key = {_GROUPS}.group_key "
            f"AND {_GROUPS}.resolution <> '{Resolution.DELETED}' "
            f"AND (o.is_resolved <> {_GROUPS}.is_resolved OR o.resolution <> {_GROUPS}.resolution) "
            f"AND NOT EXISTS (SELECT 1 FROM {_MEMBERS} om JOIN {_MEMBERS} nm "
            f"ON nm.group_id = {_GROUPS}.id AND nm.track_id = om.track_id WHERE om.group_id = o.id AND ({changed}))",
            analysis_keys(older, newer),
        )


def _open_what_was_taken_back(analysis: DuplicateAnalysisResult) -> None:
    """Open the groups that are no duplicates only by a decision on the group, whose pairs were taken back since.

    A run keeps declared pairs apart, so such a group is found only when they are no longer in force, or were declared
    while it ran.
    """
    declared = analysis.groups.filter(is_resolved=True, resolution=Resolution.NOT_DUPLICATES)
    taken_back = [group.pk for group in declared if not different.are_all_apart(group, group.members.all())]
    analysis.groups.filter(pk__in=taken_back).update(
        is_resolved=False, resolution="", resolved_at=None, resolved_by=None
    )


def _hand_pairs_on(older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult) -> None:
    """Let the pairs that a group declared be taken back where people see its decision from now on."""
    declared = {"is_resolved": True, "resolution": Resolution.NOT_DUPLICATES}
    carried = dict(newer.groups.filter(**declared).values_list("group_key", "pk"))
    if carried:
        before = older.groups.filter(**declared, group_key__in=carried.keys()).values_list("pk", "group_key")
        different.hand_on({pk: carried[key] for pk, key in before})
