"""Every verb that changes something leaves a record when it succeeds and one, with its reason, when it is refused."""

import importlib
import inspect
import pkgutil
import uuid
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.utils import timezone

from duplicates import services
from duplicates.choices import AnalysisStatus, ExportFormat, ExportStatus, LaterEdits, Resolution, Trigger
from duplicates.engine.keeper_rules import Wish
from duplicates.exceptions import DuplicatesError
from duplicates.models import AuditRecord, CleanupAction, CleanupPlan, DuplicateAnalysisGroup
from duplicates.services import (
    automatic_switch,
    changing_settings,
    decision_files,
    deleting,
    different,
    downloading,
    edited_exports,
    exporting,
    keeper_profiles,
    keepers,
    lifecycle,
    planning,
    preferring,
    protecting,
    purging,
    refreshing,
    removal,
    removal_plan,
    resolution,
    retention,
    reviewing,
    sampling,
    saved,
    tokens,
    undo,
    vocabulary,
)
from duplicates.services.options import AnalysisOptions
from duplicates.services.plan_work import work_on_plan
from duplicates.services.retention import plan_cleanup as plan_retention
from duplicates.services.selecting import GroupFilter
from library.changes import current_revision
from library.importing import import_library
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory, ExportFactory, UserFactory
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@dataclass
class World:
    """A library with a group, a person, and a folder; each property makes what it names anew."""

    folder: Path
    person: User = field(default_factory=lambda: UserFactory.create(username="anna"))

    @property
    def who(self) -> dict[str, Any]:
        return {"actor": self.person, "now": NOW}

    def group(self, **gone: Any) -> DuplicateAnalysisGroup:
        analysis = AnalysisFactory.create(library_revision=current_revision(), user=self.person)
        return group_of(copy(), copy(**gone), analysis=analysis)

    def decided(self) -> DuplicateAnalysisGroup:
        group = self.group()
        DuplicateAnalysisGroup.objects.filter(pk=group.pk).update(is_resolved=True, resolution="kept_canonical")
        return DuplicateAnalysisGroup.objects.get(pk=group.pk)

    def other(self, group: DuplicateAnalysisGroup) -> int:
        return int(group.members.get(position=1).track_id)

    def removed(self) -> CleanupAction:
        return self.remove(self.group(play_count=3))

    def remove(self, group: DuplicateAnalysisGroup) -> CleanupAction:
        return removal.remove_duplicates(
            group=group, keeper_id=group.keeper_track_id, removing=[self.other(group)], **self.who
        )

    def plan(self, **wanted: Any) -> CleanupPlan:
        analysis = self.group().analysis
        plan = planning.plan_cleanup(analysis=analysis, wanted=GroupFilter(**wanted), resolution="deleted", **self.who)
        return self.worked_on(plan)

    def worked_on(self, plan: CleanupPlan) -> CleanupPlan:
        done = work_on_plan(plan.pk, now=lambda: NOW)
        assert done is not None
        return done

    def failed_plan(self) -> CleanupPlan:
        plan = self.plan()
        CleanupPlan.objects.filter(pk=plan.pk).update(state="failed", failed_state="planning")
        return plan

    def carried_out(self) -> CleanupPlan:
        return self.worked_on(planning.confirm_plan(self.plan(), **self.who))

    def export(self, **values: Any) -> Any:
        export = ExportFactory.create(**values)
        exporting.export_path(export).parent.mkdir(parents=True, exist_ok=True)
        exporting.export_path(export).write_bytes(b"{}")
        return export

    def edited(self) -> Any:
        analysis = self.group().analysis
        written = b"".join(exporting.export_analysis_results(analysis, ExportFormat.CSV, now=NOW)).decode()
        return edited_exports.import_edited_export(analysis, written, **self.who)

    def pair(self) -> list[Any]:
        return [tuple(self.group().members.order_by("position"))]

    def sampled(self) -> Any:
        analysis = plain_analysis(user=self.person)
        groups_in(analysis, "high", 12)
        return drawn(analysis, actor=self.person, now=NOW)

    def judge(self, answer: str = "same") -> Any:
        return sampling.judge(self.sampled().groups.first(), answer=answer, **self.who)

    def switch(self) -> Any:
        answered(self.sampled(), ["same"] * 12, actor=self.person, now=NOW)
        wish = {"preset": "recording", "band": "high", "resolution": "deleted"}
        return automatic_switch.switch_on(**wish, **self.who)

    def token(self, **values: Any) -> Any:
        made = {"user": self.person, "name": "mine", "scopes": ["read"], "expires_at": NOW + timedelta(days=1)}
        return tokens.create_token(**{**made, **values}, **self.who)

    def profile(self) -> Any:
        return keeper_profiles.save_profile(name="Mine", wishes=[Wish("lossless")], **self.who)

    def word(self) -> Any:
        return vocabulary.save_word(phrase="karaoke night", marker="karaoke", **self.who)


