"""Writes what a run found as rows, in short batches that prove the claim, invisible until the status says completed.

One long transaction would keep every other writer of SQLite waiting. Rows of a killed save are swept before the next.
"""

import resource
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from django.db import transaction

from duplicates.choices import ITunesMatch
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import lifecycle
from duplicates.services.detecting import Detection, FoundGroup, FoundMember
from duplicates.services.itunes import CrossReference, Finding
from duplicates.services.lifecycle import Claim
from duplicates.services.loading import load_snapshots
from duplicates.services.progress import RunReporter

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

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


def sweep(claimed: Claim) -> int:
    """Delete the rows an earlier, killed save of the same analysis left behind; return how many groups."""
    deleted, _ = DuplicateAnalysisGroup.objects.filter(analysis_id=claimed.analysis_id).delete()
    return deleted


def save_detection(
    detection: Detection,
    claimed: Claim,
    *,
    actor: "AbstractBaseUser | None",
    now: Callable[[], datetime],
    reporter: RunReporter,
    cpu_before: float,
) -> None:
    """Write the whole result and publish it: until the last transaction readers see the previous result."""
    reporter.begin("saving", len(detection))
    sweep(claimed)
    groups, members = save_groups(detection, claimed, now=now, report=reporter.advance)
    tracks, seconds = reporter.progress.total_tracks, reporter.elapsed_seconds
    reporter.finish(f"Finished: {tracks} tracks, {groups} groups, {members - groups} duplicates in {seconds:.1f} s")
    usage = {
        "processing_seconds": round(seconds, 3),
        "cpu_seconds": round(time.process_time() - cpu_before, 3),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "phase_seconds": reporter.phase_seconds(),
    }
    lifecycle.complete(claimed, actor=actor, now=now(), **_outcome(detection, groups, members), **usage)


def save_groups(
    detection: Detection, claimed: Claim, *, now: Callable[[], datetime], report: Callable[[int], None]
) -> tuple[int, int]:
    """Write all groups with their members; return how many of each.

    A track that was deleted while the run went on is left out; a group that loses all but one member with it too.
    """
    position = members_saved = 0
    for batch in _batches(detection.iter_groups()):
        snapshots = _snapshots_of(batch)
        rows: list[DuplicateAnalysisGroup] = []
        members: list[DuplicateAnalysisTrack] = []
        for group in batch:
            present = [member for member in group.members if member.track_id in snapshots]
            if len(present) < 2 or present[0].track_id != group.keeper_track_id:
                continue
            position += 1
            row = _group_row(group, present, position, claimed, detection.cross_reference)
            rows.append(row)
            members += _member_rows(row, present, snapshots, detection.cross_reference)
        with transaction.atomic():
            lifecycle.keep(claimed, now=now())
            DuplicateAnalysisGroup.objects.bulk_create(rows)
            DuplicateAnalysisTrack.objects.bulk_create(members)
        members_saved += len(members)
        report(position)
    return position, members_saved


def _outcome(detection: Detection, groups: int, members: int) -> dict[str, Any]:
    found = detection.groups.clusters
    return {
        "tracks_analyzed": len(detection.library.columns),
        "groups_found": groups,
        "duplicates_found": members - groups,
        "average_similarity": detection.average_similarity,
        "not_enough_data_count": len(found.not_enough_data),
        "not_enough_data": found.not_enough_data[:1000].tolist(),
        "learnt_tables": found.tables,
        "engine_fingerprint": detection.engine_fingerprint,
        "figures": found.figures | {"narrowed": list(found.narrowed), "itunes_note": detection.cross_reference.note},
    }


def _batches(groups: Iterator[FoundGroup]) -> Iterator[list[FoundGroup]]:
    while batch := list(islice(groups, GROUPS_PER_BATCH)):
        yield batch


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
