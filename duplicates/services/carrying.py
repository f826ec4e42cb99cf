"""What a refresh takes over from the analysis it renews: identities of groups, chosen keepers, decisions."""

from collections.abc import Collection
from datetime import datetime
from itertools import permutations
from typing import Any

from django.db import connection, transaction

from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import claims, different
from duplicates.services.claims import Claim
from duplicates.services.difference import analysis_keys, carry_identities_over, is_among
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
    done = newer.groups.filter(keeper_chosen_at__isnull=False).values("group_key")
    waiting = older.groups.filter(keeper_chosen_at__isnull=False).exclude(group_key__in=done)
    for chosen in waiting.select_related("keeper_chosen_by").order_by("pk"):
        group = _again(chosen, newer)
        if group is not None and (fresh is None or group.pk in fresh) and _said(group) == _said(chosen):
            carry_choice(chosen, group)


def _again(chosen: DuplicateAnalysisGroup, newer: DuplicateAnalysisResult) -> DuplicateAnalysisGroup | None:
    """Return the group of another analysis that has the same members. A track is in few groups; keys have no index."""
    for member in DuplicateAnalysisTrack.objects.filter(track_id=chosen.keeper_track_id).select_related("group"):
        if member.group.analysis_id == newer.pk and member.group.group_key == chosen.group_key:
            member.group.analysis = newer  # whose tables are not saved yet
            return member.group
    return None


def _said(group: DuplicateAnalysisGroup) -> list[tuple[Any, ...]]:
    """Return what a person had before their eyes, member by member."""
    return list(group.members.order_by("track_id").values_list("track_id", *SEEN))


def _carry_decisions_over(
    older: DuplicateAnalysisResult, newer: DuplicateAnalysisResult, fresh: Collection[int] | None
) -> None:
    """Decide each group as the one before with the same members, none of which has changed; reopened is open.

    One that has a single member left says so already.
    """
    # Two questions, each of an index of what is decided, or every group would be looked up in the other analysis. There
    # it is found by its first member: a track is in few groups, and keys have no index.
    decided = f"(SELECT * FROM {_GROUPS} WHERE analysis_id = %s AND is_resolved = TRUE ORDER BY is_resolved, position)"
    ways = {
        "o": f"{decided} o CROSS JOIN {_MEMBERS} om CROSS JOIN {_MEMBERS} nm CROSS JOIN {_GROUPS} n",
        "n": f"{decided} n CROSS JOIN {_MEMBERS} nm CROSS JOIN {_MEMBERS} om CROSS JOIN {_GROUPS} o",
    }
    sides = zip((older, newer), ways.items(), "no", permutations(analysis_keys(older, newer)), strict=True)
    for decided_in, (first, way), second, keys in sides:
        # Else PostgreSQL, of rows it has counted none of, put all groups of the second into a table to find nothing.
        if not decided_in.groups.filter(is_resolved=True).exists():
            continue
        among = "" if fresh is None else f"AND {is_among('n.id', fresh)}"
        # CROSS JOIN is an order, DISTINCT keeps it apart from that of the statement around it, and COALESCE keeps both
        # databases from asking for all groups of the second analysis, of which PostgreSQL has counted none yet.
        pairs = (
            f"SELECT DISTINCT n.id AS new_id, o.id AS old_id FROM {way} "
            f"WHERE COALESCE({second}.analysis_id, {second}.analysis_id) = %s AND {first}m.position = 0 "
            f"AND om.group_id = o.id AND nm.group_id = n.id AND nm.track_id = om.track_id "
            f"AND n.group_key = o.group_key {among} "
            f"AND (o.is_resolved <> n.is_resolved OR o.resolution <> n.resolution)"
        )
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL join_collapse_limit = 1")
            cursor.execute(_decided_alike(pairs), keys)


def _decided_alike(pairs: str) -> str:
    """Return the statement that decides new groups like the old ones of a query, where nothing else differs."""
    differs = "IS DISTINCT FROM" if connection.vendor == "postgresql" else "IS NOT"
    changed = " OR ".join(f"om.{name} {differs} nm.{name}" for name in SEEN)
    return (
        f"UPDATE {_GROUPS} SET is_resolved = o.is_resolved, resolution = o.resolution, "
        f"resolved_at = o.resolved_at, resolved_by_id = o.resolved_by_id "
        f"FROM ({pairs}) pair JOIN {_GROUPS} o ON o.id = pair.old_id WHERE {_GROUPS}.id = pair.new_id "
        f"AND {_GROUPS}.resolution <> '{Resolution.DELETED}' "
        f"AND NOT EXISTS (SELECT 1 FROM {_MEMBERS} om JOIN {_MEMBERS} nm "
        f"ON nm.group_id = pair.new_id AND nm.track_id = om.track_id WHERE om.group_id = pair.old_id AND ({changed}))"
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
        before = older.groups.filter(**declared).values_list("pk", "group_key")
        different.hand_on({pk: carried[key] for pk, key in before if key in carried})