type Act = Callable[[World], object]


@dataclass(frozen=True)
class Verb:
    """A verb, the code of its record, how it succeeds, and how it is refused where it can be."""

    code: str
    succeed: Act
    refuse: Act | None
    refused_code: str = ""


VERBS: dict[Callable[..., Any], Verb] = {
    automatic_switch.switch_on: Verb(
        "automatic_resolution.switched_on",
        lambda w: w.switch(),
        lambda w: automatic_switch.switch_on(preset="recording", band="low", resolution="deleted", **w.who),
    ),
    automatic_switch.switch_off: Verb(
        "automatic_resolution.switched_off", lambda w: automatic_switch.switch_off(w.switch(), **w.who), None
    ),
    changing_settings.change_settings: Verb(
        "settings.changed",
        lambda w: changing_settings.change_settings({"QUARANTINE_DAYS": 12}, **w.who),
        lambda w: changing_settings.change_settings({"QUARANTINE_DAYS": -1}, **w.who),
    ),
    decision_files.import_decisions: Verb(
        "pairs.imported",
        lambda w: decision_files.import_decisions("".join(decision_files.export_decisions()), **w.who),
        lambda w: decision_files.import_decisions("no,header\n", **w.who),
    ),
    deleting.delete_tracks: Verb(
        "tracks.deleted",
        lambda w: deleting.delete_tracks(track_ids=[copy().pk], **w.who),
        lambda w: deleting.delete_tracks(track_ids=[copy(is_protected=True).pk], **w.who),
    ),
    protecting.protect_tracks: Verb(
        "tracks.protected",
        lambda w: protecting.protect_tracks(Track.objects.filter(pk=copy().pk), is_protected=True, **w.who),
        lambda w: protecting.protect_tracks(Track.objects.none(), is_protected=True, **w.who),
    ),
    different.declare_different: Verb(
        "pairs.declared_different", lambda w: different.declare_different(w.pair(), **w.who), None
    ),
    different.take_back: Verb("pairs.taken_back", lambda w: different.take_back([], **w.who), None),
    downloading.fetch_export: Verb(
        "export.downloaded",
        lambda w: downloading.fetch_export(w.export(), **w.who),
        lambda w: downloading.fetch_export(ExportFactory.create(status=ExportStatus.PENDING), **w.who),
    ),
    edited_exports.import_edited_export: Verb("decisions.imported", lambda w: w.edited(), None),
    exporting.request_export: Verb(
        "export.requested",
        lambda w: exporting.request_export(w.group().analysis, "json", enqueue=lambda pk: None, **w.who),
        lambda w: exporting.request_export(w.group().analysis, "pdf", enqueue=lambda pk: None, **w.who),
    ),
    exporting.delete_export: Verb("export.deleted", lambda w: exporting.delete_export(w.export(), **w.who), None),
    keeper_profiles.save_profile: Verb(
        "keeper_profile.added",
        lambda w: w.profile(),
        lambda w: keeper_profiles.save_profile(name="", wishes=[], **w.who),
        "keeper_profile.saved",
    ),
    keeper_profiles.remove_profile: Verb(
        "keeper_profile.removed",
        lambda w: keeper_profiles.remove_profile(w.profile(), **w.who),
        lambda w: keeper_profiles.remove_profile(keeper_profiles.find_profile("keep_oldest"), **w.who),
    ),
    keepers.choose_keeper: Verb(
        "keeper.chosen",
        lambda w: keepers.choose_keeper(group=(group := w.group()), track_id=w.other(group), **w.who),
        lambda w: keepers.choose_keeper(group=w.group(), track_id=copy().pk, **w.who),
    ),
    keepers.take_back_choice: Verb(
        "keeper.choice_undone",
        lambda w: [
            keepers.choose_keeper(group=(group := w.group()), track_id=w.other(group), **w.who),
            keepers.take_back_choice(group=group, **w.who),
        ],
        lambda w: keepers.take_back_choice(group=w.group(), **w.who),
    ),
    lifecycle.queue_analysis: Verb(
        "analysis.queued",
        lambda w: lifecycle.queue_analysis(AnalysisOptions(), trigger=Trigger.ADMIN, **w.who),
        lambda w: [
            lifecycle.queue_analysis(AnalysisOptions(search=str(n)), trigger=Trigger.ADMIN, **w.who) for n in range(5)
        ],
    ),
    lifecycle.request_cancel: Verb(
        "analysis.cancel_requested",
        lambda w: lifecycle.request_cancel(AnalysisFactory.create(status=AnalysisStatus.QUEUED), **w.who),
        lambda w: lifecycle.request_cancel(AnalysisFactory.create(), **w.who),
    ),
    lifecycle.resume: Verb(
        "analysis.resumed",
        lambda w: lifecycle.resume(AnalysisFactory.create(status=AnalysisStatus.FAILED), **w.who),
        lambda w: lifecycle.resume(AnalysisFactory.create(), **w.who),
    ),
    lifecycle.end_by_hand: Verb(
        "analysis.failed",
        lambda w: lifecycle.end_by_hand(
            AnalysisFactory.create(status=AnalysisStatus.QUEUED), AnalysisStatus.FAILED, **w.who
        ),
        lambda w: lifecycle.end_by_hand(AnalysisFactory.create(), AnalysisStatus.COMPLETED, **w.who),
        "analysis.ended_by_hand",
    ),
    planning.plan_cleanup: Verb(
        "cleanup_plan.made",
        lambda w: w.plan(),
        lambda w: planning.plan_cleanup(analysis=w.group().analysis, wanted=GroupFilter(), resolution="eaten", **w.who),
    ),
    planning.confirm_plan: Verb(
        "cleanup_plan.confirmed",
        lambda w: planning.confirm_plan(w.plan(), **w.who),
        lambda w: planning.confirm_plan(w.plan(), typed_count=77, **w.who),
    ),
    planning.cancel_plan: Verb(
        "cleanup_plan.cancelled",
        lambda w: planning.cancel_plan(w.plan(), **w.who),
        lambda w: planning.cancel_plan(w.carried_out(), **w.who),
    ),
    planning.undo_plan: Verb(
        "cleanup_plan.undo_asked",
        lambda w: planning.undo_plan(w.carried_out(), **w.who),
        lambda w: planning.undo_plan(w.plan(), **w.who),
    ),
    planning.continue_plan: Verb(
        "cleanup_plan.continued",
        lambda w: planning.continue_plan(w.failed_plan(), **w.who),
        lambda w: planning.continue_plan(w.plan(), **w.who),
    ),
    preferring.change_preferences: Verb(
        "preferences.changed",
        lambda w: preferring.change_preferences(w.person, {"auto_refresh": True}, now=NOW),
        lambda w: preferring.change_preferences(w.person, {"default_preset": "loud"}, now=NOW),
    ),
    preferring.reset_preferences: Verb(
        "preferences.reset", lambda w: preferring.reset_preferences(w.person, now=NOW), None
    ),
    purging.purge_expired: Verb(
        "removal.purged",
        lambda w: purging.purge_expired(w.removed(), actor=w.person, now=NOW + timedelta(days=100)),
        lambda w: purging.purge_expired(w.removed(), **w.who),
    ),
    purging.purge_removal: Verb(
        "removal.purged",
        lambda w: purging.purge_removal(w.removed().pk, actor=w.person, now=NOW + timedelta(days=100)),
        None,
    ),
    refreshing.refresh_analysis: Verb(
        "analysis.refreshed",
        lambda w: refreshing.refresh_analysis(w.group().analysis, **w.who),
        lambda w: refreshing.refresh_analysis(w.group().analysis, overrides={"colour": "red"}, **w.who),
    ),
    refreshing.quick_refresh: Verb(
        "analysis.refreshed",
        lambda w: [w.group(), refreshing.quick_refresh(**w.who)],
        lambda w: refreshing.quick_refresh(**w.who),
    ),
    removal.remove_duplicates: Verb(
        "duplicates.removed",
        lambda w: w.removed(),
        lambda w: w.remove(w.group(is_protected=True)),
    ),
    removal_plan.export_removal_plan: Verb(
        "removal_plan.exported",
        lambda w: [w.removed(), removal_plan.export_removal_plan(w.folder, **w.who)],
        lambda w: removal_plan.export_removal_plan(w.folder, **w.who),
    ),
    resolution.mark_groups_resolved: Verb(
        "groups.resolved",
        lambda w: resolution.mark_groups_resolved((group := w.group()).analysis, [group.pk], "kept_canonical", **w.who),
        lambda w: resolution.mark_groups_resolved((group := w.group()).analysis, [group.pk], "deleted", **w.who),
    ),
    resolution.reopen_groups: Verb(
        "groups.reopened",
        lambda w: resolution.reopen_groups((group := w.decided()).analysis, [group.pk], **w.who),
        lambda w: resolution.reopen_groups(w.group().analysis, [w.group().pk], **w.who),
    ),
    retention.cleanup_old_results: Verb(
        "cleanup.analyses",
        lambda w: retention.cleanup_old_results(plan_retention(now=NOW), **w.who),
        None,
    ),
    reviewing.decide: Verb(
        "groups.resolved",
        lambda w: reviewing.decide(group=w.group(), resolution=Resolution.MANUAL_REVIEW, **w.who),
        lambda w: reviewing.decide(group=w.decided(), resolution=Resolution.MANUAL_REVIEW, **w.who),
    ),
    reviewing.reopen: Verb(
        "groups.reopened",
        lambda w: reviewing.reopen(group=w.decided(), **w.who),
        lambda w: reviewing.reopen(group=w.group(), **w.who),
    ),
    reviewing.split_out: Verb(
        "pairs.declared_different",
        lambda w: reviewing.split_out(group=(group := w.group()), track_id=w.other(group), **w.who),
        lambda w: reviewing.split_out(group=w.group(), track_id=copy().pk, **w.who),
    ),
    reviewing.put_back: Verb(
        "pairs.taken_back",
        lambda w: [
            reviewing.split_out(group=(group := group_of(copy(), copy(), copy())), track_id=w.other(group), **w.who),
            reviewing.put_back(group=group, track_id=w.other(group), **w.who),
        ],
        lambda w: reviewing.put_back(group=(group := w.group()), track_id=w.other(group), **w.who),
    ),
    saved.pin_analysis: Verb(
        "analysis.pinned", lambda w: saved.pin_analysis(w.group().analysis, is_pinned=True, **w.who), None
    ),
    saved.delete_analysis: Verb(
        "analysis.deleted",
        lambda w: saved.delete_analysis(w.group().analysis, enqueue=lambda pk: None, **w.who),
        lambda w: saved.delete_analysis(AnalysisFactory.create(is_pinned=True), enqueue=lambda pk: None, **w.who),
    ),
    sampling.draw_sample: Verb(
        "precision.sample_drawn",
        lambda w: w.sampled(),
        lambda w: sampling.draw_sample(w.group().analysis, **w.who),
    ),
    sampling.judge: Verb(
        "precision.judged",
        lambda w: w.judge(),
        lambda w: w.judge(answer="perhaps"),
    ),
    tokens.create_token: Verb("token.created", lambda w: w.token(), lambda w: w.token(scopes=["everything"])),
    tokens.revoke_token: Verb("token.revoked", lambda w: tokens.revoke_token(w.token().row, **w.who), None),
    undo.undo_action: Verb(
        "removal.undone",
        lambda w: undo.undo_action(action=w.removed(), **w.who),
        lambda w: [undo.undo_action(action=(action := w.removed()), **w.who), undo.undo_action(action=action, **w.who)],
    ),
    undo.undo_each: Verb(
        "removal.undone",
        lambda w: undo.undo_each([w.removed()], later_edits=LaterEdits.ASK, **w.who),
        lambda w: [
            action := w.removed(),
            Track.objects.active().update(play_count=7),
            undo.undo_each([action], later_edits=LaterEdits.ASK, **w.who),
        ],
    ),
    undo.undo_batch: Verb(
        "removal.undone",
        lambda w: undo.undo_batch(batch_id=w.removed().batch_id, **w.who),
        lambda w: [
            action := w.removed(),
            Track.objects.active().update(play_count=7),
            undo.undo_batch(batch_id=action.batch_id, **w.who),
        ],
    ),
    undo.undo_day: Verb(
        "removal.undone",
        lambda w: [w.removed(), undo.undo_day(user=w.person, day=timezone.localdate(NOW), **w.who)],
        lambda w: [
            w.removed(),
            Track.objects.active().update(play_count=7),
            undo.undo_day(user=w.person, day=timezone.localdate(NOW), **w.who),
        ],
    ),
    vocabulary.save_word: Verb(
        "version_word.added",
        lambda w: w.word(),
        lambda w: vocabulary.save_word(phrase="?", marker="karaoke", **w.who),
        "version_word.saved",
    ),
    vocabulary.remove_word: Verb("version_word.removed", lambda w: vocabulary.remove_word(w.word(), **w.who), None),
}
# Functions that take an actor and a moment and are no verbs of their own: steps of one above, or readers.
NO_VERBS = {
    "audit": {"new_record", "attempt"},
    "dashboard": {"get_dashboard"},
    # The first and last are parts of resolution; the other of declaring and importing.
    "different": {"declare_groups_different", "new_decision", "take_back_groups"},
    "downloading": {"stream_unsaved"},  # reads what no database holds; tests/duplicates/test_unsaved.py
    "idempotency": {"once"},
    "impact": {"follow_tracks"},
    "keepers": {"give_keepers", "write_choices"},
    "lifecycle": {"complete", "fail", "finish_cancelled"},  # ends of runs; tests/duplicates/test_stopping.py
    "limits": {"require_below"},
    "removal": {"remove_together"},
    "reviewing": {"decide_together"},
    "trend": {"get_trend"},
    "undo": {"undo_together"},
}


