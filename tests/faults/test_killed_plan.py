"""A worker killed in the middle of a clean-up plan: nothing is half done, and another one carries it to its end."""

import random
import resource
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.faults.support import House

# The product's own worker, in short steps; amid the step after so many it says so and waits to be killed.
_PAUSED_AMID_A_STEP = """
import sys, time
import django
django.setup()
from duplicates.services import impact, plan_work
from duplicates.worker import work

follow, left = impact.follow_tracks, int(sys.argv[1])
plan_work.TRACKS_A_TRANSACTION = 40

def follow_and_wait(*arguments, **options):
    global left
    found = follow(*arguments, **options)
    if not left:
        print("paused", flush=True)
        time.sleep(600)
    left -= 1
    return found

impact.follow_tracks = follow_and_wait
work()
"""

_MAKE_PLAYLISTS = """
import django
django.setup()
from library.models import Playlist, PlaylistEntry, Track

for third in range(3):
    playlist = Playlist.objects.create(source="faults", source_playlist_id=str(third), name=str(third))
    PlaylistEntry.objects.bulk_create(
        PlaylistEntry(playlist=playlist, position=place, track_id=pk)
        for place, pk in enumerate(Track.objects.order_by("pk").values_list("pk", flat=True)) if pk % 3 == third
    )
"""

_ASK = """
import sys
import django
django.setup()
from django.utils import timezone
from duplicates.services import planning
from duplicates.tasks import work_on_plan_task

plan = planning.get_plan(sys.argv[2])
if sys.argv[1] == "confirm":
    planning.confirm_plan(plan, typed_count=plan.track_count, actor=None, now=timezone.now())
else:
    planning.undo_plan(plan, actor=None, now=timezone.now())
work_on_plan_task.enqueue(plan_id=str(plan.pk))
"""


class Plan:
    """A plan to remove every duplicate of a house's library, worked out, and the books about it."""

    def __init__(self, home: House, songs: int) -> None:
        self.home = home
        home.make_library(songs)
        home.script(_MAKE_PLAYLISTS)
        home.manage("run_duplicate_analysis")
        self.plan_id = home.manage("cleanup_groups", "--strategy", "keep_most_played").stdout.split()[-1]
        self.plays, self.before = self.books()["plays"], self.everything()

    def ask(self, verb: str) -> None:
        """Confirm the plan, or have it undone, and give it to whichever worker is there."""
        self.home.script(_ASK, verb, self.plan_id)

    def books(self) -> dict[str, Any]:
        """Return what the plan, its items, its actions, their ledger and the library say of it."""
        sums = {
            "state": "SELECT state FROM duplicates_cleanupplan",
            "planned": "SELECT group_count FROM duplicates_cleanupplan",
            "done": "SELECT done_groups FROM duplicates_cleanupplan",
            "undone": "SELECT undone_groups FROM duplicates_cleanupplan",
            "done_tracks": "SELECT done_tracks FROM duplicates_cleanupplan",
            "items": "SELECT count(*) FROM duplicates_cleanupplanitem WHERE action_id IS NOT NULL",
            "open_items": "SELECT count(*) FROM duplicates_cleanupplanitem WHERE state = 'done'",
            "actions": "SELECT count(*) FROM duplicates_cleanupaction",
            "records": "SELECT count(*) FROM duplicates_auditrecord WHERE action = 'duplicates.removed'",
            "removed": "SELECT count(*) FROM duplicates_ledgerentry WHERE kind = 'track'",
            "merges": "SELECT count(*) FROM library_merge",
            "quarantined": "SELECT count(*) FROM library_track WHERE quarantined_at IS NOT NULL",
            "plays": "SELECT sum(play_count) FROM library_track WHERE quarantined_at IS NULL",
        }
        return {name: self.home.rows(query)[0][0] for name, query in sums.items()}

    def everything(self) -> list[Any]:
        """Return the library and the groups as they are."""
        queries = (
            "SELECT * FROM library_track ORDER BY id",
            "SELECT playlist_id, position, track_id FROM library_playlistentry ORDER BY playlist_id, position",
            "SELECT * FROM duplicates_duplicateanalysisgroup ORDER BY id",
            "SELECT * FROM duplicates_duplicateanalysistrack ORDER BY id",
        )
        return [self.home.rows(query) for query in queries]

    def require_nothing_half_done(self) -> dict[str, Any]:
        """Hold the books against each other: what is counted on the plan is what happened, no more and no less."""
        books = self.books()
        assert books["done"] == books["items"] == books["actions"] == books["records"]
        assert books["done_tracks"] == books["removed"]
        assert books["merges"] == books["quarantined"]
        assert books["plays"] == self.plays
        if not books["undone"]:
            assert books["quarantined"] == books["removed"]
        assert books["open_items"] == books["done"] - books["undone"]
        return books

    def kill_amid_step(self, steps: int) -> dict[str, Any]:
        """Kill a worker within the transaction after so many steps, and return the books as it left them."""
        worker = self.home.start(sys.executable, "-c", _PAUSED_AMID_A_STEP, str(steps))
        assert worker.stdout is not None
        assert worker.stdout.readline() == "paused\n", "the worker never came to that step"
        worker.kill()
        worker.wait(20)
        return self.require_nothing_half_done()

    def wait_for(self, state: str, seconds: float = 120) -> dict[str, Any]:
        """Wait until the plan is in a state and return the books then."""
        self.home.wait_until(self.books, lambda books: books["state"] == state, seconds)
        return self.require_nothing_half_done()


