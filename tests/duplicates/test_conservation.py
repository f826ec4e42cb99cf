"""Whatever order things happen in: no play, rating or playlist place is lost, an undo is exact, a last copy survives.

A machine imports, prunes, runs real analyses and refreshes them, removes one by one and by plan, chooses keepers,
undoes, purges, decides and reopens groups, declares pairs different and forgets analyses at random. Beside it runs the
plainest model there is: what the source says of each song, which song stands in for which, and who declares which pair.
"""

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from duplicates.choices import PlanItemState
from duplicates.engine.keeper_rules import PROFILES
from duplicates.exceptions import DeclaredDifferent, InvalidOptions, LastCopy, NothingToUndo
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisResult, NotDuplicate
from duplicates.models.records import identity_key
from duplicates.services import different
from duplicates.services.decision_review import look_at_decisions
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.impact import follow_library
from duplicates.services.keeper_profiles import find_profile
from duplicates.services.keepers import choose_keeper, take_back_choice
from duplicates.services.options import AnalysisOptions
from duplicates.services.purging import expired_removals, purge_removal
from duplicates.services.refreshing import refresh_analysis
from duplicates.services.removal import remove_duplicates
from duplicates.services.resolution import mark_groups_resolved, reopen_groups
from duplicates.services.undo import undo_action
from library.changes import current_revision, recording
from library.importers.records import ImportedPlaylist
from library.models import Merge, MergedPlace, MergedValue, Playlist, Track
from library.playlists import replace_playlist
from library.upserting import LIBRARY, RowWriter
from tests.duplicates.copies import everything, group_of, places
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.plans import carried_out, planned, undone
from tests.duplicates.test_removal import NOW

SONGS = ("a", "b", "c", "d", "e")
FIELDS = ("title", "artist", "album", "duration_ms", "play_count", "rating", "loved")
TAGS = ("Harbour Lights", "The Quiet Tide", "Low Water", 215_000)
LISTS = st.lists(st.sampled_from(SONGS), max_size=6)
type Row = tuple[int, int | None, bool]
ROWS = st.fixed_dictionaries(
    {song: st.tuples(st.integers(0, 30), st.one_of(st.none(), st.integers(0, 5)), st.booleans()) for song in SONGS}
)


