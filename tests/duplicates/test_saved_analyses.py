"""Saved analyses: list, load, resolve, age and clean up."""

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django_tasks_db.models import DBTaskResult

from duplicates.choices import AnalysisStatus
from duplicates.exceptions import AnalysisActive, AnalysisNotReady, CleanupRunning, InvalidOptions, SaveFailed
from duplicates.models import AuditRecord, DuplicateAnalysisExport, DuplicateAnalysisResult, KeptAnswer, Lease
from duplicates.services import exporting, leftovers, retention, saved, saving, staleness
from duplicates.services.alone import alone
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.persistence import DuplicatePersistenceService
from duplicates.services.staleness import Staleness
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def service() -> DuplicatePersistenceService:
    return DuplicatePersistenceService(now=lambda: NOW)


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_user("ada")


def analysis_of(user=None, *, days_old: float = 0, status="completed", **fields) -> DuplicateAnalysisResult:
    return DuplicateAnalysisResult.objects.create(
        user=user,
        created_at=NOW - timedelta(days=days_old),
        status=status,
        parameters_fingerprint=uuid.uuid4().hex,
        **({"lease_token": uuid.uuid4(), "slot": 1} if status == "running" else {}),
        **fields,
    )


class TestListing:
    def test_the_latest_is_the_newest_completed_one(self, service, ada) -> None:
        analysis_of(ada, days_old=3)
        newest = analysis_of(ada, days_old=1)
        analysis_of(ada, days_old=0, status="failed")
        analysis_of(None, days_old=0)

        assert service.get_latest_analysis(ada) == newest

    def test_the_latest_may_be_asked_for_by_search_term(self, service) -> None:
        moon = analysis_of(days_old=5, search_term="moon")
        plain = analysis_of(days_old=1)

        assert service.get_latest_analysis(None, search="moon") == moon
        assert service.get_latest_analysis(None, search="") == plain
        assert service.get_latest_analysis(None, search="sun") is None

    def test_a_users_analyses_come_newest_first_by_page(self, service, ada) -> None:
        made = [analysis_of(ada, days_old=days) for days in range(5)]

        assert service.get_user_analyses(ada, page=1, page_size=2) == made[:2]
        assert service.get_user_analyses(ada, page=3, page_size=2) == made[4:]

    @pytest.mark.parametrize(("page", "size"), [(0, 10), (1, 0)])
    def test_a_page_that_cannot_be_is_refused(self, service, ada, page, size) -> None:
        with pytest.raises(InvalidOptions):
            service.get_user_analyses(ada, page=page, page_size=size)

    def test_staff_see_their_own_and_the_systems(self, ada, django_user_model) -> None:
        others = analysis_of(django_user_model.objects.create_user("bob"))
        own, system = analysis_of(ada), analysis_of(None)

        visible = set(DuplicateAnalysisResult.objects.visible_to(ada))

        assert visible == {own, system}
        assert others not in visible


class TestLoadingAndSaving:
    def test_a_detection_made_without_persistence_can_be_kept_later(self, service) -> None:
        make_library()
        detection = DuplicateDetectionService().find_duplicates(AnalysisOptions())

        analysis = service.save_analysis_result(detection, AnalysisOptions())

        assert (analysis.status, analysis.groups_found) == (AnalysisStatus.COMPLETED, SONG_COUNT)

    def test_a_save_that_fails_leaves_a_failed_analysis_and_the_detection(self, service, monkeypatch) -> None:
        make_library()
        detection = DuplicateDetectionService().find_duplicates(AnalysisOptions())

        def refuse(*args, **kwargs):
            raise DatabaseError("no space")

        monkeypatch.setattr(saving, "save_groups", refuse)
        with pytest.raises(SaveFailed):
            service.save_analysis_result(detection, AnalysisOptions())

        assert DuplicateAnalysisResult.objects.get().status == AnalysisStatus.FAILED
        assert len(detection) == SONG_COUNT

    def test_loading_reads_groups_with_all_members_in_three_queries(self, service, django_assert_num_queries) -> None:
        make_library(copies=3)
        saved = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        with django_assert_num_queries(3):
            loaded = service.load_analysis_result(saved.pk)
            members = [member for group in loaded.groups for member in group.members.all()]

        assert len(members) == 3 * SONG_COUNT

    @pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled"])
    def test_an_unfinished_analysis_has_no_result_to_load(self, service, status) -> None:
        with pytest.raises(AnalysisNotReady):
            service.load_analysis_result(analysis_of(status=status).pk)