def test_a_plan_killed_midway_is_done_and_undone_by_other_workers(house_to_clean: House) -> None:
    plan = Plan(house_to_clean, 300)
    plan.ask("confirm")

    books = plan.kill_amid_step(2)
    assert 0 < books["done"] < books["planned"]
    plan.home.supervisor()
    books = plan.wait_for("completed")
    plan.home.end_processes()
    assert books["done"] == books["planned"]

    plan.ask("undo")
    books = plan.kill_amid_step(1)
    assert 0 < books["undone"] < books["done"]
    plan.home.supervisor()
    books = plan.wait_for("undone")

    assert books["merges"] == 0
    assert plan.everything() == plan.before


class Watch:
    """What somebody outside sees while a plan is worked on: the groups it says are done, and its workers' memory."""

    def __init__(self, plan: Plan, counted: str) -> None:
        self._plan, self._query = plan, f"SELECT {counted}, state FROM duplicates_cleanupplan"
        self.seen: list[int] = []
        self._found_at: dict[int, int] = {}
        self._held: dict[int, list[int]] = {}

    def until(self, ended: str, seconds: float) -> str:
        """Look twice a second until the plan has ended or the time is over; return its state."""
        deadline = time.monotonic() + seconds
        while True:
            ((done, state),) = self._plan.home.rows(self._query)
            self._weigh(done)
            if not self.seen or done != self.seen[-1]:
                self.seen.append(done)
            if state == ended or time.monotonic() > deadline:
                return str(state)
            time.sleep(0.5)

    def _weigh(self, done: int) -> None:
        """Weigh the workers that have done a step: by then they have loaded what they need."""
        for process_id in self._plan.home.workers():
            if done == self._found_at.setdefault(process_id, done):
                continue
            with suppress(FileNotFoundError):  # it may end at any moment
                pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
                self._held.setdefault(process_id, []).append(pages * resource.getpagesize() // 2**20)

    @property
    def growth(self) -> int:
        """By how many megabytes the worker that lived longest grew in the second half of its steps.

        In the first it loads the matcher, which is no growth with the groups; those killed early come no further.
        """
        held = max(self._held.values(), key=len)
        return held[-1] - held[len(held) // 2]

    @property
    def most(self) -> int:
        return max(max(held) for held in self._held.values())


@pytest.mark.slow
def test_ten_thousand_groups_survive_a_worker_killed_again_and_again(house_to_clean: House) -> None:
    rnd = random.Random(5)
    plan = Plan(house_to_clean, 25_500)
    planned = plan.books()["planned"]
    assert planned >= 10_000
    for verb, ended, counted in (("confirm", "completed", "done_groups"), ("undo", "undone", "undone_groups")):
        plan.ask(verb)
        began, kills, watch = time.monotonic(), 0, Watch(plan, counted)
        while plan.require_nothing_half_done()["state"] != ended and kills < 6:
            worker = plan.home.start(sys.executable, "manage.py", "run_workers", "--processes", "1")
            watch.until(ended, rnd.uniform(6, 14))
            for process_id in plan.home.workers():
                plan.home.kill(process_id)
            worker.kill()
            worker.wait(20)
            kills += 1
        plan.home.supervisor()
        assert watch.until(ended, seconds=900) == ended
        plan.require_nothing_half_done()
        plan.home.end_processes()
        print(
            f"{planned} groups {ended} after {kills} kills in {time.monotonic() - began:.0f} s, "
            f"{len(watch.seen)} figures of progress, {watch.most} MB at most, {watch.growth} MB more than midway"
        )
        assert watch.seen == sorted(watch.seen), "progress that was shown was taken back"
        assert len(watch.seen) >= 10
        assert watch.growth < 50

    assert plan.everything() == plan.before