@pytest.fixture
def world(tmp_path: Path, settings: LazySettings) -> World:
    settings.WORK_DIR = tmp_path / "work"
    settings.ANALYSES_PER_HOUR = 3
    settings.PRECISION_BAR_PERCENT, settings.PRECISION_LEAST_GROUPS = 25, 10
    return World(tmp_path / "plan")


def test_the_list_is_complete() -> None:
    """A new verb must be listed above, or said to be none."""
    found: set[tuple[str, str]] = set()
    for module in pkgutil.iter_modules(services.__path__):
        named = importlib.import_module(f"duplicates.services.{module.name}")
        for name, function in vars(named).items():
            is_own = inspect.isfunction(function) and function.__module__ == named.__name__
            if is_own and not name.startswith("_") and _takes_an_actor(function):
                found.add((module.name, name))
    listed = {(verb.__module__.rpartition(".")[2], verb.__name__) for verb in VERBS}
    no_verbs = {(module, name) for module, names in NO_VERBS.items() for name in names}

    assert found - no_verbs == listed


def _takes_an_actor(function: Callable[..., Any]) -> bool:
    names = inspect.signature(function).parameters.keys()
    return "now" in names and bool({"actor", "user"} & names)


def named(verbs: Iterable[Callable[..., Any]]) -> list[Any]:
    return [pytest.param(VERBS[verb], id=f"{verb.__module__.rpartition('.')[2]}.{verb.__name__}") for verb in verbs]


