"""Exports: complete, streamed, private, safe in a spreadsheet."""

import csv
import gzip
import hashlib
import io
import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from duplicates.choices import ExportStatus
from duplicates.exceptions import AnalysisNotFound, AnalysisNotReady, ExportGone, InvalidOptions
from duplicates.models import AuditRecord, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import export_contents, export_rows, exporting, saved
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.exporting import export_analysis_results, request_export, write_export
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    make_library(copies=3)
    return DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis


def exported(analysis, export_format) -> bytes:
    return b"".join(export_analysis_results(analysis, export_format, now=NOW))


def rows_of(analysis) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(analysis, "csv").decode())))


class TestJson:
    def test_holds_the_analysis_and_every_group_with_every_member(self, analysis) -> None:
        found = json.loads(exported(analysis, "json"))

        assert found["format_version"] == "1.1"
        assert found["analysis"]["analysis_id"] == str(analysis.pk)
        assert [len(group["tracks"]) for group in found["groups"]] == [3] * SONG_COUNT

    def test_each_member_names_its_track_its_evidence_and_its_match(self, analysis) -> None:
        group = json.loads(exported(analysis, "json"))["groups"][0]

        keeper, other = group["tracks"][:2]
        assert keeper["is_canonical"]
        assert keeper["track_id"] == group["keeper_track_id"]
        assert {"track_id", "source_track_id", "itunes_match", "still_exists"} <= other.keys()
        assert sum(part["bits"] for part in other["evidence"]) != 0

    def test_an_analysis_without_groups_is_valid_too(self) -> None:
        empty = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        assert json.loads(exported(empty, "json"))["groups"] == []

    def test_many_groups_come_in_blocks_and_in_order(self, analysis, monkeypatch) -> None:
        monkeypatch.setattr(export_rows, "GROUPS_PER_BLOCK", 2)

        positions = [group["position"] for group in json.loads(exported(analysis, "json"))["groups"]]

        assert positions == list(range(1, SONG_COUNT + 1))

    def test_groups_that_are_missing_end_nothing(self, analysis, monkeypatch) -> None:
        monkeypatch.setattr(export_rows, "GROUPS_PER_BLOCK", 1)
        analysis.groups.filter(position__in=(1, 3)).delete()

        positions = [group["position"] for group in json.loads(exported(analysis, "json"))["groups"]]

        assert positions == [2, *range(4, SONG_COUNT + 1)]


class TestCsv:
    def test_has_one_row_a_member_with_its_groups_columns(self, analysis) -> None:
        rows = rows_of(analysis)

        assert len(rows) == 3 * SONG_COUNT
        assert {row["group"] for row in rows} == {str(n) for n in range(1, SONG_COUNT + 1)}
        assert rows[0]["is_canonical"] == "true"

    @pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@cmd", "\tx"])
    def test_a_cell_that_begins_like_a_formula_is_escaped(self, analysis, text) -> None:
        DuplicateAnalysisTrack.objects.filter(group__analysis=analysis).update(title=text)

        assert {row["title"] for row in rows_of(analysis)} == {f"'{text}"}

    def test_quotes_and_line_breaks_survive(self, analysis) -> None:
        odd = 'He said "no",\nthen left; über 東京'
        DuplicateAnalysisTrack.objects.filter(group__analysis=analysis).update(album=odd)

        assert {row["album"] for row in rows_of(analysis)} == {odd}


class TestJsonLines:
    def test_says_on_lines_what_json_says(self, analysis) -> None:
        head, *groups = map(json.loads, exported(analysis, "jsonl").splitlines())

        assert {**head, "groups": groups} == json.loads(exported(analysis, "json"))


