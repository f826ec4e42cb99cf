"""Writes what a run found as rows, in short batches that prove the claim, invisible until the status says completed.

One long transaction would keep every other writer of SQLite waiting. Rows of a killed save are swept before the next.
"""

import uuid
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Count, Sum

from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services import bulk_rows, claims
from duplicates.services.claims import Claim
from duplicates.services.detecting import Detection, FoundGroup, FoundMember
from duplicates.services.discarding import delete_groups
from duplicates.services.itunes import CrossReference, Finding
from duplicates.services.retrying import retrying
from library.changes import hold_still

GROUPS_PER_BATCH = 1_000
_NOT_FOUND = Finding(ITunesMatch.NONE, 0.0, "", ())


@dataclass(slots=True)
class Saved:
    """How far a save is: groups taken from the detection, and what was written of them."""

    taken: int = 0
    groups: int = 0
    members: int = 0


def sweep(claimed: Claim) -> None:
    """Delete what an earlier run of the same analysis wrote, and begin at the first group."""
    begin = partial(claims.update_owned, claimed, saved_groups=0)
    begin()
    delete_groups(claimed.analysis_id, prove=begin)


def save_groups(
    detection: Detection,
    claimed: Claim,
    *,
    now: Callable[[], datetime],
    report: Callable[[int], None],
    is_time_up: Callable[[], bool] = lambda: False,
) -> Saved:
    """Write the groups with their members, going on where an interrupted save of the same detection stopped.

    A track that was deleted while the run went on is left out; a group that loses its keeper or all but one member
    with it too, and its place stays free. `is_time_up` ends the save early, after one batch at the least; what was
    written until then stays.
    """
    saved = retrying(lambda: saved_so_far(claimed))
    groups = islice(detection.iter_groups(), saved.taken, None)
    while batch := list(islice(groups, GROUPS_PER_BATCH)):
        saved = retrying(partial(_write, batch, saved, claimed, detection.cross_reference, now))
        report(saved.taken)
        if is_time_up():
            break
    return saved


def saved_so_far(claimed: Claim) -> Saved:
    """Return how far an earlier save came."""
    groups = DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id)
    return Saved(
        DuplicateAnalysisResult.objects.values_list("saved_groups", flat=True).get(pk=claimed.analysis_id),
        **groups.aggregate(groups=Count("pk"), members=Sum("member_count", default=0)),
    )


def _write(
    batch: list[FoundGroup], before: Saved, claimed: Claim, found: CrossReference, now: Callable[[], datetime]
) -> Saved:
    """Write one batch, unless an earlier try of it has."""
    taken = before.taken + len(batch)
    with transaction.atomic():
        if not is_next(taken, claimed, now()):
            return saved_so_far(claimed)
        sizes = write_groups(enumerate(batch, before.taken + 1), claimed.analysis_id, found)
    return Saved(taken, before.groups + len(sizes), before.members + sum(sizes))


def is_next(taken: int, claimed: Claim, now: datetime) -> bool:
    """Prove the claim and note that so many groups are taken, with the rows that follow; False when that was noted."""
    hold_still()
    claims.renew(claimed, now=now)
    bulk_rows.vouch_for_rows()
    behind = DuplicateAnalysisResult.objects.filter(pk=claimed.analysis_id, saved_groups__lt=taken)
    return bool(behind.update(saved_groups=taken))


def write_groups(placed: Iterable[tuple[int, FoundGroup]], analysis_id: uuid.UUID, found: CrossReference) -> list[int]:
    """Write groups at their places, but those that have lost their point; return how many members each got."""
    listed = list(placed)
    present = bulk_rows.present_tracks([member.track_id for _, group in listed for member in group.members])
    complete = [(place, group, members) for place, group in listed if (members := still_there(group, present))]
    group_ids = bulk_rows.insert_groups(
        [group_row(group, members, place, analysis_id, found) for place, group, members in complete]
    )
    bulk_rows.insert_members(
        (group_id, *member_row(place, member, found))
        for group_id, (_, _, members) in zip(group_ids, complete, strict=True)
        for place, member in enumerate(members)
    )
    return [len(members) for _, _, members in complete]


def still_there(group: FoundGroup, present: Container[int]) -> list[FoundMember]:
    """Return the members whose tracks are still there; none when the keeper or all but one is gone."""
    members = [member for member in group.members if member.track_id in present]
    keeps_its_point = len(members) > 1 and members[0].is_keeper
    return members if keeps_its_point else []


def outcome(detection: Detection, saved: Saved, notes: list[str]) -> dict[str, Any]:
    """Return what an analysis keeps of a detection beside its groups, as fields of its row."""
    found = detection.groups.clusters
    return {
        "tracks_analyzed": detection.track_count,
        "groups_found": saved.groups,
        "duplicates_found": saved.members - saved.groups,
        "average_similarity": detection.average_similarity,
        "not_enough_data_count": len(found.not_enough_data),
        "not_enough_data": found.not_enough_data[:1000].tolist(),
        "learnt_tables": found.tables,
        "engine_fingerprint": detection.engine_fingerprint,
        "figures": found.figures
        | {"narrowed": list(found.narrowed), "notes": notes, "itunes_note": detection.cross_reference.note},
    }


def group_row(
    group: FoundGroup, members: list[FoundMember], position: int, analysis_id: uuid.UUID, found: CrossReference
) -> bulk_rows.Row:
    """Return the values of a group in the order of `bulk_rows.GROUP_COLUMNS`."""
    matches = [found.findings[member.track_id].match for member in members if member.track_id in found.findings]
    best = next((match for match in (ITunesMatch.EXACT, ITunesMatch.FUZZY) if match in matches), ITunesMatch.NONE)
    return (
        analysis_id,
        position,
        group.key,
        group.key,
        group.title,
        group.artist,
        len(members),
        len(members) - 1,
        group.total_plays,
        group.confidence,
        group.average_similarity,
        group.cohesion,
        group.keeper_track_id,
        group.keeper_rule,
        group.keeper_reason,
        str(best),
        len(matches),
        len(members),
        False,
        "",
    )


def member_row(place: int, member: FoundMember, found: CrossReference) -> bulk_rows.Row:
    """Return the values of a member in the order of `bulk_rows.MEMBER_COLUMNS`, without the group before them."""
    finding = found.findings.get(member.track_id, _NOT_FOUND)
    return (
        member.track_id,
        place,
        member.is_keeper,
        member.similarity,
        member.match_weight,
        member.evidence,
        member.matches_keeper,
        str(finding.match),
        finding.confidence if finding.persistent_id else None,
        finding.persistent_id,
        orjson.dumps(finding.differences).decode(),
        True,
    )
