"""Measures imports as a person runs them: `python -m tests.benchmarks.importing [csv] [itunes] [hostile]`.

Each case makes its own source in a temporary folder, runs the whole command against a new SQLite database and prints
processor seconds, wall seconds and peak memory beside what is promised. Run by hand; nothing here is a test.
"""

import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.library.sources import HEAD, flac

ROOT = Path(__file__).resolve().parent.parent.parent
WORDS = ["love", "night", "day", "river", "blue", "heart", "song", "dance", "fire", "rain", "moon", "star", "road"]
CSV_ROWS = 100_000
ITUNES_BYTES = 300_000_000
ENTRY = """\t\t<key>{number}</key>
\t\t<dict>
\t\t\t<key>Track ID</key><integer>{number}</integer>
\t\t\t<key>Name</key><string>{title}</string>
\t\t\t<key>Artist</key><string>{artist}</string>
\t\t\t<key>Album Artist</key><string>{artist}</string>
\t\t\t<key>Composer</key><string>{artist} &#38; Söhne</string>
\t\t\t<key>Album</key><string>{title} Album</string>
\t\t\t<key>Genre</key><string>Rock</string>
\t\t\t<key>Kind</key><string>MPEG audio file</string>
\t\t\t<key>Size</key><integer>7223758</integer>
\t\t\t<key>Total Time</key><integer>{length}</integer>
\t\t\t<key>Track Number</key><integer>7</integer>
\t\t\t<key>Year</key><integer>1998</integer>
\t\t\t<key>Date Modified</key><date>2017-02-26T17:25:51Z</date>
\t\t\t<key>Date Added</key><date>2017-02-26T17:27:32Z</date>
\t\t\t<key>Bit Rate</key><integer>256</integer>
\t\t\t<key>Sample Rate</key><integer>44100</integer>
\t\t\t<key>Play Count</key><integer>19</integer>
\t\t\t<key>Play Date UTC</key><date>2018-04-24T20:34:17Z</date>
\t\t\t<key>Persistent ID</key><string>{key:016X}</string>
\t\t\t<key>Track Type</key><string>File</string>
\t\t\t<key>Location</key><string>file://localhost/C:/Users/user/Music/{key:016X}.mp3</string>
\t\t</dict>
"""


def words(count: int) -> str:
    return " ".join(random.choices(WORDS, k=count)).title()


def make_csv(folder: Path) -> Path:
    path = folder / "songs.csv"
    with path.open("w") as file:
        file.write("id,title,artist,album,track_number,year,genre,duration_ms,isrc,explicit\n")
        for number in range(CSV_ROWS):
            length = random.randint(60_000, 400_000)
            file.write(f"T{number},{words(3)},{words(2)},{words(2)},7,1998,Rock,{length},USABC{number:07},true\n")
    return path


def make_itunes(folder: Path) -> Path:
    path = folder / "Library.xml"
    with path.open("w") as file:
        file.write(f"{HEAD}<dict>\n<key>Library Persistent ID</key><string>AAAAAAAAAAAAAAAA</string>\n")
        file.write("<key>Tracks</key>\n<dict>\n")
        numbers = []
        while file.tell() < ITUNES_BYTES:
            numbers.append(2 * len(numbers) + 100)
            facts = {"number": numbers[-1], "key": random.getrandbits(64), "length": random.randint(60_000, 400_000)}
            file.write(ENTRY.format(title=words(3), artist=words(2), **facts))
        file.write("</dict>\n<key>Playlists</key>\n<array>\n")
        for name, places in (("Library", numbers), ("Long", numbers[::4]), ("Short", numbers[:2_000])):
            flag = "<key>Master</key><true/>" if name == "Library" else ""
            file.write(f"<dict><key>Name</key><string>{name}</string>{flag}<key>Playlist Items</key><array>\n")
            file.writelines(f"<dict><key>Track ID</key><integer>{number}</integer></dict>\n" for number in places)
            file.write("</array></dict>\n")
        file.write("</array>\n</dict>\n</plist>\n")
    return path


def make_hostile(folder: Path) -> Path:
    """Make 250 files: noise, endless zeros, tags and atoms that promise gigabytes, frames without number."""
    music = folder / "music"
    music.mkdir()
    m4a = b"\0\0\0\x18ftypM4A " + bytes(12)
    huge_tag = b"ID3\x03\0\0\x7f\x7f\x7f\x7f"
    kinds: list[tuple[int, str, Callable[[], bytes]]] = [
        (50, "noise.mp3", lambda: os.urandom(5_000)),
        (40, "zeros.mp3", lambda: bytes(8_000_000)),
        (30, "block.flac", lambda: b"fLaC\x84\xff\xff\xff" + b"\xff" * 100),
        (30, "atom.m4a", lambda: m4a + b"\0\0\0\1moov\x40" + bytes(7)),
        (20, "deep.m4a", lambda: m4a + b"\x7f\xff\xff\xffmoov\x7f\xff\xff\xf0udta" * 20_000),
        (20, "tag.mp3", lambda: huge_tag + b"TIT2\x7f\xff\xff\xff\0\0\0" + b"a" * 1_000),
        (20, "frames.mp3", lambda: huge_tag + (b"TXXX" + struct.pack(">I", 6) + b"\0\0\0a\0b\0\0") * 300_000),
        (15, "pages.ogg", lambda: (b"OggS\0\x02" + bytes(20) + b"\xff" * 256) * 2_000),
        (
            15,
            "comments.flac",
            lambda: flac()[:42] + b"\x84\0\xff\xff" + struct.pack("<II", 0, 2**32 - 1) + bytes(60_000),
        ),
        (10, "chunks.wav", lambda: b"RIFF\xff\xff\xff\xffWAVE" + b"LIST\0\0\0\0" * 500_000),
    ]
    for count, name, make in kinds:
        for number in range(count):
            (music / f"{number}-{name}").write_bytes(make())
    return music


# What is made, the runs it goes through one after another on the same database, and the promise.
CASES: dict[str, tuple[Callable[[Path], Path], list[list[str]], str]] = {
    "csv": (make_csv, [["--id-column", "id"]], "100,000 rows: under 200 MB and 10 CPU s"),
    "itunes": (make_itunes, [[], [], ["--dry-run"], ["--catalog"]], "300 MB of XML: under 64 MB"),
    "hostile": (make_hostile, [[]], "250 hostile files: under 30 s, 1 GB resident, 4 GB of address space"),
}


def measure(name: str) -> Iterator[str]:
    """Yield a line for each run of a case."""
    make, runs, promise = CASES[name]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{folder}/db", "REPRISE_WORK_DIR": f"{folder}/work"}
        manage = [sys.executable, str(ROOT / "manage.py")]
        subprocess.run([*manage, "migrate", "-v0"], env=environment, check=True)
        source = make(folder)
        for options in runs:
            command = ["sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh", *manage, "import_library", str(source)]
            yield f"{' '.join([name, *options])}: {_run([*command, *options], environment)}  ({promise})"


def _run(command: list[str], environment: dict[str, str]) -> str:
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    cpu = usage.ru_utime + usage.ru_stime
    return f"{cpu:.1f} CPU s, {wall:.1f} s, peak {usage.ru_maxrss / 1024:.0f} MB, exit {status}"


if __name__ == "__main__":
    random.seed(1)
    for case in sys.argv[1:] or CASES:
        for line in measure(case):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