class TestStatusByHand:
    def test_an_active_analysis_can_be_ended(self, service) -> None:
        analysis = analysis_of(status="running")

        assert service.update_analysis_status(analysis.pk, "failed", message="The machine was replaced.")
        analysis.refresh_from_db()
        assert (analysis.status, analysis.error_message) == ("failed", "The machine was replaced.")

    def test_a_finished_one_stays_as_it_is(self, service) -> None:
        assert not service.update_analysis_status(analysis_of().pk, "failed")

    @pytest.mark.parametrize("status", ["completed", "running", "done"])
    def test_a_result_cannot_be_claimed_by_hand(self, service, status) -> None:
        with pytest.raises(InvalidOptions, match=status):
            service.update_analysis_status(analysis_of(status="queued").pk, status)


class TestResolving:
    @pytest.fixture
    def analysis(self) -> DuplicateAnalysisResult:
        make_library()
        return DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

    @pytest.mark.parametrize("resolution", ["kept_canonical", "manual_review", "not_duplicates"])
    def test_a_decision_is_noted_with_who_and_when(self, service, analysis, ada, resolution) -> None:
        group = analysis.groups.first()

        assert service.mark_groups_resolved(analysis.pk, [group.pk], resolution, actor=ada) == 1

        group.refresh_from_db()
        assert (group.is_resolved, group.resolution, group.resolved_by, group.resolved_at) == (
            True,
            resolution,
            ada,
            NOW,
        )

    def test_deleted_is_refused_while_the_duplicates_are_still_there(self, service, analysis) -> None:
        with pytest.raises(InvalidOptions, match="still has 2 tracks"):
            service.mark_groups_resolved(analysis.pk, [analysis.groups.first().pk], "deleted")

    def test_an_earlier_decision_is_not_overwritten(self, service, analysis) -> None:
        group = analysis.groups.first()
        service.mark_groups_resolved(analysis.pk, [group.pk], "kept_canonical")

        assert service.mark_groups_resolved(analysis.pk, [group.pk], "manual_review") == 0

    def test_a_foreign_group_is_refused_and_nothing_is_changed(self, service, analysis) -> None:
        own = analysis.groups.first()

        with pytest.raises(InvalidOptions, match="999999"):
            service.mark_groups_resolved(analysis.pk, [own.pk, 999999], "manual_review")

        own.refresh_from_db()
        assert not own.is_resolved

    def test_it_is_audited(self, service, analysis, ada) -> None:
        service.mark_groups_resolved(analysis.pk, [analysis.groups.first().pk], "manual_review", actor=ada)

        record = AuditRecord.objects.get(action="groups.resolved")
        assert (record.user_name, record.counts) == ("ada", {"groups": 1})


class TestStaleness:
    @pytest.mark.parametrize(
        ("hours", "level"),
        [
            (-1, Staleness.FRESH),
            (0.99, Staleness.FRESH),
            (1, Staleness.MODERATE),
            (23.9, Staleness.MODERATE),
            (24, Staleness.STALE),
            (167.9, Staleness.STALE),
            (168, Staleness.VERY_STALE),
        ],
    )
    def test_levels_follow_the_age(self, hours, level) -> None:
        assert staleness.get_staleness_level(timedelta(hours=hours)) == level

    @pytest.mark.parametrize(("days", "is_stale"), [(0.5, False), (1, True), (30, True)])
    def test_stale_is_older_than_a_day(self, service, days, is_stale) -> None:
        assert service.is_analysis_stale(analysis_of(days_old=days)) is is_stale


