"""Measures a clean-up plan: `python -m tests.benchmarks.plans [GROUPS]` (default 10,000).

Fills a new database (SQLite, or the one DATABASE_URL names, which must hold no tracks) with groups of two and three
copies, every tenth copy on a playlist. Of working a plan out, carrying it out and undoing it, it prints the CPU seconds
of this process, the wall seconds, the memory it held at first and at most, and how often it said how far it was. The
copies that stay, their plays and places are checked.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BATCH = 2_000


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def megabytes() -> int:
    """Return how much memory this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 2**20


class Steps:
    """What a plan reports while it is worked on: how often, the longest pause, and the memory at the time."""

    def __init__(self) -> None:
        self.count, self.longest, self._last = 0, 0.0, time.monotonic()
        self.first = self.most = megabytes()

    def __call__(self, plan: object) -> None:
        now = time.monotonic()
        self.count, self.longest, self._last = self.count + 1, max(self.longest, now - self._last), now
        self.most = max(self.most, megabytes())


def timed(name: str, groups: int, work: Callable[[Steps], str]) -> None:
    steps, cpu, wall = Steps(), time.process_time(), time.monotonic()
    outcome = work(steps)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    say(
        f"{name:12} {cpu:7.1f} CPU s {wall:7.1f} s {groups / cpu:6.0f} groups/CPU s {steps.first:4}-{steps.most} MB "
        f"{steps.count:4} reports, {steps.longest:.1f} s apart at most  {outcome}"
    )


def fill(groups: int) -> object:
    """Return a completed analysis of so many groups; the keeper of each is its first copy."""
    from django.db.models import F  # noqa: PLC0415 (needs Django to be set up)

    from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack  # noqa: PLC0415
    from duplicates.services.bulk_rows import SNAPSHOT_COLUMNS  # noqa: PLC0415
    from duplicates.services.options import AnalysisOptions  # noqa: PLC0415
    from library.changes import current_revision  # noqa: PLC0415
    from library.models import Playlist, PlaylistEntry, Track  # noqa: PLC0415
    from tests.duplicates.factories import AnalysisFactory  # noqa: PLC0415

    rows = (
        Track(
            source="benchmark",
            source_track_id=f"{number}-{place}",
            title=f"Song {number}",
            artist=f"Artist {number % 997}",
            album=f"Album {number % 499}",
            duration_ms=200_000,
            play_count=(number * 7 + place * 13) % 40,
            size_bytes=5_000_000 + place,
            bit_rate_kbps=(128, 320, 256)[place],
            format="MP3",
        )
        for number in range(groups)
        for place in range(2 + number % 2)
    )
    Track.objects.bulk_create(rows, batch_size=BATCH)
    analysis = AnalysisFactory.create(
        library_revision=current_revision(),
        library_track_count=Track.objects.count(),
        learnt_tables=_tables(AnalysisOptions()),
    )
    tracks: dict[int, list[Track]] = {}
    for track in Track.objects.order_by("pk").iterator():
        tracks.setdefault(int(track.source_track_id.partition("-")[0]), []).append(track)
    made = DuplicateAnalysisGroup.objects.bulk_create(
        (
            DuplicateAnalysisGroup(
                analysis=analysis,
                position=number + 1,
                group_key=f"{number:032x}",
                identity=f"{number:032x}",
                title=copies[0].title,
                artist=copies[0].artist,
                member_count=len(copies),
                duplicate_count=len(copies) - 1,
                remaining_count=len(copies),
                confidence=0.97,
                average_similarity=0.97,
                cohesion=1.0,
                keeper_track_id=copies[0].pk,
                keeper_rule="most_played",
            )
            for number, copies in tracks.items()
        ),
        batch_size=BATCH,
    )
    DuplicateAnalysisTrack.objects.bulk_create(
        (
            DuplicateAnalysisTrack(
                group=group,
                track=copy,
                position=place,
                is_canonical=place == 0,
                similarity=0.97,
                match_weight=5.0,
                evidence=0,
                matches_keeper=True,
                **{name: getattr(copy, name) for name in SNAPSHOT_COLUMNS},
            )
            for group, copies in zip(made, tracks.values(), strict=True)
            for place, copy in enumerate(copies)
        ),
        batch_size=BATCH,
    )
    lists = [Playlist.objects.create(source="benchmark", source_playlist_id=str(n), name=str(n)) for n in range(20)]
    on_lists = Track.objects.annotate(tenth=F("pk") % 10).filter(tenth=0).values_list("pk", flat=True)
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(playlist=lists[number % 20], position=number // 20, track_id=pk)
        for number, pk in enumerate(on_lists)
    )
    return analysis


def _tables(options: object) -> bytes:
    from duplicates.engine.shipped import shipped_model  # noqa: PLC0415 (loads the matcher)

    return shipped_model(options.engine_settings()).to_bytes()  # type: ignore[attr-defined]


def measure(groups: int) -> None:
    """Print the table on the empty database Django is set up for."""
    from django.db.models import Sum  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from duplicates.services import planning  # noqa: PLC0415
    from duplicates.services.keeper_profiles import find_profile  # noqa: PLC0415
    from duplicates.services.plan_work import work_on_plan  # noqa: PLC0415
    from duplicates.services.selecting import GroupFilter  # noqa: PLC0415
    from library.models import Track  # noqa: PLC0415

    def plays() -> int:
        return int(Track.objects.active().aggregate(all=Sum("play_count"))["all"])

    def work(steps: Steps) -> str:
        done = work_on_plan(plan.pk, now=timezone.now, report=steps)
        assert done is not None
        return f"{done.state}: {done.group_count:,} groups, {done.track_count:,} tracks, done {done.done_groups:,}"

    analysis = fill(groups)
    before, tracks = plays(), Track.objects.count()
    say(f"{groups:,} groups of {tracks:,} tracks")
    plan = planning.plan_cleanup(
        analysis=analysis,  # type: ignore[arg-type]
        wanted=GroupFilter(),
        resolution="deleted",
        profile=find_profile("keep_best_quality"),
        actor=None,
        now=timezone.now(),
    )
    timed("worked out", groups, work)
    plan.refresh_from_db()
    planning.confirm_plan(plan, typed_count=plan.track_count, actor=None, now=timezone.now())
    timed("carried out", groups, work)
    plan.refresh_from_db()
    assert Track.objects.active().count() == tracks - plan.done_tracks
    assert plays() == before
    planning.undo_plan(plan, actor=None, now=timezone.now())
    timed("undone", groups, work)
    assert Track.objects.active().count() == tracks
    assert plays() == before


def main() -> None:
    groups = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DATABASE_URL", f"sqlite:///{folder}/plans.sqlite3")
        import django  # noqa: PLC0415
        from django.core.management import call_command  # noqa: PLC0415

        django.setup()
        from library.models import Track  # noqa: PLC0415

        call_command("migrate", verbosity=0)
        if Track.objects.exists():
            sys.exit("That database holds tracks. Name an empty one in DATABASE_URL.")
        measure(groups)


if __name__ == "__main__":
    main()
