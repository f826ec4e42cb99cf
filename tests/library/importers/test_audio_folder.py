"""Folders of audio files: tags, names, links, and files made to break the reader."""

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from library.importers import audio_workers
from library.importers.audio_folder import read_audio_folder
from library.importers.audio_workers import AudioWorkers
from library.importers.records import ImportedItem, ImportedTrack, ImportProblem, SkippedEntry, UnreadableSource
from tests.library.sources import flac, write_wav
from tests.privileges import as_a_common_user

ROOT = Path(__file__).parent.parent.parent.parent

M4A_START = b"\0\0\0\x18ftypM4A " + bytes(12)


def read(folder: Path) -> list[ImportedItem]:
    return list(read_audio_folder(folder, this_year=2026))


def tracks(folder: Path) -> list[ImportedTrack]:
    return [item for item in read(folder) if isinstance(item, ImportedTrack)]


def skipped(folder: Path) -> dict[str, str]:
    return {item.name: item.reason.value for item in read(folder) if isinstance(item, SkippedEntry)}


class TestTags:
    def test_a_song_comes_with_its_tags(self, tmp_path: Path) -> None:
        (tmp_path / "song.flac").write_bytes(
            flac(
                seconds=215.5,
                TITLE="Harbour Lights",
                ARTIST="The Quiet Tide",
                ALBUMARTIST="Various",
                ALBUM="Low Water",
                GENRE="Folk",
                TRACKNUMBER="3/12",
                DISCNUMBER="2",
                DATE="1998-05-04",
                ISRC="us-ab1-22-00001",
                MUSICBRAINZ_TRACKID="11111111-2222-3333-4444-555555555555",
                COMPILATION="1",
            )
        )
        song = tracks(tmp_path)[0]

        assert (song.title, song.artist, song.album_artist) == ("Harbour Lights", "The Quiet Tide", "Various")
        assert (song.album, song.genre, song.track_number, song.disc_number) == ("Low Water", "Folk", 3, 2)
        assert (song.year, str(song.release_date), song.duration_ms) == (1998, "1998-05-04", 215_500)
        assert (song.isrc, song.musicbrainz_recording_id[:8], song.compilation) == ("USAB12200001", "11111111", True)
        assert (song.format, song.lossless, song.availability) == ("FLAC", True, "local")
        assert song.location == str(tmp_path / "song.flac")

    def test_every_artist_is_kept(self, tmp_path: Path) -> None:
        content = flac(ARTIST="Ines").replace(b"ARTIST=Ines", b"ARTIST=Ines")
        (tmp_path / "song.flac").write_bytes(content)
        block = b"".join(struct.pack("<I", len(text)) + text for text in (b"ARTIST=Ines", b"ARTIST=Mara"))
        comments = struct.pack("<II", 0, 2) + block
        start = content.index(b"\x84")
        (tmp_path / "song.flac").write_bytes(content[:start] + b"\x84" + len(comments).to_bytes(3, "big") + comments)

        assert tracks(tmp_path)[0].artist == "Ines; Mara"

    def test_a_value_that_does_not_parse_is_kept_as_text(self, tmp_path: Path) -> None:
        (tmp_path / "song.flac").write_bytes(flac(TITLE="A", DATE="the sixties", ISRC="test4"))

        assert tracks(tmp_path)[0].unparsed == {"year": "the sixties", "isrc": "test4"}

    def test_the_path_below_the_folder_is_the_id(self, tmp_path: Path) -> None:
        (tmp_path / "b").mkdir()
        write_wav(tmp_path / "b" / "2.wav")
        write_wav(tmp_path / "1.wav")

        assert [song.source_track_id for song in tracks(tmp_path)] == ["1.wav", "b/2.wav"]


class TestNames:
    def test_a_name_that_is_not_utf8_leads_back_to_its_file(self, tmp_path: Path) -> None:
        name = os.fsencode(tmp_path) + b"/caf\xe9.wav"
        write_wav(tmp_path / "x.wav").rename(os.fsdecode(name))
        song = tracks(tmp_path)[0]

        assert song.location == f"file://{tmp_path}/caf%E9.wav"
        assert song.source_track_id.startswith("caf\\xe9.wav#")

    def test_two_names_that_read_alike_are_two_tracks(self, tmp_path: Path) -> None:
        for name in (b"caf\xe9.wav", b"caf\\xe9.wav"):
            write_wav(tmp_path / "x.wav").rename(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))

        assert len({song.source_track_id for song in tracks(tmp_path)}) == 2

    def test_the_content_counts_where_the_extension_is_strange(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "song.x")

        assert tracks(tmp_path)[0].format == "WAV"


