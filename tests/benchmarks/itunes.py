"""Measures the cross-reference: `python -m tests.benchmarks.itunes [MEMBERS ENTRIES]` (100,000 and 200,000).

Fills a new SQLite database, or the empty one that DATABASE_URL names, with members and catalogue entries: some share a
persistent id, some an ISRC, some title and artist, some are misspelt, some absent. Then looks every member up and
prints processor seconds, peak memory and how they were found. `--profile` prints where the time goes. No test.
"""

import argparse
import cProfile
import os
import pstats
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SYLLABLES = ["ba", "lo", "mi", "ran", "té", "su", "kor", "vel", "na", "dri", "pha", "öst", "qui", "gel", "tor", "wen"]
# How each kind of member is found, and its share of a hundred.
KINDS = [("persistent id", 30), ("ISRC", 20), ("title and artist", 30), ("misspelt", 15), ("absent", 5)]


def word() -> str:
    return "".join(random.choices(SYLLABLES, k=random.randint(2, 4))).capitalize()


def words(least: int, most: int) -> str:
    return " ".join(word() for _ in range(random.randint(least, most)))


def song(number: int) -> dict[str, Any]:
    return {
        "title": words(1, 4),
        "artist": words(1, 2),
        "album": words(1, 3),
        "genre": random.choice(["Rock", "Jazz", "Pop"]),
        "duration_ms": random.randint(90_000, 420_000),
        "year": random.randint(1960, 2025),
        "track_number": random.randint(1, 14),
        "isrc": f"USABC{number:07}" if number % 2 else "",
        "play_count": random.randint(0, 40),
        "last_played_at": NOW,
        "added_at": NOW,
    }


def misspelt(text: str) -> str:
    at = random.randrange(len(text))
    return f"{text[:at]}{random.choice('aeiou')}{text[at + 1 :]}"


def entry_of(kind: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return the catalogue's idea of a song that is found in this way and in no surer one."""
    changed: dict[str, Any] = {"isrc": "", "genre": "Folk", "play_count": 3}
    if kind == "ISRC":
        changed |= {"isrc": facts["isrc"], "title": f"{facts['title']} (Deluxe)", "artist": words(1, 2)}
    elif kind == "title and artist":
        changed |= {"title": facts["title"].upper(), "album": words(1, 3)}
    elif kind == "misspelt":
        changed |= {"title": misspelt(facts["title"])}
    return facts | changed


def fill(member_count: int, entry_count: int) -> None:
    """Write the tracks and the catalogue."""
    from library.models import ITunesTrack, Track  # noqa: PLC0415

    kinds = [kind for kind, share in KINDS for _ in range(share)]
    tracks, entries = [], []
    for number in range(member_count):
        kind = kinds[number % len(kinds)]
        facts = song(2 * number + (kind == "ISRC"))
        name = f"{number:016X}" if kind == "persistent id" else f"row {number}"
        tracks.append(Track(source="home", source_track_id=name, **facts))
        if kind != "absent":
            key = number if kind == "persistent id" else number + (1 << 60)
            entries.append(ITunesTrack(catalog="home", persistent_id=f"{key:016X}", **entry_of(kind, facts)))
    for number in range(entry_count - len(entries)):
        key = number + (1 << 61)
        facts = song(20_000_000 // 7 + number)
        entries.append(ITunesTrack(catalog="home", persistent_id=f"{key:016X}", **facts))
    random.shuffle(entries)
    Track.objects.bulk_create(tracks, batch_size=2_000)
    ITunesTrack.objects.bulk_create(entries, batch_size=2_000)


def measure(profile: cProfile.Profile | None) -> None:
    """Look every track up and print what it took."""
    from duplicates.engine.settings import EngineSettings  # noqa: PLC0415
    from duplicates.services import itunes, loading  # noqa: PLC0415
    from duplicates.services.progress import RunReporter  # noqa: PLC0415

    columns, reporter = loading.load_library().columns, RunReporter("benchmark", now=lambda: NOW)
    reporter.set_total_tracks(len(columns), catalog_entries=loading.count_catalog_entries())
    reporter.begin("cross_reference", len(columns))
    before, cpu, wall = peak_memory(), time.process_time(), time.monotonic()
    if profile:
        profile.enable()
    found = itunes.cross_reference(
        columns.frame["track_id"].to_numpy(),
        columns=columns,
        settings=EngineSettings(),
        reporter=reporter,
        now=NOW,
    )
    if profile:
        profile.disable()
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    matches = Counter(str(finding.match) for finding in found.findings.values())
    sys.stdout.write(
        f"{len(columns):,} members: {cpu:.1f} CPU s, {wall:.1f} s, peak {peak_memory():.0f} MB ({before:.0f} before); "
        f"{', '.join(f'{count:,} {name}' for name, count in sorted(matches.items()))}\n"
    )


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[100_000, 200_000])
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/library.sqlite3")
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        call_command("migrate", verbosity=0)
        fill(*options.counts)
        profile = cProfile.Profile() if options.profile else None
        measure(profile)
        if profile:
            pstats.Stats(profile).sort_stats("cumulative").print_stats(45)


if __name__ == "__main__":
    main()