class TestForms:
    """Programs of others read these; a change of a name or its place is a new version of the format."""

    def test_the_columns_of_csv(self, analysis) -> None:
        assert ",".join(rows_of(analysis)[0]) == (
            "analysis_id,group,group_key,group_confidence,group_members,keeper_rule,keeper_reason,is_resolved,"
            "resolution,resolved_at,group_version,not_duplicate,track_id,source,source_track_id,title,artist,"
            "album_artist,album,genre,track_number,disc_number,year,duration_ms,isrc,explicit,format,bit_rate_kbps,"
            "size_bytes,lossless,play_count,skip_count,last_played_at,rating,loved,added_at,is_canonical,similarity,"
            "match_weight,matches_keeper,itunes_match,itunes_confidence,itunes_persistent_id,still_exists,deleted_at,"
            "itunes_differences,evidence"
        )

    def test_the_names_of_json(self, analysis) -> None:
        found = json.loads(exported(analysis, "json"))

        assert list(found) == ["format_version", "analysis", "groups"]
        assert " ".join(found["analysis"]) == (
            "analysis_id user preset search_term sort_by min_confidence parameters status trigger created_at "
            "started_at completed_at library_track_count library_revision tracks_analyzed groups_found "
            "duplicates_found average_similarity not_enough_data_count processing_seconds figures exported_at staleness"
        )
        assert " ".join(found["groups"][0]) == (
            "position group_key title artist member_count duplicate_count total_plays confidence average_similarity "
            "cohesion keeper_track_id keeper_rule keeper_reason itunes_match itunes_match_count remaining_count "
            "is_resolved resolution resolved_at keeper_chosen_at band version tracks"
        )
        assert " ".join(found["groups"][0]["tracks"][0]) == (
            "track_id source source_track_id title artist album_artist album genre track_number disc_number year "
            "duration_ms isrc explicit format bit_rate_kbps size_bytes lossless play_count skip_count last_played_at "
            "rating loved added_at is_canonical similarity match_weight matches_keeper itunes_match itunes_confidence "
            "itunes_persistent_id still_exists deleted_at itunes_differences evidence"
        )
        assert list(found["groups"][0]["tracks"][1]["evidence"][0]) == ["comparison", "level", "bits"]

    def test_the_version_is_that_of_the_group(self, analysis) -> None:
        group = json.loads(exported(analysis, "json"))["groups"][0]

        assert group["version"] == analysis.groups.get(position=1).version == rows_of(analysis)[0]["group_version"]


class TestOlderMatchers:
    def test_without_readable_tables_all_but_the_words_of_the_evidence_is_exported(self, analysis) -> None:
        DuplicateAnalysisResult.objects.update(learnt_tables=b"{}")
        analysis.refresh_from_db()

        groups = json.loads(exported(analysis, "json"))["groups"]

        assert len(groups) == SONG_COUNT
        assert groups[0]["tracks"][1]["evidence"] == []


class TestRefusals:
    def test_an_unknown_format_is_named(self, analysis) -> None:
        with pytest.raises(InvalidOptions, match="'xls'"):
            exported(analysis, "xls")

    @pytest.mark.parametrize("status", ["queued", "failed", "cancelled"])
    def test_an_analysis_without_a_result_is_refused(self, analysis, status) -> None:
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(status=status)
        analysis.refresh_from_db()

        with pytest.raises(AnalysisNotReady):
            exported(analysis, "json")


class TestQueries:
    def test_a_block_costs_two_queries_whatever_it_holds(self, analysis, django_assert_num_queries) -> None:
        with django_assert_num_queries(4):  # how many, groups, members, and whether it is still there
            exported(analysis, "csv")