class Library(RuleBasedStateMachine):
    """The library, and beside it what its source says and who stands in for whom."""

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.said: dict[str, Row] = {}
        self.listed: dict[str, list[str]] = {}
        self.keeper_of: dict[str, str] = {}
        self.removed_by: dict[int, list[str]] = {}
        self.actions: list[Any] = []
        self.purged: set[str] = set()
        self.pruned: set[str] = set()
        self.different: dict[tuple[str, str], set[int]] = {}  # by which groups; by none: declared by itself
        self.decided: dict[int, str] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    # --- What happens -----------------------------------------------------------------------------------------------

    @initialize(rows=ROWS, first=LISTS, second=LISTS)
    def first_import(self, rows: dict[str, Row], first: list[str], second: list[str]) -> None:
        self.imports(rows, first, second)

    @rule(rows=ROWS, first=LISTS, second=LISTS)
    def imports(self, rows: dict[str, Row], first: list[str], second: list[str]) -> None:
        self.said, self.listed = rows, {"first": first, "second": second}
        self.import_again()

    @rule()
    def import_again(self) -> None:
        """Import what the source says, which brings back purged copies and pruned tracks as they were."""
        self.read_source(set(SONGS))
        self.purged.clear()
        self.pruned.clear()

    @precondition(lambda self: self.said)
    @rule(vanished=st.sets(st.sampled_from(SONGS), min_size=1, max_size=3))
    def prune(self, vanished: set[str]) -> None:
        """Import from a source that some songs have left, and let those in the library go, the last ones too."""
        going = vanished - self.keeper_of.keys()
        self.listed = {name: [one for one in songs if one not in vanished] for name, songs in self.listed.items()}
        self.read_source(set(SONGS) - vanished)
        self.purged &= vanished
        with recording("import"):
            Track.objects.active().filter(source_track_id__in=going).delete()
        self.pruned = (self.pruned & vanished) | going

    def read_source(self, there: set[str]) -> None:
        writer = RowWriter(LIBRARY, source="test", fields=FIELDS, import_id=None)
        with recording("import"):
            writer.apply([[song, *TAGS, *row] for song, row in self.said.items() if song in there])
            for name, songs in self.listed.items():
                replace_playlist(ImportedPlaylist(name, name, False, songs), source="test")

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """Analyse some of the songs, and remove some of what was found."""
        here = self.in_the_library()
        if len(here) < 2:
            return
        found = data.draw(st.lists(st.sampled_from(here), min_size=2, max_size=4, unique=True))
        gone = data.draw(st.lists(st.sampled_from(found[1:]), min_size=1, unique=True))
        keeper, ids = found[0], {song: self.track(song).pk for song in found}
        group = group_of(*(self.track(song) for song in found))
        before = everything()
        try:
            action = remove_duplicates(
                group=group, keeper_id=ids[keeper], removing=[ids[song] for song in gone], actor=None, now=NOW
            )
        except LastCopy:
            assert everything() == before
            assert not self.leaves_a_copy_everywhere(gone)
        except DeclaredDifferent:
            assert everything() == before
            assert any(pair_of(keeper, song) in self.different for song in gone)
        else:
            self.keeper_of |= dict.fromkeys(gone, keeper)
            self.removed_by[len(self.actions)] = gone
            self.actions.append(action.pk)

    @rule(data=st.data(), profile=st.sampled_from(sorted(PROFILES)), is_undone=st.booleans())
    def plan(self, data: st.DataObject, profile: str, is_undone: bool) -> None:
        """Analyse the songs in pairs, and clean all of them up by one plan whose rules choose the keepers."""
        found = data.draw(st.permutations(self.in_the_library()))
        analysis = AnalysisFactory.create(library_revision=current_revision())
        for pair in zip(found[::2], found[1::2], strict=False):
            group_of(*map(self.track, pair), analysis=analysis)
        follow_library(now=NOW)
        before = everything()
        plan = planned(analysis, profile=find_profile(profile))
        assert everything() == before
        if plan.group_count:
            plan = carried_out(plan)
        assert set(plan.refused) <= {"LAST_COPY", "DECLARED_DIFFERENT"}
        if is_undone and plan.done_groups:
            undone(plan)
            assert everything() == before
            return
        for item in plan.items.filter(state=PlanItemState.DONE).order_by("pk"):
            gone, keeper = (Track.objects.get(pk=pk).source_track_id for pk in (*item.removing, item.keeper_track_id))
            self.keeper_of[gone] = keeper
            self.removed_by[len(self.actions)] = [gone]
            self.actions.append(item.action_id)

    @rule(data=st.data())
    def choose_another_keeper(self, data: st.DataObject) -> None:
        """Analyse two songs, keep the other one, and change one's mind: everything is as it was."""
        here = self.in_the_library()
        if len(here) < 2:
            return
        one, other = (self.track(song) for song in data.draw(st.permutations(here))[:2])
        group = group_of(one, other)
        before = everything()
        choose_keeper(group=group, track_id=other.pk, actor=None, now=NOW)
        assert everything() != before
        take_back_choice(group=group, actor=None, now=NOW)
        assert everything() == before

    @precondition(lambda self: self.removed_by)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        self.undo_one(data.draw(st.sampled_from(sorted(self.removed_by))))

    @precondition(lambda self: self.removed_by)
    @rule(data=st.data())
    def undo_everything(self, data: st.DataObject) -> None:
        """Undo all in any order; without purged copies the library then is what its source says, to the last value."""
        for number in data.draw(st.permutations(sorted(self.removed_by))):
            self.undo_one(number)
        if not self.keeper_of:
            assert not any(model.objects.exists() for model in (Merge, MergedValue, MergedPlace))
            for playlist in Playlist.objects.all():
                own = self.listed[playlist.name]
                assert places(playlist) == {at: self.track(song).pk for at, song in enumerate(own)}

    @precondition(lambda self: self.keeper_of)
    @rule(data=st.data())
    def purge(self, data: st.DataObject) -> None:
        later = NOW + timedelta(days=31)
        waiting = sorted(self.actions.index(action_id) for action_id in expired_removals(now=later))
        if waiting:
            number = data.draw(st.sampled_from(waiting))
            purge_removal(self.actions[number], actor=None, now=later)
            here = set(Track.objects.values_list("source_track_id", flat=True))
            gone = set(self.removed_by[number]) - here
            assert not any(self.root(song) in self.keeper_of for song in gone - self.purged), (
                "held with its keeper gone"
            )
            self.purged |= gone

    @rule(data=st.data())
    def declare_different(self, data: st.DataObject) -> None:
        here = self.in_the_library()
        if len(here) < 2:
            return
        pair = data.draw(st.lists(st.sampled_from(here), min_size=2, max_size=2, unique=True))
        first, second = group_of(*(self.track(song) for song in pair)).members.order_by("position")
        different.declare_different([(first, second)], actor=None, now=NOW)
        self.different[pair_of(*pair)] = set()

    @precondition(lambda self: self.different)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(sorted(self.different)))
        keys = sorted(identity_key("test", song) for song in pair)
        decisions = NotDuplicate.objects.in_force().filter(left_key=keys[0], right_key=keys[1])
        assert different.take_back(decisions, actor=None, now=NOW) == 1
        del self.different[pair]

    @rule(data=st.data(), resolution=st.sampled_from(["not_duplicates", "not_duplicates", "kept_canonical"]))
    def resolve(self, data: st.DataObject, resolution: str) -> None:
        """Analyse some of the songs and decide about them, whatever else was decided about them before."""
        here = self.in_the_library()
        if len(here) < 2:
            return
        found = data.draw(st.lists(st.sampled_from(here), min_size=2, max_size=3, unique=True))
        group = group_of(*map(self.track, found))
        assert mark_groups_resolved(group.analysis, [group.pk], resolution, actor=None, now=NOW) == 1
        self.decided[group.pk] = resolution
        if resolution == "not_duplicates":
            for pair in combinations(sorted(found), 2):
                if self.different.get(pair) != set():
                    self.different.setdefault(pair, set()).add(group.pk)

    @precondition(lambda self: self.decided)
    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        group = DuplicateAnalysisGroup.objects.get(pk=data.draw(st.sampled_from(sorted(self.decided))))
        if group.remaining_count < 2:
            with pytest.raises(InvalidOptions):
                reopen_groups(group.analysis, [group.pk], actor=None, now=NOW)
            return
        assert reopen_groups(group.analysis, [group.pk], actor=None, now=NOW) == 1
        del self.decided[group.pk]
        for pair, groups in list(self.different.items()):
            groups_left = groups - {group.pk}
            if groups and not groups_left:
                del self.different[pair]
            else:
                self.different[pair] = groups_left

    @precondition(lambda self: self.said)
    @rule(data=st.data(), is_refresh=st.booleans())
    def analyse(self, data: st.DataObject, is_refresh: bool) -> None:
        """Let the engine look at the library, or at what changed since it did, and clean up what it finds."""
        before = everything()
        run = DuplicateAnalysisResult.objects.completed().filter(cpu_seconds__isnull=False)  # not those of group_of
        newest = run.order_by("created_at").last()
        if is_refresh and newest is not None:
            successor = refresh_analysis(newest, actor=None, now=timezone.now())
            ran = DuplicateDetectionService().run_or_follow(successor)
        else:
            ran = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions(), force=True)
        assert ran.analysis.status == "completed"
        after = everything()
        assert (after["tracks"], after["places"]) == (before["tracks"], before["places"])
        grouped: set[str] = set()
        for group in ran.analysis.groups.all():
            members = list(group.members.values_list("source_track_id", flat=True))
            assert not grouped & set(members)
            grouped |= set(members)
            pairs = {pair_of(*pair) for pair in combinations(members, 2)}
            assert not pairs & self.different.keys(), "a pair declared different was put together"
        group = ran.analysis.groups.first()
        if group is not None and data.draw(st.booleans()):
            self.remove_from(group, data)

    def remove_from(self, group: DuplicateAnalysisGroup, data: st.DataObject) -> None:
        """Remove a copy of a group that a real analysis found."""
        copies = group.members.filter(matches_keeper=True).exclude(track_id=group.keeper_track_id)
        names = dict(copies.values_list("source_track_id", "track_id"))
        if not names:
            return
        gone = data.draw(st.sampled_from(sorted(names)))
        keeper = Track.objects.get(pk=group.keeper_track_id).source_track_id
        try:
            action = remove_duplicates(
                group=group, keeper_id=group.keeper_track_id, removing=[names[gone]], actor=None, now=NOW
            )
        except LastCopy:
            assert not self.leaves_a_copy_everywhere([gone])
        else:
            self.keeper_of[gone] = keeper
            self.removed_by[len(self.actions)] = [gone]
            self.actions.append(action.pk)

    @rule()
    def forget_the_analyses(self) -> None:
        DuplicateAnalysisResult.objects.all().delete()
        self.decided.clear()

    # --- What must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def every_play_and_the_best_rating_are_with_whoever_stands_in(self) -> None:
        if not self.said:
            return
        for track in Track.objects.active():
            family = [row for song, row in self.said.items() if self.root(song) == track.source_track_id]
            ratings = [rating for _, rating, _ in family if rating is not None]
            assert track.play_count == sum(plays for plays, _, _ in family)
            assert track.rating == max(ratings, default=None)
            assert track.loved == any(loved for _, _, loved in family)

    @invariant()
    def exactly_the_songs_not_removed_are_there(self) -> None:
        if self.said:
            here = set(Track.objects.active().values_list("source_track_id", flat=True))
            assert here == set(self.in_the_library())
            assert Track.objects.count() == len(SONGS) - len(self.purged) - len(self.pruned)

    @invariant()
    def exactly_the_pairs_declared_different_are_kept_apart(self) -> None:
        here = set(self.in_the_library())
        wanted = {tuple(sorted(self.track(song).pk for song in pair)) for pair in self.different if here >= set(pair)}
        assert set(look_at_decisions().pairs) == wanted

    @invariant()
    def every_playlist_names_whoever_stands_in_once_and_at_a_place_of_its_own(self) -> None:
        for playlist in Playlist.objects.all():
            own, shown = self.listed[playlist.name], places(playlist)
            here = set(self.in_the_library())
            assert all(self.track(self.root(own[at])).pk == track_id for at, track_id in shown.items())
            # A place whose keeper was pruned waits with its copy for one of the two to come back.
            assert set(shown.values()) >= {self.track(root).pk for root in map(self.root, own) if root in here}
            untouched = {at for at, song in enumerate(own) if song not in self.keeper_of}
            assert untouched <= shown.keys()

    @invariant()
    def every_saved_group_counts_its_copies_and_lost_the_last_only_to_a_prune(self) -> None:
        follow_library(now=NOW)
        for group in DuplicateAnalysisGroup.objects.all():
            ids = group.members.values_list("track_id", flat=True)
            assert group.remaining_count == Track.objects.active().filter(pk__in=list(ids)).count()
            assert (group.lost_at is None) == (group.remaining_count >= 1)

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def track(self, song: str) -> Track:
        return Track.objects.get(source="test", source_track_id=song)

    def root(self, song: str) -> str:
        """Return who stands in for a song: the last keeper up the chain that is still somewhere."""
        while song in self.keeper_of and self.keeper_of[song] not in self.pruned:
            song = self.keeper_of[song]
        return song

    def in_the_library(self) -> list[str]:
        return sorted(set(SONGS) - self.keeper_of.keys() - self.pruned)

    def leaves_a_copy_everywhere(self, gone: list[str]) -> bool:
        """Would every saved group that has a copy keep one if these songs went?"""
        here = set(Track.objects.active().values_list("pk", flat=True))
        left = here - {self.track(song).pk for song in gone}
        groups = [
            set(group.members.values_list("track_id", flat=True)) for group in DuplicateAnalysisGroup.objects.all()
        ]
        return all(members & left for members in groups if members & here)

    def undo_one(self, number: int) -> None:
        gone = self.removed_by[number]
        action = CleanupAction.objects.get(pk=self.actions[number])
        if self.purged & set(gone):
            with pytest.raises(NothingToUndo):
                undo_action(action=action, actor=None, now=NOW)
            return
        undo_action(action=action, actor=None, now=NOW)
        del self.removed_by[number]
        for song in gone:
            del self.keeper_of[song]


def pair_of(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def run(examples: int, steps: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Library,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks, database=None
        ),
    )


@pytest.mark.django_db
def test_nothing_is_lost_in_any_order() -> None:
    run(examples=6, steps=12)


@pytest.mark.slow
@pytest.mark.django_db
def test_nothing_is_lost_in_many_long_histories() -> None:
    run(examples=80, steps=30)
