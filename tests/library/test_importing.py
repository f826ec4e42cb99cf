"""Importing: the numbers add up, the same key is the same row, and a damaged source changes nothing."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from library import applying, importing
from library.importing import ImportRefused
from library.models import ITunesTrack, LibraryChange, LibraryImport, Playlist, Track
from library.reconciliation import report_lines
from library.upserting import LIBRARY, RowWriter
from tests.factories import TrackFactory
from tests.library.sources import (
    NOW,
    entry,
    itunes_xml,
    library,
    places,
    playlist,
    run_import,
    write,
    write_wav,
)

pytestmark = pytest.mark.django_db


def numbers(row: LibraryImport) -> tuple[int, int, int, int, int]:
    return row.seen_count, row.added_count, row.changed_count, row.unchanged_count, row.skipped_count


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


class TestReconciliation:
    def test_what_is_seen_is_added_changed_unchanged_or_skipped(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        row = library(tmp_path, entry(1), entry(2, Name="Renamed"), entry(3), entry(4, Podcast=True))

        assert numbers(row) == (4, 1, 1, 1, 1)
        assert row.status == "completed"

    def test_the_report_says_why_entries_were_left_out_with_examples(self, tmp_path: Path) -> None:
        row = library(tmp_path, *(entry(number, Podcast=True) for number in range(1, 9)))
        skipped = LibraryImport.objects.get(pk=row.pk).report["skipped"]["PODCAST"]

        assert (skipped["count"], len(skipped["examples"])) == (8, 5)
        assert skipped["examples"][0]["name"] == "Song 1"

    def test_values_kept_as_text_are_counted(self, tmp_path: Path) -> None:
        row = run_import(write(tmp_path / "a.csv", "title,length\na,unk.\nb,null\nc,100\n"))

        assert row.report["unparsed"] == {
            "duration_ms": {"count": 2, "examples": ["unk.", "null"], "first": {"line": 2}}
        }
        assert Track.objects.get(title="a").unparsed == {"duration_ms": "unk."}

    def test_numbers_out_of_range_are_left_out_and_said(self, tmp_path: Path) -> None:
        row = library(
            tmp_path, entry(1, Play_Count=2**40, Skip_Count=-1), entry(2, Rating=250), entry(3, Date_Added="soon")
        )
        left_out = row.report["left_out"]

        assert {name: facts["examples"] for name, facts in left_out.items()} == {
            "play_count": [str(2**40)],
            "skip_count": ["-1"],
            "rating": ["250"],
            "added_at": ["soon"],
        }
        assert left_out["play_count"]["count"] == 1
        assert f"(first in line {left_out['play_count']['first']['line']})" in "\n".join(report_lines(row))
        assert not Track.objects.exclude(unparsed={}).exists()

    def test_those_of_a_csv_are_kept_as_text_and_said(self, tmp_path: Path) -> None:
        row = run_import(write(tmp_path / "a.csv", "title,plays,rating\na,3,80\nb,99999999999,250\n"))

        assert [line.strip() for line in report_lines(row) if "kept as text" in line] == [
            "1 with play_count kept as text: “99999999999” (first in line 3)",
            "1 with rating kept as text: “250” (first in line 3)",
        ]

    def test_one_is_not_many(self, tmp_path: Path) -> None:
        run_import(write(tmp_path / "a.csv", "k,title\n1,a\n2,\n"), id_column="k")
        row = run_import(write(tmp_path / "a.csv", "k,title\n3,c,surplus\n"), id_column="k")
        text = "\n".join(report_lines(row))

        assert "1 entry seen" in text
        assert "a by unknown artist" in text
        assert "1 row has more cells than the header" in text

    @pytest.mark.parametrize("rows", [1, 2_000], ids=["early", "late"])
    def test_a_stray_nul_is_left_out_and_said(self, tmp_path: Path, rows: int) -> None:
        row = run_import(write(tmp_path / "a.csv", "title\n" + "song\n" * rows + "a\0b\n"))

        assert [(note["message"], note["line"]) for note in row.report["warnings"]] == [
            ("1 NUL byte was left out.", rows + 2)
        ]
        assert Track.objects.filter(title="ab").exists()

    def test_an_id_that_comes_twice_in_a_file_is_one_track(self, tmp_path: Path) -> None:
        row = run_import(write(tmp_path / "a.csv", "k,title\n1,a\n2,b\n1,c\n"), id_column="k")

        assert numbers(row) == (3, 2, 0, 0, 1)
        assert row.report["skipped"]["REPEATED_ID"]["examples"] == [{"entry": 3, "line": 4, "name": "c", "detail": "1"}]

    def test_a_library_without_songs_is_imported(self, tmp_path: Path) -> None:
        assert numbers(library(tmp_path)) == (0, 0, 0, 0, 0)


class TestSources:
    def test_an_itunes_library_goes_by_its_id(self, tmp_path: Path) -> None:
        assert library(tmp_path, entry(1)).source == "0123456789ABCDEF"

    def test_a_csv_goes_by_its_name_packed_or_not(self, tmp_path: Path) -> None:
        assert run_import(write(tmp_path / "songs.csv.gz", "title\na\n")).source == "songs.csv"

    def test_two_csvs_never_overwrite_each_other(self, tmp_path: Path) -> None:
        for name in ("one.csv", "two.csv"):
            run_import(write(tmp_path / name, "k,title\n1,a\n"), id_column="k")

        assert Track.objects.count() == 2

    def test_one_of_the_same_name_from_another_folder_updates_it_and_is_told(self, tmp_path: Path, music: Path) -> None:
        codes = []
        for folder in (tmp_path, tmp_path, music):
            row = run_import(write(folder / "one.csv", "k,title\n1,a\n"), id_column="k")
            codes.append([warning["code"] for warning in row.report["warnings"]])

        assert (codes, row.unchanged_count) == ([[], [], ["SAME_NAME"]], 1)

    @pytest.mark.parametrize(
        ("first", "second", "id_column"),
        [
            pytest.param("k,title\n1,a\n2,b\n", "k,title\n1,x\n2,y\n", "k", id="rows numbered from 1"),
            pytest.param("k,title\n1,a\n2,b\n", "k,title\n8,x\n9,y\n", "k", id="other ids"),
            pytest.param("title\na\nb\n", "title\nx\ny\n", "", id="no ids"),
        ],
    )
    def test_another_library_of_the_same_name_is_refused_with_both_ways_out(
        self, tmp_path: Path, music: Path, first: str, second: str, id_column: str
    ) -> None:
        # The second of two exports called songs.csv took the rows of the first, and --prune removed the rest.
        run_import(write(tmp_path / "songs.csv", first), id_column=id_column)
        other = write(music / "songs.csv", second)

        with pytest.raises(ImportRefused, match=r"--source NAME; --source “songs\.csv” updates that one") as caught:
            run_import(other, id_column=id_column, prune=True)

        assert (caught.value.code, sorted(Track.objects.values_list("title", flat=True))) == ("SAME_NAME", ["a", "b"])
        assert numbers(run_import(other, id_column=id_column, source="Other")) == (2, 2, 0, 0, 0)
        assert numbers(run_import(other, id_column=id_column, source="songs.csv"))[0] == 2

    def test_a_given_name_makes_two_exports_one_library(self, tmp_path: Path) -> None:
        for name in ("one.csv", "two.csv"):
            row = run_import(write(tmp_path / name, "k,title\n1,a\n"), id_column="k", source="Ines")

        assert (row.source, row.unchanged_count) == ("Ines", 1)

    def test_a_name_no_database_keeps_is_mended(self, tmp_path: Path) -> None:
        row = run_import(write(tmp_path / "a.csv", "title\na\n"), source="a\0\ud800b")

        assert row.source == "a\ufffdb"

    def test_a_name_too_long_for_its_column_is_fitted(self, tmp_path: Path) -> None:
        assert len(run_import(write(tmp_path / "a.csv", "title\na\n"), source="x" * 300).source) == 100


class TestUpdates:
    def test_the_persistent_id_finds_its_row_though_every_track_id_changed(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1))
        library(tmp_path, entry(1, Track_ID=9_000, Play_Count=7))

        assert Track.objects.get().play_count == 7

    def test_an_unchanged_row_is_not_touched(self, tmp_path: Path) -> None:
        first = library(tmp_path, entry(1, Date_Added=NOW, Release_Date=NOW, Explicit=True))
        revision = LibraryChange.objects.count()
        second = library(tmp_path, entry(1, Date_Added=NOW, Release_Date=NOW, Explicit=True))

        assert second.unchanged_count == 1
        assert Track.objects.get().last_import_id == first.pk
        assert LibraryChange.objects.count() == revision

    def test_only_changed_columns_are_written(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        row = library(tmp_path, entry(1, Play_Count=1), entry(2, Play_Count=2, Name="Renamed"))

        assert row.report["changed_fields"] == {"play_count": 2, "title": 1}

    def test_a_play_is_no_change_of_the_library_and_a_new_title_is(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        row = library(tmp_path, entry(1, Play_Count=1), entry(2, Name="Renamed"))

        changes = LibraryChange.objects.filter(cause=f"import:{row.pk}")
        assert list(changes.values_list("kind", "before__title")) == [("modified", "Song 2")]

    def test_fields_the_source_does_not_speak_of_are_left_alone(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "k,title\n1,a\n")
        run_import(path, id_column="k")
        Track.objects.update(play_count=9, album="Low Water")
        row = run_import(path, id_column="k")

        assert row.unchanged_count == 1
        assert Track.objects.get().play_count == 9

    def test_rows_without_ids_are_found_by_content_and_occurrence(self, tmp_path: Path) -> None:
        run_import(write(tmp_path / "a.csv", "title\na\nb\na\n"))
        row = run_import(write(tmp_path / "a.csv", "title\nb\na\na\na\n"))

        assert numbers(row) == (4, 1, 0, 3, 0)

    def test_a_track_in_quarantine_is_updated_and_stays_there(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1))
        Track.objects.update(quarantined_at=timezone.now())
        row = library(tmp_path, entry(1, Name="Renamed"))

        assert row.changed_count == 1
        assert Track.objects.quarantined().get().title == "Renamed"


class TestVanished:
    def test_what_vanished_is_reported_and_kept(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        row = library(tmp_path, entry(1))

        assert (row.vanished_count, row.pruned_count, Track.objects.count()) == (1, 0, 2)
        assert row.report["vanished"] == ["Song 2 by The Quiet Tide"]

    def test_prune_removes_it(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        row = library(tmp_path, entry(1), prune=True)

        assert (row.vanished_count, row.pruned_count) == (1, 1)
        assert LibraryChange.objects.filter(kind="deleted", cause=f"import:{row.pk}").count() == 1

    def test_prune_leaves_other_sources_and_the_quarantine_alone(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        Track.objects.filter(title="Song 2").update(quarantined_at=timezone.now())
        TrackFactory(source="another")
        row = library(tmp_path, entry(1), prune=True)

        assert (row.vanished_count, Track.objects.count()) == (0, 3)

    def test_prune_leaves_what_was_removed_since_it_looked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        library(tmp_path, entry(1), entry(2))

        def remove_meanwhile(*args: Any, **kwargs: Any) -> dict[int, str]:
            Track.objects.filter(title="Song 2").update(quarantined_at=timezone.now())
            return {}

        monkeypatch.setattr(applying, "last_copies", remove_meanwhile)
        row = library(tmp_path, entry(1), prune=True)

        assert (row.pruned_count, Track.objects.quarantined().count()) == (0, 1)

    @pytest.mark.parametrize("catalog", [False, True], ids=["library", "catalogue"])
    def test_prune_leaves_what_another_import_of_the_source_added_meanwhile(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: bool
    ) -> None:
        """The older file was read, the newer one applied; then everything new was removed as vanished."""
        library(tmp_path, entry(1), entry(2), playlists=[playlist("Mix", [101])], catalog=catalog)
        settle = importing._Import._settle

        def another_first(*args: Any, **kwargs: Any) -> None:
            monkeypatch.setattr(importing._Import, "_settle", settle)
            lists = [playlist("Mix", [101]), playlist("New", [103])]
            library(tmp_path, entry(1), entry(2), entry(3), playlists=lists, catalog=catalog)
            settle(*args, **kwargs)

        monkeypatch.setattr(importing._Import, "_settle", another_first)
        row = library(tmp_path, entry(1), playlists=[playlist("Mix", [101])], catalog=catalog, prune=True)

        left = (ITunesTrack if catalog else Track).objects.order_by("title").values_list("title", flat=True)
        assert (row.vanished_count, row.pruned_count, list(left)) == (1, 1, ["Song 1", "Song 3"])
        assert Playlist.objects.count() == (0 if catalog else 2)

    def test_an_empty_folder_prunes_nothing(self, music: Path) -> None:
        # A disk that is not mounted looks like a library somebody cleared.
        song = write_wav(music / "song.wav")
        run_import(music)
        song.unlink()
        row = run_import(music, prune=True)

        assert (row.vanished_count, row.pruned_count, Track.objects.count()) == (1, 0, 1)
        assert row.report["warnings"][0]["code"] == "NOT_PRUNED"

    def test_a_song_that_cannot_be_read_today_did_not_vanish(self, music: Path) -> None:
        for name in ("a.wav", "b.wav"):
            write_wav(music / name)
        run_import(music)
        (music / "b.wav").write_bytes(b"")
        row = run_import(music, prune=True)

        assert (row.skipped_count, row.vanished_count, Track.objects.count()) == (1, 0, 2)

    def test_a_damaged_file_kept_in_part_prunes_nothing(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        xml = itunes_xml([entry(1), entry(2)])
        path = write(tmp_path / "Library.xml", xml[: xml.index("Song 2")])
        row = run_import(path, keep_partial=True, prune=True, source="0123456789ABCDEF")

        assert (row.vanished_count, Track.objects.count()) == (0, 2)


class TestCatalogue:
    def test_it_fills_the_reference_and_not_the_library(self, tmp_path: Path) -> None:
        row = library(tmp_path, entry(1, Rating=80), playlists=[playlist("Mix", [101])], catalog=True)

        assert (row.added_count, Track.objects.count(), Playlist.objects.count()) == (1, 0, 0)
        song = ITunesTrack.objects.get()
        assert (song.catalog, song.persistent_id, song.rating) == ("0123456789ABCDEF", f"{1:016X}", 80)

    def test_it_is_updated_in_place(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), catalog=True)
        row = library(tmp_path, entry(1, Name="Renamed"), catalog=True)

        assert (row.changed_count, ITunesTrack.objects.get().title) == (1, "Renamed")

    def test_entries_without_a_persistent_id_fit_too(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1, Persistent_ID=None), catalog=True)

        assert len(ITunesTrack.objects.get().persistent_id) == 16

    def test_only_an_itunes_library_can_be_the_catalogue(self, tmp_path: Path) -> None:
        with pytest.raises(ImportRefused, match="Only an iTunes library"):
            run_import(write(tmp_path / "a.csv", "title\na\n"), catalog=True)


class TestDryRun:
    def test_it_says_what_would_happen_and_writes_nothing(self, tmp_path: Path, work_dir: Path) -> None:
        library(tmp_path, entry(1), entry(2), entry(3), playlists=[playlist("Mix", [101])])
        changed = [entry(1), entry(2, Name="Renamed"), entry(4)]
        before = LibraryChange.objects.count()
        row = library(tmp_path, *changed, playlists=[playlist("Mix", [102])], dry_run=True, prune=True)

        assert numbers(row) == (3, 1, 1, 1, 0)
        assert (row.vanished_count, row.report["playlists"]) == (1, {"changed": 1})
        assert LibraryChange.objects.count() == before
        assert places("Mix") == ["Song 1"]
        assert not list((work_dir / "imports").iterdir())

    def test_it_leaves_its_report_marked_as_what_it_is(self, tmp_path: Path) -> None:
        row = library(tmp_path, entry(1), entry(2, Podcast=True), dry_run=True)
        kept = LibraryImport.objects.get()

        assert (kept.pk, kept.is_dry_run, kept.status, str(kept)) == (
            row.pk,
            True,
            "completed",
            "Library.xml (Dry run: completed)",
        )
        assert (numbers(kept), kept.report) == ((2, 1, 0, 0, 1), row.report)

    def test_a_refused_one_leaves_its_sentence(self, tmp_path: Path) -> None:
        with pytest.raises(ImportRefused):
            run_import(write(tmp_path / "a.xml", "<html/>"), dry_run=True)
        row = LibraryImport.objects.get()

        assert (row.is_dry_run, row.status, "<html>" in row.error_message) == (True, "failed", True)

    def test_it_walks_the_very_same_plan(self, tmp_path: Path) -> None:
        library(tmp_path, entry(1), entry(2))
        changed = [entry(2, Year=1998), entry(3), entry(4, Movie=True)]
        planned = library(tmp_path, *changed, dry_run=True)
        done = library(tmp_path, *changed)

        assert (numbers(planned), planned.report) == (numbers(done), done.report)


def test_the_work_folder_is_made_on_first_use_and_private(tmp_path: Path, settings: LazySettings) -> None:
    settings.WORK_DIR = tmp_path / "deep" / "work"
    run_import(write(tmp_path / "a.csv", "title\na\n"))

    assert settings.WORK_DIR.stat().st_mode & 0o777 == 0o700


def test_a_library_larger_than_a_batch_is_applied_in_several(tmp_path: Path) -> None:
    rows = "".join(f"{number},Song {number}\n" for number in range(2_500))
    row = run_import(write(tmp_path / "a.csv", f"k,title\n{rows}"), id_column="k")

    assert (row.added_count, row.applied_entries, Track.objects.count()) == (2_500, 2_500, 2_500)
    assert row.completed_at is not None
    assert row.completed_at - row.started_at < timedelta(seconds=1)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL plans by statistics")
def test_known_rows_are_looked_up_key_by_key_before_there_are_statistics(tmp_path: Path) -> None:
    # The planner of an IN over the keys read all rows of the source for every batch.
    TrackFactory.create_batch(10, source="a")
    writer = RowWriter(LIBRARY, source="a", fields=["title"], import_id=None)
    with CaptureQueriesContext(connection) as asked:
        writer.apply([[str(number), "Song"] for number in range(500)], writes=False)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {asked[0]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Scan using track_source_identity" in plan
    assert "source_track_id)::text = k.key" in plan