class TestRetention:
    def test_the_old_and_the_many_go(self, service, ada) -> None:
        recent = [analysis_of(ada, days_old=day) for day in range(8)]
        old = analysis_of(ada, days_old=31)

        result = service.cleanup_old_results()

        left = set(DuplicateAnalysisResult.objects.all())
        assert left == set(recent[:5])
        assert old not in left
        assert result.deleted == 4

    def test_pinned_active_and_the_only_completed_one_stay(self, service, ada, django_user_model) -> None:
        bob = django_user_model.objects.create_user("bob")
        pinned = analysis_of(ada, days_old=400, is_pinned=True)
        running = analysis_of(ada, days_old=400, status="running")
        only = analysis_of(bob, days_old=400)
        analysis_of(bob, days_old=300, status="failed")

        service.cleanup_old_results()

        assert set(DuplicateAnalysisResult.objects.all()) == {pinned, running, only}

    def test_one_whose_decisions_a_refresh_will_take_over_stays(self, ada) -> None:
        analysis_of(ada)
        reviewed = analysis_of(ada, days_old=60)
        plan = retention.plan_cleanup(now=NOW)
        analysis_of(ada, status="running", predecessor=reviewed)

        assert reviewed.pk not in retention.plan_cleanup(now=NOW, max_bytes=1).analyses
        retention.cleanup_old_results(plan, actor=None, now=NOW)

        assert DuplicateAnalysisResult.objects.filter(pk=reviewed.pk).exists()
        with pytest.raises(AnalysisActive, match="being refreshed"):
            saved.delete_analysis(reviewed, actor=ada, now=NOW, enqueue=lambda analysis_id: None)

    def test_the_system_counts_as_one_user(self, service) -> None:
        for day in range(7):
            analysis_of(None, days_old=day)

        service.cleanup_old_results()

        assert DuplicateAnalysisResult.objects.count() == 5

    def test_a_failing_one_is_logged_and_the_rest_goes_on(self, service, monkeypatch, caplog) -> None:
        for day in (40, 50, 60):
            analysis_of(days_old=day)
        plan = retention.plan_cleanup(now=NOW)
        original, calls = retention._remember, []

        def fail_once(*args, **kwargs):
            calls.append(1)
            if len(calls) == 1:
                raise DatabaseError("locked")
            return original(*args, **kwargs)

        monkeypatch.setattr(retention, "_remember", fail_once)
        result = retention.cleanup_old_results(plan, actor=None, now=NOW)

        assert (result.deleted, len(result.errors)) == (1, 1)
        assert "could not be cleaned up" in caplog.text
        assert not AuditRecord.objects.get(action="cleanup.analyses").was_successful

    def test_one_pinned_after_the_plan_was_made_stays(self) -> None:
        analysis_of(days_old=1)
        late = analysis_of(days_old=60)
        plan = retention.plan_cleanup(now=NOW)
        DuplicateAnalysisResult.objects.filter(pk=late.pk).update(is_pinned=True)

        retention.cleanup_old_results(plan, actor=None, now=NOW)

        assert DuplicateAnalysisResult.objects.filter(pk=late.pk).exists()

    def test_the_command_makes_the_same_plan_dry_and_wet(self, capsys, ada) -> None:
        now = datetime.now(UTC)
        for day in range(7):
            DuplicateAnalysisResult.objects.create(
                user=ada, created_at=now - timedelta(days=day), status="completed", parameters_fingerprint=str(day)
            )

        call_command("cleanup_analyses", "--dry-run")
        assert "Would delete 2 analyses" in capsys.readouterr().out
        assert DuplicateAnalysisResult.objects.count() == 7

        call_command("cleanup_analyses")
        assert "Deleted 2 analyses" in capsys.readouterr().out
        assert DuplicateAnalysisResult.objects.count() == 5

    def test_the_command_refuses_an_unknown_user_by_name(self) -> None:
        with pytest.raises(CommandError, match="'nobody'"):
            call_command("cleanup_analyses", "--user", "nobody")