class TestEveryVerb:
    """Each by itself, in a world of its own."""

    @pytest.mark.parametrize("verb", named(VERBS))
    def test_records_that_it_succeeded(self, world: World, verb: Verb) -> None:
        verb.succeed(world)

        record = AuditRecord.objects.filter(action=verb.code).latest("pk")
        assert (record.was_successful, record.user_name) == (True, "anna")

    @pytest.mark.parametrize("verb", named(verb for verb in VERBS if VERBS[verb].refuse is not None))
    def test_records_why_it_was_refused_and_once(self, world: World, verb: Verb) -> None:
        assert verb.refuse is not None
        with suppress(DuplicatesError, ValidationError):
            verb.refuse(world)

        record = AuditRecord.objects.get(was_successful=False)
        assert record.action == (verb.refused_code or verb.code)
        assert record.user_name == "anna"
        assert record.message


class TestImports:
    """The library knows nothing of the trail; it tells who wants to know."""

    def test_record_what_they_brought(self, world: World) -> None:
        path = world.folder.parent / "songs.csv"
        path.write_text("Title,Artist\nHarbour Lights,The Quiet Tide\n")

        import_library(path=path, user=world.person, now=NOW)

        record = AuditRecord.objects.get(action="library.imported")
        assert (record.was_successful, record.user_name, record.counts["added"]) == (True, "anna", 1)

    def test_record_why_they_were_refused(self, world: World) -> None:
        from library.importing import ImportRefused  # noqa: PLC0415

        with pytest.raises(ImportRefused):
            import_library(path=world.folder / f"{uuid.uuid4()}.csv", user=world.person, now=NOW)

        record = AuditRecord.objects.get(action="library.imported")
        assert (record.was_successful, record.user_name) == (False, "anna")
        assert record.message

    def test_leave_nothing_for_a_dry_run(self, world: World) -> None:
        path = world.folder.parent / "songs.csv"
        path.write_text("Title,Artist\nHarbour Lights,The Quiet Tide\n")

        import_library(path=path, dry_run=True, user=world.person, now=NOW)

        assert not AuditRecord.objects.filter(action="library.imported").exists()


def test_a_refused_start_does_not_count_against_the_rate(world: World) -> None:
    """Who knocks too often would otherwise never be let in again."""
    for number in range(10):
        with pytest.raises(DuplicatesError) if number >= 3 else nullcontext():
            lifecycle.queue_analysis(AnalysisOptions(search=str(number)), trigger=Trigger.API, **world.who)

    later = NOW + timedelta(minutes=61)
    assert lifecycle.queue_analysis(
        AnalysisOptions(search="later"), trigger=Trigger.API, actor=world.person, now=later
    ).is_new