@pytest.mark.django_db(transaction=True)
class TestFiles:
    def test_a_requested_export_is_written_by_the_queue(self, analysis) -> None:
        export = request_export(
            analysis, "json", actor=None, now=NOW, enqueue=lambda pk: write_export(pk, now=lambda: NOW)
        )

        export.refresh_from_db()
        assert (export.status, export.row_count) == (ExportStatus.COMPLETED, 3 * SONG_COUNT)
        assert export.expires_at == NOW + timedelta(hours=24)
        assert exporting.export_path(export).read_bytes() == exported(analysis, "json")

    def test_the_file_is_private_and_no_part_is_left(self, analysis, work_dir) -> None:
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=write_export)

        path = exporting.export_path(export)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert export.file_name not in path.name

    def test_a_small_one_is_written_at_once(self, analysis) -> None:
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=pytest.fail)

        assert (export.status, export.percentage) == (ExportStatus.COMPLETED, 100.0)

    def test_the_checksum_is_that_of_the_file(self, analysis) -> None:
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=pytest.fail)

        assert export.sha256 == hashlib.sha256(exporting.export_path(export).read_bytes()).hexdigest()

    def test_packed_it_says_the_same(self, analysis) -> None:
        export = request_export(analysis, "json", actor=None, now=NOW, enqueue=pytest.fail, is_compressed=True)

        file = exporting.export_path(export).read_bytes()
        assert gzip.decompress(file) == exported(analysis, "json")
        assert export.file_name.endswith(".json.gz")
        assert export.sha256 == hashlib.sha256(file).hexdigest()

    def test_a_large_one_tells_how_far_it_is(self, analysis, monkeypatch) -> None:
        monkeypatch.setattr(exporting, "WRITTEN_AT_ONCE", 0)
        monkeypatch.setattr(exporting, "PROGRESS_SECONDS", 0.0)
        monkeypatch.setattr(export_rows, "GROUPS_PER_BLOCK", 1)
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=lambda pk: None)
        told = []
        render = export_contents.render

        def watched(*args):
            for block in render(*args):
                export.refresh_from_db()
                told.append(export.row_count)
                yield block

        monkeypatch.setattr(export_contents, "render", watched)
        write_export(export.pk)

        assert export.total_rows == 3 * SONG_COUNT
        assert told == [0, 0, *(3 * number for number in range(1, SONG_COUNT))]

    def test_of_an_analysis_deleted_meanwhile_a_stream_ends_in_an_error(self, analysis, monkeypatch) -> None:
        monkeypatch.setattr(export_rows, "GROUPS_PER_BLOCK", 1)
        blocks = export_analysis_results(analysis, "json", now=NOW)
        next(blocks), next(blocks)
        saved.delete_analysis(analysis, actor=None, now=NOW, enqueue=pytest.fail)

        with pytest.raises(AnalysisNotFound):
            list(blocks)

    @pytest.mark.parametrize("what", ["export", "analysis"])
    def test_deleted_meanwhile_it_leaves_nothing(self, analysis, monkeypatch, what) -> None:
        monkeypatch.setattr(exporting, "WRITTEN_AT_ONCE", 0)
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=lambda pk: None)
        render, path = export_contents.render, exporting.export_path(export)
        deletions = {
            "export": lambda: exporting.delete_export(export, actor=None, now=NOW),
            "analysis": lambda: saved.delete_analysis(analysis, actor=None, now=NOW, enqueue=pytest.fail),
        }

        def cut(*args):
            for number, block in enumerate(render(*args)):
                yield block
                if number == 1:
                    deletions[what]()

        monkeypatch.setattr(export_contents, "render", cut)
        with pytest.raises(ExportGone):
            write_export(export.pk)

        assert not list(path.parent.iterdir())

    def test_deleting_removes_the_file(self, analysis) -> None:
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=pytest.fail)
        path = exporting.export_path(export)

        exporting.delete_export(export, actor=None, now=NOW)

        assert not path.exists()
        assert AuditRecord.objects.filter(action="export.deleted").exists()

    def test_a_failure_is_kept_on_the_row_and_audited(self, analysis, monkeypatch) -> None:
        def refuse(*args, **kwargs):
            raise OSError("disk full")

        monkeypatch.setattr(exporting, "WRITTEN_AT_ONCE", 0)

        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=lambda pk: None)
        monkeypatch.setattr(exporting, "export_analysis_results", refuse)
        with pytest.raises(OSError, match="disk full"):
            write_export(export.pk)

        export.refresh_from_db()
        assert export.status == ExportStatus.FAILED
        assert not AuditRecord.objects.get(action="export.failed").was_successful
        assert not list(exporting.export_path(export).parent.iterdir())

    def test_two_workers_write_it_once(self, analysis, monkeypatch) -> None:
        monkeypatch.setattr(exporting, "WRITTEN_AT_ONCE", 0)
        export = request_export(analysis, "csv", actor=None, now=NOW, enqueue=lambda pk: None)
        write_export(export.pk)

        write_export(export.pk)

        assert AuditRecord.objects.filter(action="export.completed").count() == 1
