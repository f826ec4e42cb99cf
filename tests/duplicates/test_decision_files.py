"""Decisions as CSV: what is written comes back exactly, and what contradicts it is named and left out."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord, NotDuplicate
from duplicates.services.csv_cells import as_cell, from_cell
from duplicates.services.decision_files import DecisionImport, export_decisions, import_decisions
from duplicates.services.decision_review import look_at_decisions
from duplicates.services.different import take_back
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.test_decision_memory import declare
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
HEAD = "left_source,left_source_track_id,right_source,right_source_track_id,decided_at\n"


def written() -> str:
    return "".join(export_decisions())


def read(text: str, *, dry_run: bool = False) -> DecisionImport:
    return import_decisions(text, actor=None, now=LATER, dry_run=dry_run)


def codes(report: DecisionImport) -> list[str]:
    return [problem.code for problem in (*report.conflicts, *report.unreadable)]


def contents() -> list[dict[str, object]]:
    return list(
        NotDuplicate.objects.order_by("left_key").values(
            "left_key", "right_key", "left_evidence", "right_evidence", "created_at", "note", "user_name"
        )
    )


class TestThereAndBack:
    @pytest.mark.parametrize("title", ["Harbour Lights", "=1+1", "'=1", "''-x", 'a,"b"\nc', "見本", "-"])
    def test_a_decision_comes_back_as_it_was(self, title: str) -> None:
        declare(copy(title=title, isrc="GBAYE0601498", explicit=True), copy(duration_ms=None))
        before, text = contents(), written()
        NotDuplicate.objects.all().delete()

        report = read(text)

        assert (report.rows, report.added, codes(report)) == (1, 1, [])
        assert contents() == before
        assert written() == text

    def test_what_is_there_already_is_known(self) -> None:
        declare(copy(), copy())

        report = read(written() + written().split("\r\n")[1] + "\r\n")

        assert (report.rows, report.known, report.added) == (2, 2, 0)

    def test_it_waits_for_tracks_that_are_not_here_yet(self) -> None:
        left, right = copy(), copy()
        keys = [left.source_track_id, right.source_track_id]
        declare(left, right)
        text = written()
        NotDuplicate.objects.all().delete()
        Track.objects.all().delete()

        assert read(text).waiting == 1

        again = [copy(source_track_id=key) for key in keys]
        assert look_at_decisions().pairs == [(again[0].pk, again[1].pk)]

    def test_ended_decisions_are_not_written(self) -> None:
        take_back([declare(copy(), copy())], actor=None, now=NOW)

        assert written().count("\r\n") == 1

    def test_a_dry_run_adds_nothing(self) -> None:
        declare(copy(), copy())
        text = written()
        NotDuplicate.objects.all().delete()

        assert read(text, dry_run=True).added == 1

        assert not NotDuplicate.objects.exists()
        assert not AuditRecord.objects.filter(action="pairs.imported").exists()

    def test_four_columns_are_enough(self) -> None:
        copy(source_track_id="a"), copy(source_track_id="b")

        report = read(HEAD + "test,a,test,b,\n")

        assert (report.added, report.waiting) == (1, 0)
        assert NotDuplicate.objects.get().left_evidence["title"] == "Harbour Lights"


class TestConflicts:
    def test_with_a_decision_that_was_taken_back_here_later(self) -> None:
        decision = declare(copy(), copy())
        text = written()
        take_back([decision], actor=None, now=NOW + timedelta(hours=1))

        report = read(text)

        assert codes(report) == ["DECIDED_LATER"]
        assert "taken back" in report.conflicts[0].message
        assert not NotDuplicate.objects.in_force().exists()

    def test_with_a_removal(self) -> None:
        kept, gone = copy(), copy()
        declare(kept, gone)
        text = written()
        NotDuplicate.objects.all().delete()
        remove(group_of(kept, gone), gone)

        assert codes(read(text)) == ["REMOVED_AS_DUPLICATE"]

    def test_with_what_the_track_says_today(self) -> None:
        left, right = copy(), copy()
        declare(left, right)
        text = written()
        NotDuplicate.objects.all().delete()
        Track.objects.filter(pk=left.pk).update(title="Low Tide")

        report = read(text)

        assert codes(report) == ["OTHER_EVIDENCE"]
        assert "is “Low Tide”" in report.conflicts[0].message

    def test_leave_the_other_rows_alone(self) -> None:
        copy(source_track_id="a"), copy(source_track_id="b")

        report = read(HEAD + "test,a,test,a,\n" + "test,a,test,b,\n")

        assert (report.added, codes(report), report.conflicts[0].line) == (1, ["SAME_TRACK"], 2)


class TestUnreadable:
    @pytest.mark.parametrize(
        ("row", "says"),
        [
            pytest.param("test,,test,b,", "left_source_track_id is blank", id="no id"),
            pytest.param("test,a,test,b,yesterday", "decided_at is 'yesterday'", id="a date that is none"),
            pytest.param("test,a,test,b,2026-02-30T00:00:00Z", "decided_at is", id="a day that is none"),
            pytest.param("test,a,test,b,0001-01-01T00:00:00+14:00", "decided_at is", id="before time began"),
            pytest.param("test,a,test,b,9999-12-31T23:59:59-14:00", "decided_at is", id="after time ended"),
            pytest.param("test,a,test,b,,No\0te", "note cannot be stored", id="a note with NUL"),
            pytest.param("test,a,test,b,,,An\0na", "decided_by cannot be stored", id="a name with NUL"),
            pytest.param(f"{'x' * 101},a,test,b,", "left_source cannot be stored", id="too long"),
        ],
    )
    def test_rows_are_named_with_their_line(self, row: str, says: str) -> None:
        report = read(f"{HEAD.strip()},note,decided_by\n{row}\n")

        assert codes(report) == ["UNREADABLE"]
        assert says in report.unreadable[0].message
        assert report.unreadable[0].line == 2

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            pytest.param("", "no column left_source", id="empty"),
            pytest.param("title,artist\na,b\n", "no column left_source", id="another file"),
            pytest.param(HEAD + '"test,a\n', "is no CSV", id="an open quote"),
        ],
    )
    def test_files_are_refused_as_a_whole(self, text: str, says: str) -> None:
        with pytest.raises(InvalidOptions, match=says):
            read(text)


class TestTheCommands:
    def test_there_and_back(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        declare(copy(), copy())
        call_command("export_decisions", "--output", str(tmp_path / "decisions.csv"))
        NotDuplicate.objects.all().delete()

        call_command("import_decisions", str(tmp_path / "decisions.csv"))

        assert "1 rows. Added 1, of which 0 wait for a track" in capsys.readouterr().out

    def test_conflicts_are_printed_with_their_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "decisions.csv").write_text(HEAD + "test,a,test,a,\n")

        call_command("import_decisions", str(tmp_path / "decisions.csv"))

        assert "line 2: SAME_TRACK Both sides are track a." in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("content", "says"), [(b"\xff\xfe", "is not UTF-8"), (b"a,b\n", "no column"), (None, "cannot be read")]
    )
    def test_a_file_of_no_use_is_refused(self, tmp_path: Path, content: bytes | None, says: str) -> None:
        path = tmp_path / "decisions.csv"
        if content is not None:
            path.write_bytes(content)

        with pytest.raises(CommandError, match=says):
            call_command("import_decisions", str(path))


@pytest.mark.parametrize("text", ["", "a", "=a", "'=a", "''=a", "'a", "''", "\t", "+1", "-", "@x"])
def test_a_cell_reads_back_as_it_was(text: str) -> None:
    assert from_cell(as_cell(text)) == text
    assert not as_cell(text).startswith(("=", "+", "-", "@", "\t"))
