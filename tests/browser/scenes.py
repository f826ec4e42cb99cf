"""The situations the pictures are taken in: each goes on from the one before, through the services people use."""

import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus, Answer, ExportFormat, Resolution
from duplicates.models import (
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicatePreferences,
    KeeperProfile,
    SampledGroup,
    SiteSetting,
    VersionWord,
)
from duplicates.roles import create_roles
from duplicates.services import audit, exporting, planning, refreshing, sampling, tokens
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.plan_work import work_on_plan
from duplicates.services.progress import AnalysisProgress
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import mark_groups_resolved
from duplicates.services.selecting import GroupFilter
from library.models import ITunesTrack, Track
from project import demo

DUPLICATES_BEFORE = (248, 236, 221, 187)  # what earlier runs are said to have found, the oldest first


class Scene:
    """What the pages are about, as far as the scenes have made it."""

    oldest: uuid.UUID
    newest: uuid.UUID
    running: uuid.UUID
    failed: uuid.UUID
    group: int
    track: int
    sample: int
    sample_complete: int
    drawn: int
    copy_of_group: int

    def address(self, shot: Any) -> str:
        """Return where a page of the list of pages is."""
        query = shot.query.format(newest=self.newest) if shot.query else ""
        return f"{reverse(f'admin:{shot.address}', args=shot.about(self))}{query and '?' + query}"

    def row(self, label: str) -> Any:
        """Return the key of the newest row of a model: `library_track`."""
        model: Any = apps.get_model(*label.split("_"))
        return model.objects.values_list("pk", flat=True).order_by(model._meta.get_latest_by or "-pk")[0]

    def sign_in(self, context: Any, server: str) -> None:
        """Give a browser the session of the demo's user."""
        user = User.objects.get(username=demo.USERNAME)
        session = SessionStore()
        session["_auth_user_id"] = str(user.pk)
        session["_auth_user_backend"] = settings.AUTHENTICATION_BACKENDS[0]
        session["_auth_user_hash"] = user.get_session_auth_hash()
        session.save()
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": str(session.session_key), "url": server}])


def empty(scene: Scene) -> None:
    """Prepare a database without music."""
    call_command("migrate", verbosity=0)
    demo.ensure_user()


def with_demo(scene: Scene) -> None:
    """Import the sample library and look for duplicates once."""
    user = demo.ensure_user()
    call_command("import_library", str(demo.SAMPLE), source=demo.SOURCE, verbosity=0, stdout=_Silence())
    analysis = demo.run_analysis(user)
    scene.oldest = scene.newest = analysis.pk
    group = analysis.groups.order_by("position")[0]
    scene.group, scene.track = group.pk, group.keeper_track_id


def judged(scene: Scene) -> None:
    """Draw two samples: one judged by half, one complete with what was found."""
    user, now = demo.ensure_user(), timezone.now()
    analysis = DuplicateAnalysisResult.objects.get(pk=scene.newest)
    whole = sampling.draw_sample(analysis, per_band=12, actor=user, now=now - timedelta(days=2))
    for number, one in enumerate(whole.groups.order_by("position")):
        _judge(one, Answer.DIFFERENT if number % 9 == 4 else Answer.SAME, user, now - timedelta(days=1))
    half = sampling.draw_sample(analysis, per_band=20, actor=user, now=now)
    for one in half.groups.order_by("position")[:7]:
        _judge(one, Answer.SAME, user, now)
    scene.sample, scene.sample_complete = half.pk, whole.pk
    scene.drawn = max(half.groups.filter(answer=""), key=lambda one: len(one.members)).pk


def _judge(one: SampledGroup, answer: Answer, user: User, now: datetime) -> None:
    sampling.judge(one, answer=answer, odd_tracks=[one.members[0]["track_id"]], actor=user, now=now)