class TestLinks:
    def test_a_link_to_a_file_in_the_folder_is_no_second_copy(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "song.wav")
        (tmp_path / "again.wav").symlink_to("song.wav")

        assert skipped(tmp_path) == {"again.wav": "SAME_FILE"}

    def test_a_link_to_a_file_elsewhere_is_a_track(self, tmp_path: Path) -> None:
        folder = tmp_path / "music"
        folder.mkdir()
        (folder / "song.wav").symlink_to(write_wav(tmp_path / "song.wav"))

        assert len(tracks(folder)) == 1

    def test_links_to_folders_are_not_followed_but_told(self, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to(".")
        (tmp_path / "all").symlink_to("/")
        problem = read(tmp_path)[-1]

        assert isinstance(problem, ImportProblem)
        assert problem.sentence.startswith("Not followed: 2 links")

    def test_what_is_no_regular_file_is_left_out(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.mp3")
        (tmp_path / "dead.mp3").symlink_to("nowhere")
        (tmp_path / "self.mp3").symlink_to("self.mp3")

        assert skipped(tmp_path) == dict.fromkeys(["dead.mp3", "pipe.mp3", "self.mp3"], "NOT_A_FILE")


class TestOtherFiles:
    def test_every_file_is_accounted_for(self, tmp_path: Path) -> None:
        write_wav(tmp_path / "song.wav")
        (tmp_path / "._song.wav").write_bytes(b"\0\5\x16\7")
        (tmp_path / "cover.jpg").write_bytes(b"\xff\xd8")
        (tmp_path / "old.ape").write_bytes(b"MAC ")
        (tmp_path / "notes").write_text("no audio")
        (tmp_path / "empty.mp3").touch()

        assert skipped(tmp_path) == {
            "._song.wav": "NOT_AUDIO",
            "cover.jpg": "NOT_AUDIO",
            "old.ape": "UNSUPPORTED",
            "notes": "NOT_AUDIO",
            "empty.mp3": "UNREADABLE",
        }

    def test_folders_of_other_applications_are_passed_by(self, tmp_path: Path) -> None:
        (tmp_path / "@eaDir").mkdir()
        write_wav(tmp_path / "@eaDir" / "song.wav")

        assert tracks(tmp_path) == []

    def test_a_closed_folder_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "closed").mkdir(mode=0)
        script = (
            "import sys; from pathlib import Path; from tests.library.importers.test_audio_folder import read; "
            "print(read(Path(sys.argv[1]))[-1].code)"
        )
        command = [*as_a_common_user(), sys.executable, "-c", script, str(tmp_path)]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

        assert told.stdout.strip() == "NOT_ALL_READ"

    def test_a_folder_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableSource):
            read(tmp_path / "nowhere")


class TestHostileFiles:
    """Sixty seconds of hostile files stand in for hours of them; the full form runs by hand (tests/benchmarks)."""

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            pytest.param("noise.mp3", bytes(range(256)) * 20, id="random bytes"),
            pytest.param("tag.mp3", b"ID3\x03\0\0\x7f\x7f\x7f\x7fTIT2\x7f\xff\xff\xff\0\0\0aaa", id="a tag of 2 GB"),
            pytest.param("block.flac", b"fLaC\x84\xff\xff\xff" + b"\xff" * 100, id="a block that is not there"),
            pytest.param(
                "comments.flac",
                flac()[:42] + b"\x84\x00\xff\xff" + struct.pack("<II", 0, 2**32 - 1) + bytes(70_000),
                id="four billion comments",
            ),
            pytest.param(
                "atom.m4a",
                M4A_START + b"\0\0\0\1moov\x40" + bytes(7),
                id="an atom of exabytes",
            ),
            pytest.param(
                "deep.m4a",
                M4A_START + (b"\x7f\xff\xff\xffmoov\x7f\xff\xff\xf0udta") * 5000,
                id="atoms without end",
            ),
            pytest.param("cut.wav", b"RIFF\xff\xff\xff\xffWAVEfmt ", id="a cut header"),
        ],
    )  # fmt: skip
    def test_one_broken_file_stops_nothing(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        write_wav(tmp_path / "zzz.wav")
        items = read(tmp_path)

        assert [item.reason.value for item in items if isinstance(item, SkippedEntry)] in (["UNREADABLE"], ["TOO_SLOW"])
        assert [item.source_track_id for item in items if isinstance(item, ImportedTrack)] == ["zzz.wav"]

    def test_a_file_that_eats_time_is_given_up(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audio_workers, "CPU_SECONDS", 0.05)
        (tmp_path / "zeros.mp3").write_bytes(bytes(20_000_000))
        write_wav(tmp_path / "zzz.wav")

        assert skipped(tmp_path) == {"zeros.mp3": "TOO_SLOW"}

    def test_a_worker_that_hangs_costs_only_its_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        # A stopped process stands in for one that waits on a dead network drive: it uses no processor time.
        monkeypatch.setattr(audio_workers, "WALL_SECONDS", 4.0)
        good = os.fsencode(write_wav(tmp_path / "good.wav"))
        with AudioWorkers(count=1) as workers:
            os.kill(workers._workers[0].process_id, signal.SIGSTOP)
            answers = [answer for _, answer in workers.answers([(1, good), (2, good), (3, good)])]

        assert [answer.get("skip") for answer in answers] == ["TOO_SLOW", None, None]

    def test_a_worker_that_dies_costs_only_its_file(self, tmp_path: Path) -> None:
        good = os.fsencode(write_wav(tmp_path / "good.wav"))
        with AudioWorkers(count=1) as workers:
            os.kill(workers._workers[0].process_id, signal.SIGKILL)
            answers = [answer for _, answer in workers.answers([(1, good), (2, good)])]

        assert [answer.get("skip") for answer in answers] == ["UNREADABLE", None]

    def test_patience_ends_when_many_files_waste_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(audio_workers, "CPU_SECONDS", 0.4)
        monkeypatch.setattr(audio_workers, "PATIENCE_SECONDS", 0.4)
        monkeypatch.setattr(audio_workers, "HURRIED_CPU_SECONDS", 0.01)
        for number in range(40):
            (tmp_path / f"{number}.mp3").write_bytes(bytes(10_000_000))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        started = time.monotonic()
        assert set(skipped(tmp_path).values()) == {"TOO_SLOW"}

        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        assert used < 40 * 0.4 / 2, f"{used:.1f} s of processor time in {time.monotonic() - started:.1f} s"
