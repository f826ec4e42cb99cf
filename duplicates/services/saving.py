"""Writes what a run found as rows, in short batches that prove the claim, invisible until the status says completed.

One long transaction would keep every other writer of SQLite waiting. Rows of a killed save are swept before the next.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from django.db import transaction

from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import claims
from duplicates.services.claims import Claim
from duplicates.services.detecting import Detection, FoundGroup, FoundMember
from duplicates.services.itunes import CrossReference, Finding
from duplicates.services.loading import load_snapshots
from duplicates.services.retrying import retrying

GROUPS_PER_BATCH = 500

SNAPSHOT_FIELDS = (
    "source",
    "source_track_id",
    "title",
    "artist",
    "album_artist",
    "album",
    "genre",
    "track_number",
    "disc_number",
    "year",
    "duration_ms",
    "isrc",
    "explicit",
    "format",
    "bit_rate_kbps",
    "size_bytes",
    "lossless",
    "play_count",
    "skip_count",
    "last_played_at",
    "rating",
    "loved",
    "added_at",
)
_NOT_FOUND = Finding(ITunesMatch.NONE, 0.0, "", ())

Snapshots = dict[int, tuple[Any, ...]]


@dataclass(slots=True)
class Saved:
    """How far a save is: groups taken from the detection, and what was written of them."""

    taken: int = 0
    groups: int = 0
    members: int = 0


def sweep(claimed: Claim) -> None:
    """Delete what an earlier run of the same analysis wrote, and begin at the first group."""
    with transaction.atomic():
        claims.update_owned(claimed, saved_groups=0)
        DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id).delete()


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
    with it too. `is_time_up` ends the save early; what was written until then stays.
    """
    saved = saved_so_far(claimed)
    groups = islice(detection.iter_groups(), saved.taken, None)
    while not is_time_up() and (batch := list(islice(groups, GROUPS_PER_BATCH))):
        rows, members = _rows_of(batch, saved.groups, claimed, detection.cross_reference)
        taken = saved.taken + len(batch)
        retrying(partial(_write, claimed, taken, rows, members, now))
        saved = Saved(taken, saved.groups + len(rows), saved.members + len(members))
        report(saved.taken)
    return saved


def saved_so_far(claimed: Claim) -> Saved:
    """Return how far an earlier save came."""
    members = DuplicateAnalysisTrack.objects.filter(group__analysis_id=claimed.analysis_id)
    return Saved(
        DuplicateAnalysisResult.objects.values_list("saved_groups", flat=True).get(pk=claimed.analysis_id),
        DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id).count(),
        members.count(),
    )


def _write(
    claimed: Claim,
    taken: int,
    rows: list[DuplicateAnalysisGroup],
    members: list[DuplicateAnalysisTrack],
    now: Callable[[], datetime],
) -> None:
    """Write one batch together with the mark that it is written, so that a repeat notices."""
    with transaction.atomic():
        claims.renew(claimed, now=now())
        behind = DuplicateAnalysisResult.objects.filter(pk=claimed.analysis_id, saved_groups__lt=taken)
        if behind.update(saved_groups=taken):
            DuplicateAnalysisGroup.objects.bulk_create(rows)
            DuplicateAnalysisTrack.objects.bulk_create(members)


def _rows_of(
    batch: list[FoundGroup], position: int, claimed: Claim, found: CrossReference
) -> tuple[list[DuplicateAnalysisGroup], list[DuplicateAnalysisTrack]]:
    snapshots = retrying(partial(_snapshots_of, batch))
    rows: list[DuplicateAnalysisGroup] = []
    members: list[DuplicateAnalysisTrack] = []
    for group in batch:
        present = [member for member in group.members if member.track_id in snapshots]
        if len(present) < 2 or present[0].track_id != group.keeper_track_id:
            continue
        position += 1
        row = _group_row(group, present, position, claimed, found)
        rows.append(row)
        members += _member_rows(row, present, snapshots, found)
    return rows, members


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


def _snapshots_of(batch: list[FoundGroup]) -> Snapshots:
    return load_snapshots(np.array([member.track_id for group in batch for member in group.members]), SNAPSHOT_FIELDS)


def _group_row(
    group: FoundGroup, members: list[FoundMember], position: int, claimed: Claim, found: CrossReference
) -> DuplicateAnalysisGroup:
    matches = [found.findings[member.track_id].match for member in members if member.track_id in found.findings]
    best = next((match for match in (ITunesMatch.EXACT, ITunesMatch.FUZZY) if match in matches), ITunesMatch.NONE)
    return DuplicateAnalysisGroup(
        analysis_id=claimed.analysis_id,
        position=position,
        group_key=group.key,
        title=group.title,
        artist=group.artist,
        member_count=len(members),
        duplicate_count=len(members) - 1,
        total_plays=group.total_plays,
        confidence=group.confidence,
        average_similarity=group.average_similarity,
        cohesion=group.cohesion,
        keeper_track_id=group.keeper_track_id,
        keeper_rule=group.keeper_rule,
        keeper_reason=group.keeper_reason,
        itunes_match=best,
        itunes_match_count=len(matches),
        remaining_count=len(members),
    )


def _member_rows(
    row: DuplicateAnalysisGroup, members: list[FoundMember], snapshots: Snapshots, found: CrossReference
) -> Iterator[DuplicateAnalysisTrack]:
    for position, member in enumerate(members):
        finding = found.findings.get(member.track_id, _NOT_FOUND)
        yield DuplicateAnalysisTrack(
            group=row,
            track_id=member.track_id,
            position=position,
            is_canonical=member.is_keeper,
            similarity=member.similarity,
            match_weight=member.match_weight,
            evidence=member.evidence,
            matches_keeper=member.matches_keeper,
            itunes_match=finding.match,
            itunes_confidence=finding.confidence if finding.persistent_id else None,
            itunes_persistent_id=finding.persistent_id,
            itunes_differences=list(finding.differences),
            **dict(zip(SNAPSHOT_FIELDS, snapshots[member.track_id], strict=True)),
        )
