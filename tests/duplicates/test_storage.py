"""What is stored is known by kind, analysis and person; limits hold, and are announced before."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.db import connection

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.exceptions import StorageFull
from duplicates.models import DuplicateAnalysisResult, StorageSample
from duplicates.services import storage
from duplicates.services.exporting import request_export
from duplicates.services.lifecycle import queue_analysis
from duplicates.services.options import AnalysisOptions
from duplicates.services.retention import plan_cleanup
from duplicates.services.storage import MB, Stored, get_storage, keep_sample
from duplicates.services.storage_limits import storage_warnings
from duplicates.worker import Supervisor
from tests.duplicates.factories import AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def lay(work_dir: Path, folder: str, analysis: DuplicateAnalysisResult, size: int) -> None:
    """Put a file of an analysis where its kind lies."""
    place = work_dir / folder / str(analysis.pk)
    place.mkdir(parents=True)
    (place / "part.checkpoint").write_bytes(b"x" * size)


def held_by(analysis: DuplicateAnalysisResult) -> int:
    return next(one.stored.size_bytes for one in get_storage().analyses if one.analysis_id == analysis.pk)


class TestKnowing:
    def test_files_count_for_their_kind_and_their_analysis(self, work_dir: Path) -> None:
        analysis = AnalysisFactory(groups_found=0, duplicates_found=0)
        lay(work_dir, "indexes", analysis, 3_000)
        lay(work_dir, "checkpoints", analysis, 500)

        assert get_storage().by_kind["indexes"] == Stored(1, 3_000)
        assert held_by(analysis) == 3_500

    def test_files_that_wait_to_be_imported_count(self, work_dir: Path) -> None:
        (work_dir / "uploads" / "one").mkdir(parents=True)
        (work_dir / "uploads" / "one" / "songs.csv").write_bytes(b"x" * 700)

        assert get_storage().by_kind["uploads"] == Stored(1, 700)

    def test_every_table_belongs_to_one_kind(self) -> None:
        names = [name for tables in storage._names().values() for name in tables]

        assert sorted(names) == sorted(set(names))
        assert set(names) == set(connection.introspection.django_table_names())
        assert {"duplicates_precisionsample", "duplicates_sampledgroup"} <= set(storage._names()["samples"])

    def test_rows_are_counted_by_kind(self) -> None:
        for _ in range(3):
            GroupFactory()
        if connection.vendor == "postgresql":  # which knows what the last ANALYZE counted
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE duplicates_duplicateanalysisgroup")

        found = get_storage().by_kind["groups"]

        assert found.rows == 3
        assert found.size_bytes > 0

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite's file is shared out")
    def test_the_kinds_of_rows_of_sqlite_share_the_file(self) -> None:
        AnalysisFactory()
        found = get_storage()

        with connection.cursor() as cursor:
            pages, free, size = (
                cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
            )
        rows = sum(found.by_kind[kind].size_bytes for kind in {*storage.TABLES, storage.REST})

        assert (pages - free) * size - len(storage.TABLES) - 1 <= rows <= (pages - free) * size
        assert found.is_estimate

    def test_an_analysis_holds_what_its_own_rows_typically_take(self) -> None:
        """PostgreSQL's tables kept their size after a deletion and counted rows late: 14,923 bytes for one of 435."""
        analysis, other = (AnalysisFactory(groups_found=1_000, duplicates_found=1_500) for _ in range(2))
        for _ in range(3):
            GroupFactory(analysis=other)
        sizes = storage.ROW_BYTES[connection.vendor]
        before = held_by(analysis)

        other.delete()

        assert before == held_by(analysis) == 1_000 * sizes["groups"] + 2_500 * sizes["members"]

    def test_people_are_told_apart_and_the_system_from_them(self, work_dir: Path) -> None:
        ada = UserFactory(username="ada")
        for user, size in ((ada, 100), (ada, 20), (None, 3)):
            lay(work_dir, "indexes", AnalysisFactory(user=user, groups_found=0, duplicates_found=0), size)

        by_name = {name: stored.size_bytes for (_, name), stored in get_storage().by_user.items()}

        assert by_name == {"ada": 120, "": 3}

    def test_costs_the_same_for_many_analyses(self, django_assert_max_num_queries: Any) -> None:
        for _ in range(5):
            AnalysisFactory(user=UserFactory())

        with django_assert_max_num_queries(6):
            get_storage()


class TestGrowth:
    def test_one_sample_a_day_is_kept(self) -> None:
        assert [keep_sample(now=NOW), keep_sample(now=NOW + timedelta(hours=3))] == [True, False]

        sample = StorageSample.objects.get()
        assert sample.day == NOW.date()
        assert sample.total_bytes == sum(sample.size_bytes.values())
        assert set(sample.rows) == set(storage.KINDS)

    def test_samples_go_after_four_hundred_days(self) -> None:
        StorageSample.objects.create(day=(NOW - timedelta(days=401)).date(), total_bytes=1)

        keep_sample(now=NOW)

        assert StorageSample.objects.count() == 1


