"""Real libraries, where there are any: every file is imported with numbers that add up, or refused in a sentence."""

import csv
from pathlib import Path
from typing import Any

import pytest

from library.importing import ImportRefused
from library.models import ITunesTrack, LibraryChange, LibraryImport, Track
from tests.library.sources import run_import

pytestmark = pytest.mark.django_db

ITUNES_AMAZON = {
    "title": "song_name",
    "artist": "artist_name",
    "album": "album_name",
    "duration": "time",
    "year": "released",
}

# file: (entries seen, left out); the rest became tracks
ITUNES = {
    "akon4git_small.xml.gz": (66, 0),
    "aman_applemusic_win.xml.gz": (576, 100),
    "beets_unix.xml": (3, 0),
    "beets_windows.xml": (3, 0),
    "cervantes_mac_podcasts.xml.gz": (55, 34),
    "cervantes_windows.xml": (6, 0),
    "drewcarr_20180702_library.xml.gz": (2_116, 1),
    "drewcarr_20180707_playlist_export.xml.gz": (1_938, 0),
    "dwittenberg_win.xml.gz": (1_779, 2),
    "emm331_purchased.xml": (17, 0),
    "exrookie_ant.xml": (5, 0),
    "exrookie_tiny.xml": (3, 2),
    "fezmaster_plist.plist.gz": (1_421, 76),
    "hieronymusma_de.xml": (2, 0),
    "huangleisir_empty_tracks.xml": (0, 0),
    "ian0608_no_playlists.xml": (10, 0),
    "illama_fr.xml.gz": (463, 0),
    "libpytunes_test.xml.gz": (402, 32),
    "mmoehr_empty_tracks.xml": (0, 0),
    "nzoschke_4.xml.gz": (2_325, 0),
    "pkrysiak_20141212.xml.gz": (424, 0),
    "COMPOSITE_dev.xml.gz": (9_667, 247),
}
CSV: dict[str, tuple[int, int, dict[str, Any]]] = {
    "playlists_csv/exportify_en.csv.gz": (746, 0, {}),
    "playlists_csv/exportify_de.csv.gz": (1_861, 0, {}),
    "playlists_csv/exportify_new_no_isrc_brianhuster.csv.gz": (701, 0, {}),
    "playlists_csv/tunemymusic_spotify.csv.gz": (694, 1, {}),
    "eval/musicbrainz_20k.csv.gz": (9_705, 0, {"id_column": "TID"}),
    "eval/isrc_library.csv.gz": (8_749, 0, {"id_column": "id"}),
    "eval/itunes_amazon_library.csv.gz": (582, 0, {"id_column": "id", "mapping": ITUNES_AMAZON}),
    "eval/itunes_amazon_dirty_library.csv.gz": (758, 0, {"id_column": "id", "mapping": ITUNES_AMAZON}),
}


def there(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.exists():
        pytest.skip(f"no {name} among the evaluation data")
    return path


def check(row: LibraryImport, seen: int, skipped: int) -> None:
    assert (row.seen_count, row.skipped_count) == (seen, skipped)
    assert row.added_count + row.changed_count + row.unchanged_count == seen - skipped == Track.objects.count()


@pytest.mark.parametrize(("name", "numbers"), ITUNES.items(), ids=ITUNES)
def test_itunes_libraries(eval_data: Path, name: str, numbers: tuple[int, int]) -> None:
    check(run_import(there(eval_data, f"itunes/{name}")), *numbers)


@pytest.mark.parametrize(("name", "expected"), CSV.items(), ids=CSV)
def test_csv_files(eval_data: Path, name: str, expected: tuple[int, int, dict[str, Any]]) -> None:
    seen, skipped, options = expected

    check(run_import(there(eval_data, name), **options), seen, skipped)


@pytest.mark.parametrize(
    ("name", "place"),
    [("BROKEN_mbennettlowe_no_track_dicts.xml.gz", "Line 18, byte 711"), ("BROKEN_rkblake_empty_plist.xml", "Line 4")],
)
def test_broken_libraries_are_refused_where_they_break(eval_data: Path, name: str, place: str) -> None:
    with pytest.raises(ImportRefused, match=place):
        run_import(there(eval_data, f"itunes/{name}"))

    assert Track.objects.count() == 0


def test_what_is_readable_of_a_broken_library_can_be_kept(eval_data: Path) -> None:
    path = there(eval_data, "itunes/BROKEN_mbennettlowe_no_track_dicts.xml.gz")

    check(run_import(path, keep_partial=True), 915, 0)


def test_four_exports_of_a_growing_library_update_one_another(eval_data: Path) -> None:
    rows = [run_import(there(eval_data, f"itunes/nzoschke_{n}.xml.gz"), source="nzoschke") for n in range(1, 5)]

    assert [row.added_count for row in rows] == [769, 610, 638, 308]
    assert [row.unchanged_count + row.changed_count for row in rows] == [0, 769, 1_379, 2_017]
    assert Track.objects.count() == 2_325


def test_a_playlist_export_updates_the_library_it_came_from(eval_data: Path) -> None:
    run_import(there(eval_data, "itunes/drewcarr_20180702_library.xml.gz"))
    row = run_import(there(eval_data, "itunes/drewcarr_20180707_playlist_export.xml.gz"))

    assert (row.added_count, row.changed_count + row.unchanged_count) == (10, 1_928)
    assert row.report["changed_fields"]["play_count"] == 39
    assert LibraryChange.objects.filter(cause=f"import:{row.pk}", kind="modified").count() < 39


def test_the_catalogue_takes_a_real_library(eval_data: Path) -> None:
    run_import(there(eval_data, "itunes/libpytunes_test.xml.gz"), catalog=True)

    assert ITunesTrack.objects.count() == 370


def test_moved_values_are_kept_in_full(eval_data: Path) -> None:
    path = there(eval_data, "eval/itunes_amazon_dirty_library.csv.gz")
    run_import(path, id_column="id", mapping=ITUNES_AMAZON)

    song = Track.objects.get(source_track_id="I3")
    assert (song.duration_ms, song.unparsed) == (214_000, {"duration_ms": "3:34 COL Released VAL"})


def test_audio_files_agree_with_two_other_readers_where_those_agree(eval_data: Path) -> None:
    row = run_import(there(eval_data, "audio"))
    with there(eval_data, "audio/expected.csv").open(newline="") as file:
        expected = {f"{line['source']}/{line['file']}": line for line in csv.DictReader(file)}

    assert (row.seen_count, row.added_count) == (248, 172)
    for song in Track.objects.all():
        line = expected[song.source_track_id]
        for name, value in (("title", song.title), ("artist", song.artist), ("album", song.album)):
            if line[f"m_{name}"] == line[f"t_{name}"]:
                # The list cuts long texts.
                assert value[: len(line[f"m_{name}"]) or None] == line[f"m_{name}"], song.source_track_id
        lengths = [float(line[name]) for name in ("m_len", "t_len") if line[name]]
        if len(lengths) == 2 and abs(lengths[0] - lengths[1]) < 0.05:
            assert abs((song.duration_ms or 0) / 1000 - lengths[1]) < 0.05, song.source_track_id