def worked(scene: Scene) -> None:
    """Let weeks of clean-up pass: removals, decisions, a refresh, exports, and some tracks that came meanwhile."""
    user, now = demo.ensure_user(), timezone.now()
    first = DuplicateAnalysisResult.objects.get(pk=scene.oldest)
    _pretend_earlier_runs(first, user, now)
    groups = list(first.groups.order_by("position"))
    for number, group in enumerate(groups[:40]):
        _remove(group, user, now - timedelta(days=27 - number // 2))
    for number, group in enumerate(groups[40:60]):
        mark = partial(mark_groups_resolved, first, [group.pk], actor=user, now=now - timedelta(days=3 * number))
        mark(Resolution.NOT_DUPLICATES if number % 3 else Resolution.MANUAL_REVIEW)
    then = now - timedelta(days=28)
    DuplicateAnalysisResult.objects.filter(pk=first.pk).update(
        created_at=then, started_at=then, completed_at=then, is_pinned=True
    )
    for number in range(30):
        Track.objects.create(
            source="test", source_track_id=str(number), title="Harbour Lights", artist=f"Tide {number}"
        )
    service = DuplicateDetectionService()
    newest = refreshing.refresh_analysis(first, actor=user, now=now)
    service.find_duplicates_with_persistence(AnalysisOptions(), user=user)
    newest.refresh_from_db()
    scene.newest = newest.pk
    for one in (ExportFormat.JSON, ExportFormat.CSV):
        exporting.request_export(newest, one, actor=user, now=now, enqueue=lambda export_id: None)
    Track.objects.filter(source="test").first().delete()
    group = next(one for one in newest.groups.filter(is_resolved=False).order_by("position") if one.title.isascii())
    scene.group, scene.track = group.pk, group.keeper_track_id
    scene.copy_of_group = group.members.exclude(track_id=group.keeper_track_id)[0].track_id
    _one_of_everything(newest, user, now)


def _one_of_everything(newest: DuplicateAnalysisResult, user: User, now: datetime) -> None:
    """See to it that every list has something to show."""
    create_roles(apps, "default")
    DuplicatePreferences.objects.get_or_create(user=user)
    tokens.create_token(
        user=user, name="Nightly export", scopes=["read"], expires_at=now + timedelta(days=90), actor=user, now=now
    )
    KeeperProfile.objects.get_or_create(
        name="Lossless first", defaults={"rules": [{"rule": "lossless", "prefer": []}], "changed_at": now}
    )
    VersionWord.objects.get_or_create(phrase="taper's mix", defaults={"marker": "remix", "changed_at": now})
    SiteSetting.objects.get_or_create(
        name="EXPORT_LIFETIME_HOURS", defaults={"value": 48, "changed_by": user, "changed_at": now}
    )
    plan = planning.plan_cleanup(
        analysis=newest, wanted=GroupFilter(band="very_high"), resolution="deleted", actor=user, now=now
    )
    work_on_plan(plan.pk, now=timezone.now)
    for number, track in enumerate(Track.objects.filter(quarantined_at=None).order_by("pk")[:40]):
        ITunesTrack.objects.create(
            persistent_id=f"{number:016X}", catalog="Apple Music", title=track.title, artist=track.artist,
            album=track.album, year=track.year, duration_ms=track.duration_ms, play_count=number,
        )  # fmt: skip


def running(scene: Scene) -> None:
    """Let a refresh be under way, and an export."""
    user, now = demo.ensure_user(), timezone.now()
    newest = DuplicateAnalysisResult.objects.get(pk=scene.newest)
    run = refreshing.refresh_analysis(newest, actor=user, now=now)
    progress = AnalysisProgress(
        str(run.pk),
        "running",
        message="Comparing tracks",
        percentage=42.3,
        tracks_processed=208,
        total_tracks=474,
        groups_found=61,
        estimated_seconds_remaining=75,
    )
    DuplicateAnalysisResult.objects.filter(pk=run.pk).update(
        status=AnalysisStatus.RUNNING,
        started_at=now,
        lease_token=uuid.uuid4(),
        lease_until=now + timedelta(hours=1),
        slot=1,
        phase="analyzing_similarities",
        progress=progress.as_json(),
    )
    newest.exports.create(
        format="csv", status="running", file_name="duplicates.csv", row_count=23_000, total_rows=60_000, created_at=now
    )
    scene.running = run.pk


def failed(scene: Scene) -> None:
    """Let the refresh fail."""
    DuplicateAnalysisResult.objects.filter(pk=scene.running).update(
        status=AnalysisStatus.FAILED,
        progress=None,
        lease_token=None,
        slot=None,
        completed_at=timezone.now(),
        error_code="ANALYSIS_TIMEOUT",
        error_message="The analysis took longer than 300 seconds and was stopped. Try a search, or raise the limit.",
    )
    scene.failed = scene.running


def stale(scene: Scene) -> None:
    """Let nine days pass, and much of the library change."""
    DuplicateAnalysisResult.objects.filter(pk=scene.failed).delete()
    past = timedelta(days=9)
    DuplicateAnalysisResult.objects.filter(pk=scene.newest).update(
        created_at=F("created_at") - past, started_at=F("started_at") - past, completed_at=F("completed_at") - past
    )
    for track in Track.objects.filter(quarantined_at=None).order_by("pk")[:60]:
        track.album = f"{track.album} (Deluxe)"
        track.save()


SCENES = {
    "empty": empty,
    "demo": with_demo,
    "judged": judged,
    "worked": worked,
    "running": running,
    "failed": failed,
    "stale": stale,
}


def _remove(group: DuplicateAnalysisGroup, user: User, now: datetime) -> None:
    """Remove every copy of a group that directly matches its keeper."""
    copies = group.members.filter(matches_keeper=True).exclude(track_id=group.keeper_track_id)
    removing = list(copies.values_list("track_id", flat=True))
    if removing:
        remove_duplicates(group=group, keeper_id=group.keeper_track_id, removing=removing, actor=user, now=now)


def _pretend_earlier_runs(analysis: DuplicateAnalysisResult, user: User, now: datetime) -> None:
    """Write the records that earlier runs of the same question would have left."""
    for weeks, found in zip(range(4 * len(DUPLICATES_BEFORE), 0, -4), DUPLICATES_BEFORE, strict=True):
        earlier = DuplicateAnalysisResult(analysis_id=uuid.uuid4(), created_at=now - timedelta(weeks=weeks))
        record = partial(audit.record, actor=user, subject=earlier, now=earlier.created_at)
        record("analysis.queued", after={"parameters": analysis.parameters})
        record("analysis.completed", counts={"groups_found": found * 3 // 4, "duplicates_found": found})


class _Silence:
    def write(self, text: str) -> None:
        """Say nothing."""

    def flush(self) -> None:
        """Say nothing still."""
