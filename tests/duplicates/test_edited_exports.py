"""The CSV export, edited by people and taken back: whatever was decided otherwise meanwhile stays."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.utils import timezone

from duplicates.choices import Resolution
from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord, DuplicateAnalysisGroup, DuplicateAnalysisResult, NotDuplicate
from duplicates.request_deadline import DeadlinePassed
from duplicates.services import edited_exports, reviewing
from duplicates.services.edited_exports import EditedImport, import_edited_export, is_edited_export
from duplicates.services.exporting import export_analysis_results
from tests.duplicates.copies import analysis_with_weights, copy, everything, group_of
from tests.duplicates.factories import UserFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()
Row = dict[str, str]


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    """Three groups of three copies."""
    analysis = analysis_with_weights()
    for number in range(3):
        group_of(*(copy(title=f"Song {number}", play_count=plays) for plays in (9, 5, 1)), analysis=analysis)
    return analysis


def exported(analysis: DuplicateAnalysisResult) -> list[Row]:
    text = b"".join(export_analysis_results(analysis, "csv", now=NOW)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def as_text(rows: list[Row]) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def taken(analysis: DuplicateAnalysisResult, rows: list[Row], **options: Any) -> EditedImport:
    return import_edited_export(analysis, as_text(rows), actor=None, now=NOW, **options)


def groups_of(analysis: DuplicateAnalysisResult) -> list[DuplicateAnalysisGroup]:
    return list(analysis.groups.order_by("position"))


def codes(report: EditedImport) -> list[str]:
    return [one.code for one in report.conflicts]


class TestTakenBack:
    def test_an_export_that_nobody_edited_changes_nothing(self, analysis: DuplicateAnalysisResult) -> None:
        before = everything()

        report = taken(analysis, exported(analysis))

        assert (report.rows, report.groups, report.unchanged, report.conflicts) == (9, 3, 3, [])
        assert everything() == before

    def test_another_keeper_a_decision_and_a_member_taken_out(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        rows[0]["is_canonical"], rows[1]["is_canonical"] = "false", "TRUE"
        rows[3]["resolution"] = "kept_canonical"
        rows[8]["not_duplicate"] = "yes"

        report = taken(analysis, rows)

        first, second, third = groups_of(analysis)
        assert (report.keepers, report.resolutions, report.not_duplicates, report.conflicts) == (1, 1, 1, [])
        assert first.keeper_track_id == int(rows[1]["track_id"])
        assert (second.is_resolved, second.resolution) == (True, Resolution.KEPT_CANONICAL)
        assert not third.is_resolved
        assert NotDuplicate.objects.in_force().count() == 2
        assert AuditRecord.objects.filter(action="decisions.imported").get().counts["keepers"] == 1

    def test_it_can_be_sent_twice(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        rows[1]["is_canonical"] = "yes"
        rows[3]["resolution"] = "manual_review"
        rows[8]["not_duplicate"] = "x"
        taken(analysis, rows)
        before = everything()

        report = taken(analysis, rows)

        assert (report.unchanged, report.conflicts) == (3, [])
        assert everything() == before

    def test_rows_may_be_sorted_otherwise_and_left_out(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        rows[4]["is_canonical"] = "true"

        report = taken(analysis, [rows[8], rows[4]])

        assert (report.keepers, report.conflicts) == (1, [])
        assert groups_of(analysis)[1].keeper_track_id == int(rows[4]["track_id"])

    def test_a_decision_is_taken_back(self, analysis: DuplicateAnalysisResult) -> None:
        reviewing.decide(group=groups_of(analysis)[0], resolution=Resolution.KEPT_CANONICAL, actor=None, now=NOW)
        rows = exported(analysis)
        for row in rows[:3]:
            row["resolution"] = ""

        assert taken(analysis, rows).resolutions == 1
        assert not groups_of(analysis)[0].is_resolved

    def test_all_members_taken_out_are_no_group(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        for row in rows[:3]:
            row["not_duplicate"] = "yes"

        assert taken(analysis, rows).conflicts == []
        assert groups_of(analysis)[0].resolution == Resolution.NOT_DUPLICATES

    def test_a_dry_run_says_the_same_and_changes_nothing(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        rows[1]["is_canonical"], rows[3]["resolution"], rows[8]["not_duplicate"] = "true", "kept_canonical", "yes"
        rows[6]["resolution"] = "deleted"
        before, records = everything(), AuditRecord.objects.count()

        tried = taken(analysis, rows, dry_run=True)

        assert (everything(), AuditRecord.objects.count(), NotDuplicate.objects.count()) == (before, records, 0)
        assert tried == taken(analysis, rows)


class TestConflicts:
    def test_nobody_is_overwritten(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        rows[0]["resolution"] = "kept_canonical"
        bert = UserFactory(username="bert")
        reviewing.decide(group=groups_of(analysis)[0], resolution=Resolution.NOT_DUPLICATES, actor=bert, now=NOW)

        report = taken(analysis, rows)

        assert [(one.line, one.code) for one in report.conflicts] == [(2, "GROUP_RESOLVED")]
        assert "bert has decided" in report.conflicts[0].message
        assert groups_of(analysis)[0].resolution == Resolution.NOT_DUPLICATES

    def test_of_two_edited_files_the_second_is_refused(self, analysis: DuplicateAnalysisResult) -> None:
        mine, theirs = exported(analysis), exported(analysis)
        mine[1]["is_canonical"] = theirs[2]["is_canonical"] = "true"
        taken(analysis, mine)

        assert codes(taken(analysis, theirs)) == ["KEEPER_CHANGED"]
        assert groups_of(analysis)[0].keeper_track_id == int(mine[1]["track_id"])

    @pytest.mark.parametrize(
        ("edit", "code"),
        [
            pytest.param({1: {"is_canonical": "true"}, 2: {"is_canonical": "true"}}, "TWO_KEEPERS", id="two keepers"),
            pytest.param({0: {"is_canonical": "false"}}, "NO_KEEPER", id="no keeper"),
            pytest.param({0: {"resolution": "kept_canonical"}, 1: {"resolution": "manual_review"}}, "TWO_DECISIONS",
                         id="two decisions"),
            pytest.param({0: {"resolution": "deleted"}}, "NEEDS_A_PLAN", id="removal"),
            pytest.param({0: {"resolution": "thrown away"}}, "UNREADABLE", id="unknown decision"),
            pytest.param({0: {"not_duplicate": "perhaps"}}, "UNREADABLE", id="neither yes nor no"),
            pytest.param({0: {"track_id": "seven"}}, "UNREADABLE", id="no number"),
            pytest.param({0: {"group_version": "abc"}}, "TWO_VERSIONS", id="two exports"),
            pytest.param({0: {"analysis_id": "1"}}, "OTHER_ANALYSIS", id="another analysis"),
            pytest.param({n: {"group": "99", "resolution": "manual_review"} for n in range(3)}, "NO_SUCH_GROUP",
                         id="group"),
            pytest.param({0: {"group_version": "", "resolution": "manual_review"}}, "TWO_VERSIONS", id="version lost"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_done_is_named_and_the_rest_goes_on(
        self, analysis: DuplicateAnalysisResult, edit: dict[int, Row], code: str
    ) -> None:
        rows = exported(analysis)
        for number, values in edit.items():
            rows[number] |= values
        rows[3]["resolution"] = "kept_canonical"

        report = taken(analysis, rows)

        assert code in codes(report)
        assert report.resolutions == 1
        assert not groups_of(analysis)[0].is_resolved

    def test_without_versions_nothing_is_taken(self, analysis: DuplicateAnalysisResult) -> None:
        rows = exported(analysis)
        for row in rows:
            row["group_version"], row["resolution"] = "", "manual_review"

        assert codes(taken(analysis, rows)) == ["UNREADABLE"] * 3

    def test_a_text_that_is_no_export_is_refused(self, analysis: DuplicateAnalysisResult) -> None:
        with pytest.raises(InvalidOptions, match="group_version"):
            import_edited_export(analysis, "title,artist\na,b\n", actor=None, now=NOW)


def test_an_unedited_file_costs_the_same_for_one_group_or_many(
    analysis: DuplicateAnalysisResult, django_assert_num_queries: Any
) -> None:
    rows = exported(analysis)

    for part in (rows[:3], rows):
        with django_assert_num_queries(2):
            taken(analysis, part)


class TestDoors:
    @pytest.fixture
    def edited(self, analysis: DuplicateAnalysisResult) -> str:
        rows = exported(analysis)
        rows[1]["is_canonical"], rows[3]["resolution"] = "true", "deleted"
        return as_text(rows)

    def test_the_command_reads_it_as_it_reads_pairs(
        self, edited: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], analysis: DuplicateAnalysisResult
    ) -> None:
        file = tmp_path / "edited.csv"
        file.write_text(edited, newline="")

        call_command("import_decisions", str(file), "--dry-run")
        call_command("import_decisions", str(file))

        told = capsys.readouterr().out
        assert told.count("3 groups: 1 keepers, 0 decisions and 0 members taken out") == 2
        assert "line 5: NEEDS_A_PLAN" in told

    def test_the_admin_reads_it_as_it_reads_pairs(
        self, edited: str, admin_client: Any, analysis: DuplicateAnalysisResult
    ) -> None:
        page = admin_client.post(
            "/admin/duplicates/notduplicate/import/", {"file": SimpleUploadedFile("e.csv", edited.encode())}
        ).content.decode()

        assert "1 keepers" in page
        assert "NEEDS_A_PLAN" in page

    def test_one_that_is_stopped_keeps_what_it_decided_and_tells(
        self, edited: str, admin_client: Any, analysis: DuplicateAnalysisResult, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A deadline at the last group left decisions behind that no record told of and an answer denied."""
        take = edited_exports._take

        def too_late(group: Any, wish: Any, report: EditedImport, **options: Any) -> None:
            if report.keepers:
                raise DeadlinePassed
            take(group, wish, report, **options)

        monkeypatch.setattr(edited_exports, "_take", too_late)
        answer = admin_client.post(f"/api/v1/analyses/{analysis.pk}/decisions/", edited, content_type="text/csv")

        told = AuditRecord.objects.get(action="decisions.imported")
        assert (answer.status_code, answer.json()["partial_results_available"]) == (503, True)
        assert (told.was_successful, told.counts["keepers"]) == (False, 1)
        assert "DeadlinePassed" in told.message

    def test_programs_send_it_to_the_api(
        self, edited: str, admin_client: Any, analysis: DuplicateAnalysisResult
    ) -> None:
        url = f"/api/v1/analyses/{analysis.pk}/decisions/"

        tried, done = (
            admin_client.post(url + query, edited, content_type="text/csv").json() for query in ("?dry_run=true", "")
        )

        assert tried == done
        assert (done["keepers"], [one["code"] for one in done["conflicts"]]) == (1, ["NEEDS_A_PLAN"])
        assert admin_client.post(url, b"\xff", content_type="text/csv").json()["code"] == "MALFORMED_REQUEST"


def test_a_text_with_a_cell_longer_than_any_csv_has_is_no_edited_export() -> None:
    assert not is_edited_export("a" * 200_000)
