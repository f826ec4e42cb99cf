"""Who may do what in the admin: every address and every action against every ready-made role.

The tables below say from which role on something is allowed; `NOBODY` means that no ready-made role may. The tests walk
the admin itself, so a page or an action without a row here fails.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings
from django.contrib import admin
from django.contrib.admin import ActionLocation
from django.contrib.auth.models import Group, User
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone

from duplicates import roles
from duplicates.admin import review
from duplicates.choices import Resolution
from duplicates.models import (
    AuditRecord,
    CleanupAction,
    DuplicateAnalysisResult,
    DuplicatePreferences,
    KeeperProfile,
    NotDuplicate,
    VersionWord,
)
from duplicates.roles import ADMINISTRATOR, CURATOR, REVIEWER, VIEWER
from duplicates.services import audit, reviewing
from duplicates.services.removal import remove_duplicates
from duplicates.services.tokens import create_token
from library.models import ITunesTrack, LibraryChange, LibraryImport
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.copies import analysis_with_weights, copy, group_of, playlist_of
from tests.duplicates.factories import ExportFactory, UserFactory
from tests.duplicates.plans import planned
from tests.duplicates.samples import drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db

NOBODY, STAFF = "nobody", "staff"  # STAFF: whoever may log in here
LADDER = (STAFF, VIEWER, REVIEWER, CURATOR, ADMINISTRATOR)

# By model: who sees its rows, adds, changes and deletes them.
MODELS = {
    "auth.Group": (NOBODY, NOBODY, NOBODY, NOBODY),
    "auth.User": (NOBODY, NOBODY, NOBODY, NOBODY),
    "duplicates.ApiToken": (VIEWER, VIEWER, NOBODY, NOBODY),
    "duplicates.AuditRecord": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.CleanupAction": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.CleanupPlan": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.DuplicateAnalysisExport": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.DuplicateAnalysisGroup": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.DuplicateAnalysisResult": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.DuplicateAnalysisTrack": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.DuplicatePreferences": (VIEWER, VIEWER, VIEWER, NOBODY),
    "duplicates.KeeperProfile": (VIEWER, CURATOR, CURATOR, CURATOR),
    "duplicates.NotDuplicate": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.PrecisionSample": (VIEWER, NOBODY, NOBODY, NOBODY),
    "duplicates.SiteSetting": (ADMINISTRATOR, NOBODY, ADMINISTRATOR, NOBODY),
    "duplicates.VersionWord": (VIEWER, CURATOR, CURATOR, CURATOR),
    "library.ITunesTrack": (VIEWER, NOBODY, NOBODY, NOBODY),
    "library.LibraryChange": (VIEWER, NOBODY, NOBODY, NOBODY),
    "library.LibraryImport": (VIEWER, NOBODY, NOBODY, NOBODY),
    "library.Playlist": (VIEWER, NOBODY, NOBODY, NOBODY),
    "library.Track": (VIEWER, NOBODY, CURATOR, NOBODY),
}
# Pages of their own, by the name of their address; those that only take a form are in FORMS.
PAGES = {
    "duplicates_analysis_progress": VIEWER,
    "duplicates_decisions_export": REVIEWER,
    "duplicates_decisions_import": REVIEWER,
    "duplicates_delete_analysis": CURATOR,  # one's own and the system's; everybody's: ADMINISTRATOR
    "duplicates_explain_member": VIEWER,
    "duplicates_explain_pair": VIEWER,
    "duplicates_export_download": REVIEWER,
    "duplicates_export_progress": REVIEWER,
    "duplicates_history": VIEWER,
    "duplicates_import_file": CURATOR,
    "duplicates_import_progress": VIEWER,
    "duplicates_judge": REVIEWER,
    "duplicates_judge_next": REVIEWER,
    "duplicates_new_plan": REVIEWER,
    "duplicates_plan_progress": VIEWER,
    "duplicates_preview_removal": VIEWER,
    "duplicates_removal_plan": CURATOR,
    "duplicates_review": VIEWER,
    "duplicates_run_analysis": CURATOR,
    "library_listen": REVIEWER,
    "monitoring": VIEWER,
}
# What a form of a page asks for: (address, verb) by the least role. A verb is what a button sends.
FORMS = {
    ("duplicates_quick_refresh", ""): CURATOR,
    ("duplicates_delete_analysis", ""): CURATOR,
    ("duplicates_decide", "keep"): REVIEWER,
    ("duplicates_decide", "keep_back"): REVIEWER,
    ("duplicates_decide", "not_duplicates"): REVIEWER,
    ("duplicates_decide", "later"): REVIEWER,
    ("duplicates_decide", "split"): REVIEWER,
    ("duplicates_decide", "put_back"): REVIEWER,
    ("duplicates_decide", "reopen"): REVIEWER,
    ("duplicates_decide", "remove"): CURATOR,
    ("duplicates_decide", "undo"): CURATOR,
    ("duplicates_draw_sample", ""): REVIEWER,
    ("duplicates_import_file", "import"): CURATOR,
    ("duplicates_automatic_switch", ""): ADMINISTRATOR,
    ("duplicates_do_plan", "confirm"): CURATOR,
    ("duplicates_do_plan", "cancel"): CURATOR,
    ("duplicates_do_plan", "undo"): CURATOR,
    ("duplicates_do_plan", "continue"): CURATOR,
}
ACTIONS = {
    "duplicates.ApiToken": {"revoke": VIEWER},
    "duplicates.CleanupAction": {
        "bring_back": CURATOR,
        "bring_back_keeping_edits": CURATOR,
        "bring_back_as_it_was": CURATOR,
        "delete_for_good": ADMINISTRATOR,
    },
    "duplicates.DuplicateAnalysisExport": {"delete_files": REVIEWER},
    "duplicates.DuplicateAnalysisGroup": {"clean_up": REVIEWER},
    "duplicates.DuplicateAnalysisResult": {
        "run_analysis": CURATOR,
        "refresh": CURATOR,
        "refresh_anew": CURATOR,
        "resume": CURATOR,
        "cancel": CURATOR,
        "pin": CURATOR,
        "unpin": CURATOR,
        "export_json": REVIEWER,
        "export_jsonl": REVIEWER,
        "export_csv": REVIEWER,
        "unsaved_json": REVIEWER,
        "unsaved_csv": REVIEWER,
        "ignore_changes": VIEWER,
    },
    "duplicates.DuplicatePreferences": {"reset": VIEWER, "delete_selected": NOBODY},
    "duplicates.NotDuplicate": {"take_decisions_back": REVIEWER},
    "library.Playlist": {"protect": CURATOR, "lift_protection": CURATOR},
    "library.Track": {"compare": VIEWER, "protect": CURATOR, "lift_protection": CURATOR},
}
OF_MODELS = ("changelist", "add", "change", "delete", "history", "password_change")


@dataclass
class World:
    """One row of everything, so that every address leads somewhere; `person` owns what is everybody's own."""

    person: User
    song: Path

    @cached_property
    def analysis(self) -> DuplicateAnalysisResult:
        return analysis_with_weights()

    @cached_property
    def group(self) -> Any:
        return group_of(copy(location=str(self.song)), copy(), copy(), analysis=self.analysis)

    @cached_property
    def removal(self) -> CleanupAction:
        kept, other = copy(play_count=9), copy()
        group = group_of(kept, other, analysis=self.analysis)
        return remove_duplicates(group=group, keeper_id=kept.pk, removing=[other.pk], actor=None, now=timezone.now())

    @cached_property
    def decision(self) -> NotDuplicate:
        group = group_of(copy(), copy(), analysis=self.analysis)
        reviewing.decide(group=group, resolution=Resolution.NOT_DUPLICATES, actor=None, now=timezone.now())
        return NotDuplicate.objects.order_by("-pk")[0]

    @cached_property
    def token(self) -> Any:
        now = timezone.now()
        later = now + timezone.timedelta(days=1)  # type: ignore[attr-defined]
        made = create_token(user=self.person, name="x", scopes=["read"], expires_at=later, actor=self.person, now=now)
        return made.row

    def row(self, label: str) -> Any:
        """Return the key of a row of a model; 0 where none is needed to ask."""
        makers: dict[str, Any] = {
            "duplicates.ApiToken": lambda: self.token,
            "duplicates.AuditRecord": self.record,
            "duplicates.CleanupAction": lambda: self.removal,
            "duplicates.CleanupPlan": lambda: self.plan,
            "duplicates.DuplicateAnalysisExport": self.export,
            "duplicates.DuplicateAnalysisGroup": lambda: self.group,
            "duplicates.DuplicateAnalysisResult": lambda: self.analysis,
            "duplicates.DuplicateAnalysisTrack": lambda: self.group.members.all()[0],
            "duplicates.DuplicatePreferences": lambda: DuplicatePreferences.objects.create(user=self.person),
            "duplicates.KeeperProfile": self.profile,
            "duplicates.NotDuplicate": lambda: self.decision,
            "duplicates.PrecisionSample": lambda: self.sample,
            "duplicates.VersionWord": lambda: VersionWord.objects.create(
                phrase=uuid.uuid4().hex, marker="remix", changed_at=timezone.now()
            ),
            "library.ITunesTrack": lambda: ITunesTrack.objects.create(persistent_id=uuid.uuid4().hex[:16], catalog="x"),
            "library.LibraryChange": lambda: LibraryChange.objects.filter(track_id=copy().pk).first(),
            "library.LibraryImport": lambda: LibraryImport.objects.create(
                source="x", format="csv", file_name="x.csv", started_at=timezone.now()
            ),
            "library.Playlist": lambda: playlist_of(copy()),
            "library.Track": copy,
        }
        return makers[label]().pk if label in makers else User.objects.values_list("pk", flat=True)[0]

    def export(self) -> Any:
        return ExportFactory(analysis=self.analysis)

    def record(self) -> AuditRecord:
        return audit.record("analysis.queued", actor=None, now=timezone.now(), subject=self.analysis)

    @staticmethod
    def profile() -> KeeperProfile:
        return KeeperProfile.objects.create(name=uuid.uuid4().hex, rules=[], changed_at=timezone.now())

    @cached_property
    def plan(self) -> Any:
        group_of(copy(), copy(), analysis=self.analysis)
        return planned(self.analysis)

    @cached_property
    def sample(self) -> Any:
        analysis = plain_analysis()
        groups_in(analysis, "high", 2)
        return drawn(analysis, now=timezone.now())

    def about(self, name: str) -> list[Any]:
        """Return what an address is about."""
        return {
            "duplicates_analysis_progress": lambda: [self.analysis.pk],
            "duplicates_delete_analysis": lambda: [self.analysis.pk],
            "duplicates_decide": lambda: [self.group.pk],
            "duplicates_do_plan": lambda: [self.plan.pk],
            "duplicates_explain_member": lambda: [self.group.pk, self.group.members.get(position=1).track_id],
            "duplicates_export_download": lambda: [ExportFactory(analysis=self.analysis).pk],
            "duplicates_export_progress": lambda: [ExportFactory(analysis=self.analysis).pk],
            "duplicates_import_progress": lambda: [self.row("library.LibraryImport")],
            "duplicates_judge": lambda: [self.sample.groups.all()[0].pk],
            "duplicates_judge_next": lambda: [self.sample.pk],
            "duplicates_plan_progress": lambda: [self.plan.pk],
            "duplicates_preview_removal": lambda: [self.group.pk],
            "library_listen": lambda: [self.group.keeper_track_id],
        }.get(name, list)()