class TestLimits:
    @pytest.fixture
    def three(self, work_dir: Path) -> list[DuplicateAnalysisResult]:
        """Three analyses of the system, the oldest first, each holding a megabyte."""
        made = []
        for days in (3, 2, 1):
            at = datetime.now(UTC) - timedelta(days=days)
            made.append(AnalysisFactory(created_at=at, groups_found=0, duplicates_found=0))
            lay(work_dir, "indexes", made[-1], MB)
        return made

    def test_the_oldest_go_until_the_rest_fits(self, three: list[DuplicateAnalysisResult]) -> None:
        plan = plan_cleanup(now=datetime.now(UTC), max_bytes=2 * MB)

        assert plan.by_storage == (three[0].pk,)

    def test_pinned_ones_and_the_newest_completed_one_stay(self, three: list[DuplicateAnalysisResult]) -> None:
        three[0].is_pinned = True
        three[0].save()

        plan = plan_cleanup(now=datetime.now(UTC), max_bytes=1)

        assert plan.by_storage == (three[1].pk,)

    def test_what_goes_by_age_makes_room_too(self, three: list[DuplicateAnalysisResult]) -> None:
        plan = plan_cleanup(now=datetime.now(UTC), days=2, max_bytes=2 * MB)

        assert (set(plan.by_age) >= {three[0].pk}, plan.by_storage) == (True, ())

    def test_the_settings_limit_each_person(
        self, three: list[DuplicateAnalysisResult], work_dir: Path, settings: LazySettings
    ) -> None:
        settings.STORAGE_PER_USER_MB = 2
        lay(work_dir, "indexes", AnalysisFactory(user=UserFactory(), groups_found=0, duplicates_found=0), MB)

        assert plan_cleanup(now=datetime.now(UTC)).by_storage == (three[0].pk,)

    def test_a_warning_comes_before_the_limit(
        self, three: list[DuplicateAnalysisResult], settings: LazySettings
    ) -> None:
        settings.STORAGE_LIMIT_MB = 4
        assert storage_warnings(get_storage(), free_bytes=10**12) == []

        settings.STORAGE_WARN_PERCENT = 75

        assert storage_warnings(get_storage(), free_bytes=10**12) == [
            "Results hold 3 of the 4 MB they may. Beyond that the next clean-up takes the oldest."
        ]

    def test_a_disk_with_too_little_room_is_told(self, settings: LazySettings) -> None:
        settings.LEAST_FREE_MB = 500

        assert storage_warnings(get_storage(), free_bytes=499 * MB) == [
            "Only 499 MB are free where working files go; 500 MB are needed."
        ]

    def test_nothing_new_starts_while_the_limit_is_reached(
        self, three: list[DuplicateAnalysisResult], settings: LazySettings
    ) -> None:
        settings.STORAGE_LIMIT_MB = 3

        with pytest.raises(StorageFull, match="Results hold the 3 MB"):
            queue_analysis(AnalysisOptions(), actor=None, trigger=Trigger.COMMAND, now=NOW)
        with pytest.raises(StorageFull):
            request_export(three[2], "csv", actor=None, now=NOW, enqueue=lambda export_id: None)

    def test_one_persons_limit_stops_nobody_else(
        self, three: list[DuplicateAnalysisResult], settings: LazySettings
    ) -> None:
        settings.STORAGE_PER_USER_MB = 3

        assert queue_analysis(AnalysisOptions(), actor=UserFactory(), trigger=Trigger.COMMAND, now=NOW).is_new

    def test_the_command_deletes_down_to_a_size(
        self, three: list[DuplicateAnalysisResult], capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("cleanup_analyses", "--max-storage", "2.5MB")

        assert "Deleted 1 analyses: 0 by age, 0 by count, 1 by storage." in capsys.readouterr().out
        assert not DuplicateAnalysisResult.objects.filter(pk=three[0].pk).exists()

    def test_a_dry_run_only_says_so(
        self, three: list[DuplicateAnalysisResult], capsys: pytest.CaptureFixture[str]
    ) -> None:
        call_command("cleanup_analyses", "--max-storage", "2MB", "--dry-run")

        assert "1 by storage" in capsys.readouterr().out
        assert DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.COMPLETED).count() == 3

    def test_a_size_that_is_none_is_refused(self) -> None:
        with pytest.raises(CommandError, match="'much' is no size"):
            call_command("cleanup_analyses", "--max-storage", "much")


def test_a_supervisor_keeps_the_sample_of_the_day() -> None:
    supervisor = Supervisor(0, [], grace_seconds=1, say=lambda line: None)

    supervisor._look_at_storage()
    supervisor._look_at_storage()

    assert StorageSample.objects.count() == 1
