"""The spool: what is written comes back, damage is noticed, and nobody takes what another process holds."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from library.folders import private_folder
from library.importers.records import ImportedPlaylist, ImportedTrack
from library.importers.spool import (
    DamagedSpool,
    SpoolBusy,
    SpoolLock,
    SpoolReader,
    SpoolWriter,
    fitted_key,
    sweep,
)


def song(key: str, title: str = "Song") -> ImportedTrack:
    return ImportedTrack(source_track_id=key, entry=1, title=title)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    writer = SpoolWriter(tmp_path / "two.spool")
    yield writer
    writer.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    writer = SpoolWriter(tmp_path / "one.spool")
    writer.begin(["title", "year"])
    writer.add_playlist(ImportedPlaylist("p", "Mix", True, [str(number) for number in range(2_500)]))
    for key in ("a", "b"):
        writer.add_track(song(key))
    writer.finish()
    writer.close()
    return writer.path


def test_tracks_and_playlists_come_back_in_their_order(path: Path) -> None:
    spool = SpoolReader(path)

    assert list(spool.tracks()) == [["a", "Song", None], ["b", "Song", None]]
    assert [(item.name, item.is_smart, len(list(item.source_track_ids))) for item in spool.playlists()] == [
        ("Mix", True, 2_500)
    ]


def test_reading_goes_on_after_what_is_done(path: Path) -> None:
    assert [row[0] for row in SpoolReader(path).tracks(skip=1)] == ["b"]


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-20], id="cut"),
        pytest.param(lambda content: content.replace(b"Song", b"Sang", 1), id="one letter"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content + b"x", id="more"),
    ],
)
def test_damage_is_noticed(path: Path, damage: object) -> None:
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(DamagedSpool):
        SpoolReader(path)


def test_a_key_that_comes_twice_is_written_once(writer: SpoolWriter) -> None:
    writer.begin(["title"])

    assert [writer.add_track(song(key)) for key in ("a", "b", "a")] == [True, True, False]


def test_entries_without_ids_are_told_apart_by_content_and_occurrence(writer: SpoolWriter) -> None:
    writer.begin(["title"])
    for title in ("One", "Two", "One"):
        writer.add_track(song("", title))
    writer.finish()
    keys = [row[0] for row in SpoolReader(writer.path).tracks()]

    assert [key.rpartition(":")[2] for key in keys] == ["1", "1", "2"]
    assert keys[0].rpartition(":")[0] == keys[2].rpartition(":")[0]


def test_the_index_of_keys_finds_what_the_source_does_not_have(path: Path) -> None:
    with closing(SpoolReader(path).rebuild_keys()) as keys:
        missing = keys.missing(["a", "b", "c", *map(str, range(2_000))])

    assert missing == {"c", *map(str, range(2_000))}


def test_what_is_kept_is_not_missing(writer: SpoolWriter) -> None:
    writer.keep("broken.mp3")
    writer.finish()

    with closing(SpoolReader(writer.path).rebuild_keys()) as keys:
        assert keys.missing(["broken.mp3", "gone.mp3"]) == {"gone.mp3"}


def test_a_spool_under_way_belongs_to_its_writer(writer: SpoolWriter) -> None:
    with pytest.raises(SpoolBusy):
        SpoolLock(writer.path)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "work")
    with closing(SpoolWriter(folder / "two.spool")) as writer:
        modes = folder.stat().st_mode & 0o777, writer.path.stat().st_mode & 0o777

    assert modes == (0o700, 0o600)


def test_folders_made_on_the_way_are_private_too(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "work" / "checkpoints" / "one")

    made = (folder, folder.parent, folder.parent.parent)
    assert [one.stat().st_mode & 0o777 for one in made] == [0o700] * 3


def test_strays_are_swept_and_others_stay(writer: SpoolWriter, tmp_path: Path) -> None:
    for name in ("stray", "known", "young"):
        (tmp_path / f"{name}.spool").touch()
        os.utime(tmp_path / f"{name}.spool", (1000, 9000 if name == "young" else 1000))
    os.utime(writer.path, (1000, 1000))

    assert sweep(tmp_path, keep=["known.spool"], older_than=5000) == 1
    assert {path.stem for path in tmp_path.glob("*.spool")} == {"two", "known", "young"}


def test_a_long_key_keeps_its_start_and_stays_unique() -> None:
    one, two = fitted_key("x" * 400), fitted_key("x" * 401)

    assert (len(one), one[:100]) == (300, "x" * 100)
    assert one != two
