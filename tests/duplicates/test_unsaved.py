"""A result that was found and could not be saved is not lost: it can be saved again and exported as it is."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from duplicates.choices import AnalysisStatus
from duplicates.exceptions import AnalysisNotReady, RateLimited
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.services import audit, downloading, running, saving, work_folder
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.exporting import export_analysis_results
from duplicates.services.options import AnalysisOptions
from library.models import ITunesTrack, LibraryImport, Track
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A database that refuses groups for good; call it to mend that."""
    original = saving._write

    def refuse(*args: Any) -> None:
        raise DatabaseError("disk full at /secret/path")

    monkeypatch.setattr(saving, "_write", refuse)
    return lambda: monkeypatch.setattr(saving, "_write", original)


@pytest.fixture
def unsaved(broken: Any) -> DuplicateAnalysisResult:
    """A run over three copies of each song that found everything and saved nothing."""
    make_library(copies=3)
    return DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis


def exported(analysis: DuplicateAnalysisResult, export_format: str) -> bytes:
    return b"".join(export_analysis_results(analysis, export_format, now=NOW))


def comparable(document: bytes) -> dict[str, Any]:
    """An export without what must differ between two analyses, and without what only a saved one can have."""
    found = json.loads(document)
    differs = ("analysis_id", "status", "created_at", "started_at", "completed_at", "processing_seconds", "figures")
    found["analysis"] = {name: value for name, value in found["analysis"].items() if name not in differs}
    return found


class TestTheFailure:
    def test_it_says_how_much_was_found_and_is_kept(self, unsaved: DuplicateAnalysisResult) -> None:
        assert (unsaved.status, unsaved.error_code) == (AnalysisStatus.FAILED, "SAVE_FAILED")
        assert f"The result, {SONG_COUNT} groups, was found but could not be saved" in unsaved.error_message
        assert "/secret/path" not in f"{unsaved.error_message}{unsaved.error_details}"
        assert work_folder.is_unsaved_result_kept(unsaved)

    def test_its_cost_is_stored_all_the_same(self, unsaved: DuplicateAnalysisResult) -> None:
        assert unsaved.peak_memory_bytes
        assert unsaved.cpu_seconds is not None
        assert unsaved.processing_seconds is not None
        assert "analyzing_similarities" in unsaved.phase_seconds