class TestByItself:
    def test_a_completed_run_cleans_up_when_it_is_due(self, settings) -> None:
        settings.CLEANUP_EVERY_HOURS = 24
        old = DuplicateAnalysisResult.objects.create(
            created_at=datetime.now(UTC) - timedelta(days=60), status="failed", parameters_fingerprint="old"
        )
        make_library()

        DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())

        assert not DuplicateAnalysisResult.objects.filter(pk=old.pk).exists()

    @pytest.mark.parametrize(("hours_ago", "is_due"), [(23, False), (25, True)])
    def test_it_is_due_once_a_day(self, settings, hours_ago, is_due) -> None:
        settings.CLEANUP_EVERY_HOURS = 24
        now = NOW - timedelta(hours=hours_ago)
        retention.cleanup_old_results(retention.plan_cleanup(now=now), actor=None, now=now)

        assert (retention.cleanup_if_due(now=NOW) is not None) is is_due

    def test_zero_leaves_it_to_cron(self, settings) -> None:
        settings.CLEANUP_EVERY_HOURS = 0

        assert retention.cleanup_if_due(now=NOW) is None

    def test_its_failure_stops_nothing(self, settings, monkeypatch, caplog) -> None:
        settings.CLEANUP_EVERY_HOURS = 24

        def fail(**kwargs):
            raise DatabaseError("disk I/O error")

        monkeypatch.setattr(retention, "plan_cleanup", fail)

        assert retention.cleanup_if_due(now=NOW) is None
        assert "the next one will try again" in caplog.text


class TestDryRun:
    def leave_something_of_each_kind(self, work_dir: Path, ada) -> None:
        """Two analyses that go, with files, a run that stopped long ago, and rows past their age."""
        now = datetime.now(UTC)
        for day in range(7):
            analysis = DuplicateAnalysisResult.objects.create(
                user=ada, created_at=now - timedelta(days=day), status="completed", parameters_fingerprint=str(day)
            )
            lay(work_dir / "checkpoints" / str(analysis.pk) / "x.checkpoint", 100)
            lay(work_dir / "indexes" / str(analysis.pk) / "x.checkpoint", 1_000)
            export = DuplicateAnalysisExport.objects.create(
                analysis=analysis, format="csv", status="completed", created_at=now, expires_at=now + timedelta(days=1)
            )
            lay(exporting.export_path(export), 10)
        lay(work_dir / "exports" / f"{uuid.uuid4().hex}.csv", 1)
        stray = lay(work_dir / "uploads" / "stray.csv", 1)
        os.utime(stray, (0, 0))
        AuditRecord.objects.create(created_at=now - timedelta(days=900), action="analysis.queued")
        DBTaskResult.objects.create(
            task_path="x", args_kwargs={"args": [], "kwargs": {}}, backend_name="default", status="SUCCESSFUL",
            run_after=now, finished_at=now - timedelta(days=90),
        )  # fmt: skip
        analysis_of(ada, deleting_at=now - timedelta(minutes=9))
        KeptAnswer.objects.create(user=ada, key="k", request_digest="0" * 64, created_at=now - timedelta(days=3))

    def test_it_names_exactly_what_goes_of_each_kind(self, work_dir: Path, ada, capsys) -> None:
        self.leave_something_of_each_kind(work_dir, ada)

        call_command("cleanup_analyses", "--dry-run", "--output", "json")
        told = json.loads(capsys.readouterr().out)
        untouched = DuplicateAnalysisResult.objects.count(), len(list((work_dir / "exports").iterdir()))
        call_command("cleanup_analyses", "--output", "json")
        done = json.loads(capsys.readouterr().out)

        assert untouched == (7, 8)
        assert told["leftovers"] == done["leftovers"]
        assert {name: freed["count"] for name, freed in done["leftovers"].items()} == {
            "half_deleted": 1, "checkpoints": 7, "tasks": 1, "exports": 3, "indexes": 5, "uploads": 1,
            "library_changes": 0, "touches": 0, "audit_records": 1, "kept_answers": 1,
        }  # fmt: skip
        assert told["by_count"] == done["by_count"]
        assert done["bytes"] == 7 * 100 + 5 * 1_000 + 2 * 10 + 1

    def test_one_record_says_how_much_went(self, work_dir: Path, ada) -> None:
        self.leave_something_of_each_kind(work_dir, ada)

        call_command("cleanup_analyses")

        counts = AuditRecord.objects.get(action="cleanup.analyses").counts
        assert (counts["deleted"], counts["exports"], counts["bytes"]) == (2, 3, 5_721)

    def test_a_kind_that_fails_is_logged_and_the_rest_goes(self, work_dir: Path, ada, monkeypatch, caplog) -> None:
        self.leave_something_of_each_kind(work_dir, ada)

        def refuse(limits):
            raise OSError("read-only file system")

        monkeypatch.setitem(leftovers.KINDS, "exports", leftovers.Kind(leftovers.KINDS["exports"].look, refuse))
        with pytest.raises(CommandError, match="1 could not be deleted"):
            call_command("cleanup_analyses")

        record = AuditRecord.objects.get(action="cleanup.analyses")
        assert (record.was_successful, record.counts["audit_records"], record.counts["errors"]) == (False, 1, 1)
        assert "exports could not be cleaned up" in caplog.text


