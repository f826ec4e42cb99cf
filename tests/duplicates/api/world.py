"""One of everything the API shows, for tests that walk all of it: an analysis of somebody, and what became of it."""

import uuid
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from duplicates.choices import ExportFormat
from duplicates.models import AuditRecord, DuplicateAnalysisResult, KeeperProfile, NotDuplicate
from duplicates.services import different, exporting, keeper_profiles
from duplicates.services.planning import plan_cleanup
from duplicates.services.removal import remove_duplicates
from duplicates.services.selecting import GroupFilter
from library.changes import current_revision
from library.models import ImportStatus, LibraryImport
from tests.duplicates.copies import copy, group_of, playlist_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.samples import drawn, groups_in, plain_analysis

# What a name in an address stands for, by the base name of its router.
World = dict[str, Any]


def world_of(owner: User | None) -> World:
    """Make one of everything; the analysis and what hangs on it are the owner's."""
    now = timezone.now()
    analysis = AnalysisFactory.create(user=owner, library_revision=current_revision())
    groups = [group_of(copy(play_count=9), copy(play_count=4), copy(play_count=2), analysis=analysis) for _ in range(3)]
    members = [list(group.members.order_by("position")) for group in groups]
    removal = remove_duplicates(
        group=groups[1], keeper_id=members[1][0].track_id, removing=[members[1][1].track_id], actor=owner, now=now
    )
    different.declare_different([(members[2][0], members[2][1])], actor=owner, now=now)
    plan = plan_cleanup(analysis=analysis, wanted=GroupFilter(), resolution="manual_review", actor=owner, now=now)
    measured = plain_analysis(user=owner)
    groups_in(measured, "high", 1)
    sample = drawn(measured, now=now)
    return {
        "analysis": analysis.pk,
        "sample": sample.pk,
        "sampled-group": sample.groups.get().pk,
        "group": groups[0].pk,
        "track": members[0][1].track_id,
        "removal": removal.pk,
        "plan": plan.pk,
        "export": exporting.request_export(
            analysis, ExportFormat.CSV, actor=owner, now=now, enqueue=lambda pk: None
        ).pk,
        "import": _import(owner).pk,
        "playlist": playlist_of(members[0][0].track, members[0][1].track).pk,
        "not-duplicate": NotDuplicate.objects.latest("pk").pk,
        "keeper-profile": _profile(owner).pk,
        "audit": AuditRecord.objects.latest("pk").pk,
    }


def analysis_of(world: World) -> DuplicateAnalysisResult:
    """Return the analysis everything hangs on."""
    return DuplicateAnalysisResult.objects.get(pk=world["analysis"])


def _import(owner: User | None) -> LibraryImport:
    return LibraryImport.objects.create(
        source="radio",
        format="csv",
        file_name="songs.csv",
        status=ImportStatus.COMPLETED,
        started_at=timezone.now(),
        completed_at=timezone.now(),
        user=owner,
    )


def _profile(owner: User | None) -> KeeperProfile:
    name = f"Profile {uuid.uuid4().hex[:12]}"  # a count would come back once some are deleted
    wishes = keeper_profiles.from_json([{"rule": "loved"}])
    return keeper_profiles.save_profile(name=name, wishes=wishes, actor=owner, now=timezone.now())
