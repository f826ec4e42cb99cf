"""Importing again after a removal: nothing comes back uncalled, nothing is lost, nothing is counted twice."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from duplicates.models import CleanupAction
from duplicates.services.purging import purge_removal
from duplicates.services.removal import remove_duplicates
from duplicates.services.undo import undo_action
from library import applying, quarantine
from library.models import LibraryImport, MergedPlace, Playlist, Track
from library.reconciliation import report_lines
from tests.duplicates.copies import group_of, places, playlist_of
from tests.duplicates.test_removal import NOW
from tests.library.sources import entry, itunes_xml, playlist, run_import, write

pytestmark = pytest.mark.django_db
KEEPER, COPY, OTHER = 1, 2, 3


def songs(**counts: Any) -> list[dict[str, Any]]:
    """Return two copies of a song and another song; `counts` overrides the plays of keeper and copy."""
    plays = {"keeper": 36, "copy": 14} | counts
    same = {"Name": "Harbour Lights"}
    return [
        entry(KEEPER, Play_Count=plays["keeper"], Album="", **same),
        entry(COPY, Play_Count=plays["copy"], Album="Low Water", **same),
        entry(OTHER),
    ]


def load(folder: Path, entries: list[dict[str, Any]], playlists: Sequence[dict[str, Any]] = ()) -> LibraryImport:
    return run_import(write(folder / "Library.xml", itunes_xml(entries, playlists)))


def track(number: int) -> Track:
    return Track.objects.get(source_track_id__endswith=f"{number:X}")


def remove_the_copy() -> CleanupAction:
    keeper, gone = track(KEEPER), track(COPY)
    return remove_duplicates(group=group_of(keeper, gone), keeper_id=keeper.pk, removing=[gone.pk], actor=None, now=NOW)


class TestPlays:
    def test_the_same_library_again_changes_nothing(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()

        row = load(tmp_path, songs())

        assert (row.unchanged_count, row.changed_count) == (3, 0)
        assert (track(KEEPER).play_count, track(KEEPER).album) == (50, "Low Water")
        assert track(COPY).quarantined_at == NOW

    def test_new_plays_of_the_keeper_are_added_to_what_it_took_over(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        action = remove_the_copy()

        load(tmp_path, songs(keeper=40))
        assert track(KEEPER).play_count == 54

        undo_action(action=action, actor=None, now=NOW)
        assert track(KEEPER).play_count == 40

    def test_new_plays_of_the_removed_copy_reach_the_keeper(self, tmp_path: Path) -> None:
        """Nobody deleted the file: somebody may still play it where it lies."""
        load(tmp_path, songs())
        action = remove_the_copy()

        load(tmp_path, songs(copy=17))
        assert track(KEEPER).play_count == 53

        undo_action(action=action, actor=None, now=NOW)
        assert (track(KEEPER).play_count, track(COPY).play_count) == (36, 17)

    def test_a_value_the_source_fills_is_the_keepers_own(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        action = remove_the_copy()
        entries = songs()
        entries[0]["Album"] = "High Water"

        load(tmp_path, entries)
        assert track(KEEPER).album == "High Water"

        undo_action(action=action, actor=None, now=NOW)
        assert track(KEEPER).album == "High Water"


class TestAPurgedCopy:
    def test_that_is_still_at_the_source_stays_in_quarantine(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()
        gone = track(COPY)
        quarantine.purge([gone.pk])

        row = load(tmp_path, songs(copy=15))

        assert (track(COPY).pk, track(COPY).quarantined_at) == (gone.pk, NOW)
        assert track(KEEPER).play_count == 51
        assert (row.added_count, row.unchanged_count, row.report["returned"]) == (1, 2, 1)
        assert any("1 of the added were removed as duplicates" in line for line in report_lines(row))

    def test_that_came_back_can_be_restored(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        action = remove_the_copy()
        quarantine.purge([track(COPY).pk])
        load(tmp_path, songs())

        undo_action(action=action, actor=None, now=NOW + timedelta(days=1))

        assert (track(KEEPER).play_count, track(COPY).play_count) == (36, 14)
        assert track(COPY).quarantined_at is None

    def test_is_no_news_to_a_dry_run(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()
        quarantine.purge([track(COPY).pk])

        path = write(tmp_path / "Library.xml", itunes_xml(songs()))
        row = run_import(path, dry_run=True)

        assert row.report["returned"] == 1
        assert Track.objects.count() == 2


class TestPruning:
    def prune(self, folder: Path, **options: Any) -> LibraryImport:
        """Import a library in which neither copy is any more."""
        return run_import(write(folder / "Library.xml", itunes_xml([entry(OTHER)])), prune=True, **options)

    def test_leaves_the_last_copy_and_names_it(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()

        row = self.prune(tmp_path)

        assert track(KEEPER).play_count == 50
        assert (row.vanished_count, row.pruned_count) == (1, 0)
        assert row.report["last_copies"] == ["Harbour Lights by The Quiet Tide"]
        assert any("--prune-last-copies removes them too" in line for line in report_lines(row))

    @pytest.mark.parametrize("dry_run", [False, True])
    @pytest.mark.parametrize("rows_a_batch", [1, 500])
    def test_leaves_one_of_a_group_that_would_lose_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_batch: int, dry_run: bool
    ) -> None:
        monkeypatch.setattr(applying, "BATCH_ROWS", rows_a_batch)
        load(tmp_path, songs())
        group_of(track(KEEPER), track(COPY))

        row = self.prune(tmp_path, dry_run=dry_run)

        assert (row.vanished_count, row.pruned_count, len(row.report["last_copies"])) == (2, 1, 1)
        assert Track.objects.filter(title="Harbour Lights").count() == (2 if dry_run else 1)

    def test_members_of_no_duplicates_are_no_copies_of_each_other(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        group_of(track(KEEPER), track(COPY), is_resolved=True, resolution="not_duplicates")

        assert self.prune(tmp_path).pruned_count == 2

    def test_says_so_in_a_dry_run(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()

        row = self.prune(tmp_path, dry_run=True)

        assert (row.pruned_count, len(row.report["last_copies"])) == (0, 1)

    def test_takes_it_when_that_is_confirmed(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()

        row = self.prune(tmp_path, prune_last_copies=True)

        assert row.pruned_count == 1
        assert not Track.objects.active().filter(title="Harbour Lights").exists()

    def test_takes_a_track_whose_copies_were_restored(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        undo_action(action=remove_the_copy(), actor=None, now=NOW)

        assert self.prune(tmp_path, prune_last_copies=True).pruned_count == 2


class TestAPrunedKeeper:
    def test_that_is_imported_again_has_what_it_had_taken_over(self, tmp_path: Path) -> None:
        load(tmp_path, songs(), [playlist("Mix", [100 + COPY, 100 + OTHER])])
        action = remove_the_copy()
        keeper = track(KEEPER)
        Track.objects.filter(pk=keeper.pk).delete()

        load(tmp_path, songs(keeper=40), [playlist("Mix", [100 + COPY, 100 + OTHER])])

        assert (track(KEEPER).pk, track(KEEPER).play_count, track(KEEPER).album) == (keeper.pk, 54, "Low Water")
        assert places(Playlist.objects.get()) == {0: keeper.pk, 1: track(OTHER).pk}
        undo_action(action=action, actor=None, now=NOW)
        assert (track(KEEPER).play_count, track(COPY).play_count) == (40, 14)

    def test_stands_in_again_in_playlists_of_other_sources(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        others = playlist_of(track(COPY), track(OTHER))
        remove_the_copy()
        Track.objects.filter(pk=track(KEEPER).pk).delete()

        load(tmp_path, songs())

        assert places(others) == {0: track(KEEPER).pk, 1: track(OTHER).pk}

    def test_lets_its_copies_be_purged_again(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        action = remove_the_copy()
        Track.objects.filter(pk=track(KEEPER).pk).delete()
        later = NOW + timedelta(days=31)
        assert purge_removal(action.pk, actor=None, now=later).held == 1

        load(tmp_path, songs())

        assert purge_removal(action.pk, actor=None, now=later).deleted == 1
        assert track(KEEPER).play_count == 50


class TestPlaylists:
    def test_the_same_playlist_again_changes_nothing(self, tmp_path: Path) -> None:
        mix = playlist("Mix", [100 + COPY, 100 + OTHER, 100 + KEEPER, 100 + OTHER])
        load(tmp_path, songs(), [mix])
        remove_the_copy()
        before = places(Playlist.objects.get())

        row = load(tmp_path, songs(), [mix])

        assert places(Playlist.objects.get()) == before
        assert row.report["playlists"] == {"unchanged": 1}

    def test_a_changed_playlist_keeps_the_keeper_in_the_place_of_the_copy(self, tmp_path: Path) -> None:
        load(tmp_path, songs(), [playlist("Mix", [100 + COPY, 100 + OTHER])])
        action = remove_the_copy()

        load(tmp_path, songs(), [playlist("Mix", [100 + OTHER, 100 + COPY, 100 + OTHER])])
        found = places(Playlist.objects.get())
        assert found == {0: track(OTHER).pk, 1: track(KEEPER).pk, 2: track(OTHER).pk}

        undo_action(action=action, actor=None, now=NOW)
        assert places(Playlist.objects.get())[1] == track(COPY).pk

    def test_a_new_playlist_names_the_keeper_once(self, tmp_path: Path) -> None:
        load(tmp_path, songs())
        remove_the_copy()

        load(tmp_path, songs(), [playlist("New", [100 + COPY, 100 + KEEPER])])

        assert places(Playlist.objects.get()) == {1: track(KEEPER).pk}

    def test_a_copy_that_left_the_playlist_at_its_source_does_not_come_back_to_it(self, tmp_path: Path) -> None:
        load(tmp_path, songs(), [playlist("Mix", [100 + COPY, 100 + OTHER])])
        action = remove_the_copy()
        load(tmp_path, songs(), [playlist("Mix", [100 + KEEPER, 100 + OTHER])])

        assert not MergedPlace.objects.exists()
        undo_action(action=action, actor=None, now=NOW)
        assert places(Playlist.objects.get()) == {0: track(KEEPER).pk, 1: track(OTHER).pk}

    def test_places_that_removed_copies_left_empty_close_when_the_source_drops_them(self, tmp_path: Path) -> None:
        """The tracks came in the same order as before, so the playlist was called unchanged and kept its gaps."""
        load(tmp_path, songs(), [playlist("Mix", [100 + COPY, 100 + KEEPER, 100 + COPY, 100 + OTHER])])
        remove_the_copy()
        assert places(Playlist.objects.get()) == {1: track(KEEPER).pk, 3: track(OTHER).pk}

        row = load(tmp_path, songs(), [playlist("Mix", [100 + KEEPER, 100 + OTHER])])

        assert places(Playlist.objects.get()) == {0: track(KEEPER).pk, 1: track(OTHER).pk}
        assert row.report["playlists"] == {"changed": 1}