def member_of(role: str) -> User:
    roles.create_roles(apps, "default")
    user: User = UserFactory()
    if role != STAFF:
        user.groups.add(Group.objects.get(name=role))
    return user


def roles_from(least: str) -> tuple[str, ...]:
    return LADDER[LADDER.index(least) :] if least in LADDER else ()


def worlds(settings: LazySettings, folder: Path) -> Iterator[tuple[str, Client, World]]:
    """Yield every role with a client of somebody in it and what there is to ask for."""
    song = folder / "song.mp3"
    song.write_bytes(b"music")
    settings.AUDIO_ROOTS = [str(folder)]
    for role in LADDER:
        person = member_of(role)
        yield role, signed_in(person), World(person, song)


def is_let_in(response: Any) -> bool:
    """Did the server do what was asked, rather than refuse it or lead away from it?"""
    led_away = response.status_code == 302 and response["Location"] in (reverse("admin:index"), reverse("admin:login"))
    return response.status_code not in (403, 404) and not led_away


def label_of(model: Any) -> str:
    return str(model._meta.label)


def names_of_pages() -> set[str]:
    """Return the names of all addresses of the admin that are not those every model has."""
    own = [url for model_admin in admin.site._registry.values() for url in model_admin.get_urls()]
    standard = {
        f"{model._meta.app_label}_{model._meta.model_name}_{name}"
        for model in admin.site._registry
        for name in OF_MODELS
    }
    of_django = {
        *("index", "login", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n"),
        *("view_on_site", "app_list", "auth_user_password_change"),
    }
    everything = {url.name for url in [*own, *admin.site.get_urls()] if getattr(url, "name", None)}
    return everything - standard - of_django


@pytest.fixture(autouse=True)
def whole_admin() -> None:
    """Have every page registered, which happens with the first address."""
    reverse("admin:index")


class TestNothingIsForgotten:
    def test_every_model_has_a_row(self) -> None:
        assert set(MODELS) == {label_of(model) for model in admin.site._registry}

    def test_every_page_has_a_row(self) -> None:
        assert names_of_pages() == {*PAGES, *(name for name, _verb in FORMS)}

    def test_every_verb_of_a_group_has_a_row(self) -> None:
        assert set(review._VERBS) == {verb for name, verb in FORMS if name == "duplicates_decide"}

    def test_every_action_has_a_row(self) -> None:
        request = RequestFactory().get("/")
        request.user = User.objects.create_superuser("root")

        offered = {}
        for model, model_admin in admin.site._registry.items():
            both = (model_admin.get_actions(request, action_location=place) for place in ActionLocation)
            if names := {name for actions in both for name in actions}:
                offered[label_of(model)] = names
        of_django = ("auth.Group", "auth.User")

        assert {label: names for label, names in offered.items() if label not in of_django} == {
            label: set(actions) for label, actions in ACTIONS.items()
        }


@pytest.mark.parametrize("label", MODELS)
def test_rows_are_seen_and_written_from_their_role_on(label: str, settings: LazySettings, tmp_path: Path) -> None:
    name = label.lower().replace(".", "_")
    asked: dict[str, list[str]] = {"view": [], "add": [], "change": [], "delete": []}

    for role, client, world in worlds(settings, tmp_path):
        key = world.row(label)
        # The one page of all settings is where they are changed.
        change = reverse(f"admin:{name}_changelist") if label == "duplicates.SiteSetting" else ""
        answers = {
            "view": client.get(reverse(f"admin:{name}_changelist")),
            "add": client.get(reverse(f"admin:{name}_add")),
            "change": client.post(change or reverse(f"admin:{name}_change", args=[key]), {"nothing": "said"}),
            "delete": client.get(reverse(f"admin:{name}_delete", args=[key])),
        }
        for what, answer in answers.items():
            if is_let_in(answer):
                asked[what].append(role)

    assert {what: tuple(let_in) for what, let_in in asked.items()} == {
        what: roles_from(least) for what, least in zip(asked, MODELS[label], strict=True)
    }


@pytest.mark.parametrize("name", PAGES)
def test_pages_open_from_their_role_on(name: str, settings: LazySettings, tmp_path: Path) -> None:
    let_in = []
    for role, client, world in worlds(settings, tmp_path):
        world.group  # noqa: B018 (so that there is an analysis to be about)
        answer = client.get(reverse(f"admin:{name}", args=world.about(name)))
        if answer.streaming:
            list(answer.streaming_content)  # a file is closed by who has read it
        refused = answer.status_code == 403 or (answer.status_code == 404 and role == STAFF)
        let_in += [] if refused else [role]

    assert tuple(let_in) == roles_from(PAGES[name])


@pytest.mark.parametrize(("name", "verb"), FORMS, ids=[f"{name} {verb}" for name, verb in FORMS])
def test_forms_are_taken_from_their_role_on(name: str, verb: str, settings: LazySettings, tmp_path: Path) -> None:
    let_in = []
    for role, client, world in worlds(settings, tmp_path):
        about = f"{verb}:{world.removal.pk}" if verb == "undo" and name == "duplicates_decide" else verb
        if name == "duplicates_decide":
            group = world.removal.group if verb == "undo" else world.group
            address = reverse(f"admin:{name}", args=[group.pk])  # type: ignore[union-attr]
            about = f"{verb}:{group.keeper_track_id}" if verb != "undo" else about  # type: ignore[union-attr]
        else:
            address = reverse(f"admin:{name}", args=world.about(name))
        chosen = {"analysis": str(world.sample.analysis_id), "per_band": "1"} if "sample" in name else {}
        answer = client.post(address, {"verb": about, "keeper": "0", **chosen})
        let_in += [] if answer.status_code in (403, 404) else [role]

    assert tuple(let_in) == roles_from(FORMS[name, verb])


def _done_by(client: Client, address: str, chosen: dict[str, str]) -> list[str]:
    """Press a button that is not there; return what the server says it did."""
    answer = client.post(address, {**chosen, "confirmed": "yes", "post": "yes"}, follow=True)
    if answer.status_code == 403 or not answer.context:
        return []
    said = messages_of(answer)
    return [one for one in said if "No action selected" not in one and "doesn’t exist" not in one]


@pytest.mark.parametrize("label", ACTIONS)
def test_actions_are_offered_from_their_role_on_and_refused_before(
    label: str, settings: LazySettings, tmp_path: Path
) -> None:
    name = label.lower().replace(".", "_")
    (model,) = (one for one in admin.site._registry if label_of(one) == label)
    model_admin = admin.site._registry[model]
    offered: dict[str, list[str]] = {action: [] for action in ACTIONS[label]}
    done_unoffered = []

    for role, client, world in worlds(settings, tmp_path):
        request = RequestFactory().get("/")
        request.user = world.person
        key = world.row(label)
        for action in ACTIONS[label]:
            if any(action in model_admin.get_actions(request, action_location=place) for place in ActionLocation):
                offered[action].append(role)
                continue
            done_unoffered += [
                (role, action, said)
                for address, field in (
                    (reverse(f"admin:{name}_changelist"), "action"),
                    (reverse(f"admin:{name}_change", args=[key]), "CHANGE_FORM-action"),
                )
                for said in _done_by(client, address, {field: action, "_selected_action": str(key)})
            ]

    assert {action: tuple(let_in) for action, let_in in offered.items()} == {
        action: roles_from(least) for action, least in ACTIONS[label].items()
    }
    assert done_unoffered == []