class TestSavingAgain:
    def test_the_command_saves_what_is_kept_without_looking_for_it_again(
        self, unsaved: DuplicateAnalysisResult, broken: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken()
        monkeypatch.setattr("duplicates.services.detecting.detect", lambda *args, **kwargs: 1 / 0)

        call_command("run_duplicate_analysis", "--resume", str(unsaved.pk))

        unsaved.refresh_from_db()
        assert (unsaved.status, unsaved.error_code, unsaved.groups_found) == ("completed", "", SONG_COUNT)
        assert unsaved.groups.count() == SONG_COUNT
        assert not work_folder.is_unsaved_result_kept(unsaved)

    def test_a_save_that_fails_again_keeps_it_still(self, unsaved: DuplicateAnalysisResult) -> None:
        with pytest.raises(CommandError, match="SAVE_FAILED"):
            call_command("run_duplicate_analysis", "--resume", str(unsaved.pk))

        unsaved.refresh_from_db()
        assert work_folder.is_unsaved_result_kept(unsaved)

    def test_what_is_not_kept_any_more_is_looked_for_again(self, unsaved: DuplicateAnalysisResult, broken: Any) -> None:
        broken()
        work_folder.discard_checkpoints(unsaved.pk)

        call_command("run_duplicate_analysis", "--resume", str(unsaved.pk))

        unsaved.refresh_from_db()
        assert (unsaved.status, unsaved.groups.count()) == ("completed", SONG_COUNT)


class TestExporting:
    @pytest.mark.parametrize("catalogue", [False, True], ids=["without a catalogue", "with a catalogue"])
    def test_it_is_the_same_as_that_of_the_saved_result(
        self, broken: Any, catalogue: bool, django_user_model: Any
    ) -> None:
        make_library(copies=3)
        if catalogue:
            load_catalogue()
        unsaved = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis
        before = {name: exported(unsaved, name) for name in ("json", "csv")}

        broken()
        call_command("run_duplicate_analysis", "--resume", str(unsaved.pk))
        unsaved.refresh_from_db()

        assert comparable(before["json"]) == comparable(exported(unsaved, "json"))
        assert before["csv"] == exported(unsaved, "csv")
        assert (b'"exact"' in before["json"]) is catalogue

    def test_blocks_come_in_order(self, unsaved: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("duplicates.services.export_rows.GROUPS_PER_BLOCK", 2)

        rows = list(csv.DictReader(io.StringIO(exported(unsaved, "csv").decode())))

        assert [row["group"] for row in rows] == [str(n) for n in range(1, SONG_COUNT + 1) for _ in range(3)]

    def test_a_track_deleted_meanwhile_is_left_out(
        self, unsaved: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("duplicates.services.export_rows.GROUPS_PER_BLOCK", 1)
        first = json.loads(exported(unsaved, "json"))["groups"][0]
        Track.objects.filter(pk__in=[track["track_id"] for track in first["tracks"]]).delete()

        groups = json.loads(exported(unsaved, "json"))["groups"]

        assert [group["position"] for group in groups] == list(range(1, SONG_COUNT))

    def test_the_command_writes_it(self, unsaved: DuplicateAnalysisResult, tmp_path: Path, capsys: Any) -> None:
        call_command("export_analysis", str(unsaved.pk), "--output", str(tmp_path / "out.json"))

        assert len(json.loads((tmp_path / "out.json").read_bytes())["groups"]) == SONG_COUNT
        assert "which is not saved" in capsys.readouterr().err

    def test_a_damaged_one_is_refused_before_anything_is_written(
        self, unsaved: DuplicateAnalysisResult, tmp_path: Path
    ) -> None:
        path = work_folder.checkpoint_file(unsaved.pk, work_folder.FOUND)
        path.write_bytes(path.read_bytes()[:-7])

        with pytest.raises(CommandError, match="not kept here any more"):
            call_command("export_analysis", str(unsaved.pk), "--output", str(tmp_path / "out.json"))

        assert not (tmp_path / "out.json").exists()

    def test_a_running_one_is_not_exported_though_its_result_is_kept(self, unsaved: DuplicateAnalysisResult) -> None:
        unsaved.status = AnalysisStatus.QUEUED

        with pytest.raises(AnalysisNotReady):
            exported(unsaved, "json")


class TestStreaming:
    def test_it_leaves_a_record(self, unsaved: DuplicateAnalysisResult, admin_user: Any) -> None:
        downloading.stream_unsaved(unsaved, "csv", actor=admin_user, now=NOW)

        record = AuditRecord.objects.get(action="export.unsaved")
        assert (record.user_name, record.subject_id) == (admin_user.username, str(unsaved.pk))

    def test_a_database_that_refuses_the_record_does_not_stand_in_the_way(
        self, unsaved: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch, caplog: Any
    ) -> None:
        def refuse(*args: Any, **kwargs: Any) -> None:
            raise DatabaseError("disk full")

        monkeypatch.setattr(audit, "record", refuse)

        blocks = downloading.stream_unsaved(unsaved, "json", actor=None, now=NOW)

        assert len(json.loads(b"".join(blocks))["groups"]) == SONG_COUNT
        assert "left no record" in caplog.text

    def test_programs_fetch_it_through_the_api(self, unsaved: DuplicateAnalysisResult, admin_client: Any) -> None:
        url = f"/api/v1/analyses/{unsaved.pk}/"

        rows = csv.reader(io.StringIO(admin_client.get(f"{url}unsaved/?format=csv").getvalue().decode()))

        assert sum(1 for _ in rows) > SONG_COUNT
        assert admin_client.get(url).json()["failure"]["has_unsaved_result"]

    def test_one_may_not_do_it_without_end(
        self, unsaved: DuplicateAnalysisResult, admin_user: Any, settings: Any
    ) -> None:
        settings.EXPORTS_PER_HOUR = 1
        downloading.stream_unsaved(unsaved, "csv", actor=admin_user, now=NOW)

        with pytest.raises(RateLimited):
            downloading.stream_unsaved(unsaved, "csv", actor=admin_user, now=NOW)


def test_the_failing_command_names_both_ways_out(broken: Any, capsys: Any) -> None:
    make_library()

    with pytest.raises(CommandError, match="SAVE_FAILED"):
        call_command("run_duplicate_analysis")

    analysis = DuplicateAnalysisResult.objects.get()
    said = capsys.readouterr().err
    assert f"run_duplicate_analysis --resume {analysis.pk}" in said
    assert re.search(rf"export_analysis {analysis.pk} --output FILE", said)


def test_a_disk_that_could_not_keep_it_is_not_promised(broken: Any, settings: Any, capsys: Any) -> None:
    settings.WORK_DIR = "/dev/null/work"
    make_library()

    with pytest.raises(CommandError, match="SAVE_FAILED"):
        call_command("run_duplicate_analysis")

    assert "What was found is kept" not in capsys.readouterr().err


def test_a_timeout_stores_what_it_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    make_library()
    monkeypatch.setattr(running, "time_limit", lambda tracks, wanted: -1.0)

    analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

    assert (analysis.error_code, bool(analysis.peak_memory_bytes)) == ("ANALYSIS_TIMEOUT", True)


def load_catalogue() -> None:
    """Load every second song into the iTunes catalogue, with another genre."""
    LibraryImport.objects.create(
        source="itunes", format="itunes", file_name="L.xml", started_at=NOW, completed_at=NOW, is_catalog=True
    )
    for number, track in enumerate(Track.objects.order_by("pk")[:SONG_COUNT:2]):
        ITunesTrack.objects.create(
            catalog="itunes", persistent_id=f"{number:016X}", title=track.title, artist=track.artist,
            album=track.album, duration_ms=track.duration_ms, genre="Folk",
        )  # fmt: skip