def lay(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


class TestTwoAtOnce:
    def test_the_second_is_refused(self, service) -> None:
        with alone(retention.LEASE), pytest.raises(CleanupRunning):
            service.cleanup_old_results()

    def test_the_command_says_so(self) -> None:
        with alone(retention.LEASE), pytest.raises(CommandError, match="Another clean-up is at work"):
            call_command("cleanup_analyses")

    def test_one_that_was_killed_is_forgotten_when_its_lease_runs_out(self, service, settings) -> None:
        until = datetime.now(UTC) + timedelta(seconds=settings.LEASE_SECONDS)
        Lease.objects.create(name=retention.LEASE, token=uuid.uuid4(), until=until)
        with pytest.raises(CleanupRunning):
            service.cleanup_old_results()

        Lease.objects.update(until=datetime.now(UTC) - timedelta(seconds=1))

        assert service.cleanup_old_results().deleted == 0

    def test_afterwards_the_next_one_may(self, service, monkeypatch) -> None:
        monkeypatch.setattr(retention, "_clean_up", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            service.cleanup_old_results()
        monkeypatch.undo()

        assert service.cleanup_old_results().deleted == 0


class TestExpiredExports:
    def export_file(self, analysis, *, hours_left: float) -> tuple[DuplicateAnalysisExport, Path]:
        export = DuplicateAnalysisExport.objects.create(
            analysis=analysis,
            format="csv",
            status="completed",
            created_at=NOW,
            expires_at=NOW + timedelta(hours=hours_left),
        )
        path = exporting.export_path(export)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("…")
        return export, path

    def test_the_file_goes_when_its_time_is_over(self, service) -> None:
        analysis = analysis_of()
        old, old_file = self.export_file(analysis, hours_left=-1)
        young, young_file = self.export_file(analysis, hours_left=1)

        result = service.cleanup_old_results()

        old.refresh_from_db()
        young.refresh_from_db()
        assert (old.status, young.status, result.exports) == ("expired", "completed", 1)
        assert (old_file.exists(), young_file.exists()) == (False, True)

    def test_a_file_begun_while_it_looks_stays(self, service, monkeypatch) -> None:
        """It asked first which rows there are, and then took files of newer rows for needless."""
        analysis, began = analysis_of(), []
        file_stem = leftovers.file_stem

        def begin_another(*args):
            if not began:
                began.append(None)
                began.append(self.export_file(analysis, hours_left=1)[1])
            return file_stem(*args)

        self.export_file(analysis, hours_left=1)
        monkeypatch.setattr(leftovers, "file_stem", begin_another)
        service.cleanup_old_results()

        assert began[1].exists()

    def test_the_file_of_a_deleted_analysis_goes_too(self, service) -> None:
        analysis = analysis_of()
        _, path = self.export_file(analysis, hours_left=1)
        analysis.delete()

        service.cleanup_old_results()

        assert not path.exists()


class TestAudit:
    def test_records_can_neither_be_changed_nor_deleted(self, service) -> None:
        service.cleanup_old_results()
        record = AuditRecord.objects.get()

        with pytest.raises(TypeError):
            record.save()
        with pytest.raises(TypeError):
            record.delete()
        with pytest.raises(TypeError):
            AuditRecord.objects.update(action="forged")

    def test_names_outlive_their_subjects(self, ada) -> None:
        make_library()
        analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions(), user=ada).analysis
        label = str(analysis)

        analysis.delete()
        ada.delete()

        assert set(AuditRecord.objects.values_list("user_name", "subject_label")) == {("ada", label)}
