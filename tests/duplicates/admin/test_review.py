"""The page of a group as the place where people decide: verbs, queue, permissions, and what it tells."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import CleanupState, Resolution
from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model
from duplicates.models import CleanupAction, DuplicateAnalysisGroup, DuplicateAnalysisResult, NotDuplicate
from duplicates.services import reviewing
from duplicates.services.impact import follow_library
from library.changes import current_revision
from library.models import Track
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.copies import copy, group_of, playlist_of
from tests.duplicates.factories import VIEWS, AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db

WORK = ("duplicates.review_groups", "duplicates.remove_duplicates")


@pytest.fixture
def curator(db: None) -> User:
    """Staff who may decide and remove."""
    return UserFactory(username="mara", permissions=(*VIEWS, *WORK))


def analysis() -> DuplicateAnalysisResult:
    tables = shipped_model(EngineSettings()).to_bytes()
    return AnalysisFactory(library_revision=current_revision(), learnt_tables=tables)


def pairs(count: int, **values: Any) -> list[DuplicateAnalysisGroup]:
    """Return groups of two copies in one analysis."""
    tracks = [(copy(title=f"Song {n}", play_count=36), copy(title=f"Song {n}", play_count=14)) for n in range(count)]
    of = analysis()
    return [group_of(*two, analysis=of, **values) for two in tracks]


def page(group: DuplicateAnalysisGroup, queue: str | None = None) -> str:
    address = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk])
    return f"{address}?_changelist_filters={quote(queue)}" if queue else address


def open_queue(group: DuplicateAnalysisGroup) -> str:
    return f"analysis={group.analysis_id}&decision=open"


def decide(client: Client, group: DuplicateAnalysisGroup, verb: str, queue: str | None = None, **fields: Any) -> Any:
    """Press a button of the page as it was loaded just before, unless a version is given."""
    address = reverse("admin:duplicates_decide", args=[group.pk])
    group.refresh_from_db()
    form = {"verb": verb, "version": group.version, "keeper": group.keeper_track_id, **fields}
    query = f"?_changelist_filters={quote(queue)}" if queue else ""
    return client.post(address + query, form, follow=True)


def others(group: DuplicateAnalysisGroup) -> list[int]:
    return list(group.members.filter(is_canonical=False).values_list("track_id", flat=True))


def shown(response: Any) -> str:
    return " ".join(response.content.decode().split())


class TestVerbs:
    def test_removing_the_others_is_done_in_one_step_and_undone_in_one(self, curator: User) -> None:
        client, (group,) = signed_in(curator), pairs(1)
        keeper = Track.objects.get(pk=group.keeper_track_id)

        removed = decide(client, group, "remove", removing=others(group))
        keeper.refresh_from_db()
        told, plays = shown(removed), keeper.play_count
        undone = decide(client, group, removed.context["last"]["verb"])

        keeper.refresh_from_db()
        assert "Removed 1 copy of #1 Song 0 by unknown artist; 14 plays moved." in told
        assert (plays, keeper.play_count) == (50, 36)
        assert messages_of(undone) == ["Undone: 1 copy is back."]
        assert CleanupAction.objects.get().state == CleanupState.UNDONE

    def test_only_the_ticked_copies_go_and_the_group_stays_open(self, curator: User) -> None:
        group = group_of(copy(), copy(), copy(), analysis=analysis())
        first, second = others(group)

        response = decide(signed_in(curator), group, "remove", removing=[first])

        assert list(Track.objects.quarantined().values_list("pk", flat=True)) == [first]
        assert (response.context["original"].is_resolved, second in others(group)) == (False, True)

    @pytest.mark.parametrize(
        ("verb", "resolution", "sentence"),
        [
            ("not_duplicates", "not_duplicates", "Later analyses keep them apart"),
            ("later", "manual_review", "Set aside for later"),
        ],
    )
    def test_a_decision_is_saved_and_taken_back(self, curator: User, verb: str, resolution: str, sentence: str) -> None:
        client, (group,) = signed_in(curator), pairs(1)

        decided = decide(client, group, verb)
        group.refresh_from_db()
        was = group.resolution
        decide(client, group, decided.context["last"]["verb"])

        group.refresh_from_db()
        assert (was, sentence in shown(decided)) == (resolution, True)
        assert (group.is_resolved, NotDuplicate.objects.filter(revoked_at=None).exists()) == (False, False)

    def test_another_keeper_is_chosen_and_taken_back(self, curator: User) -> None:
        client, (group,) = signed_in(curator), pairs(1)
        before, (other,) = group.keeper_track_id, others(group)

        chosen = decide(client, group, f"keep:{other}")
        group.refresh_from_db()
        after = group.keeper_track_id
        decide(client, group, chosen.context["last"]["verb"])

        group.refresh_from_db()
        assert (after, group.keeper_track_id) == (other, before)
        assert f"Track {other} is the keeper now." in shown(chosen)

    def test_a_member_is_split_out_and_put_back(self, curator: User) -> None:
        client, group = signed_in(curator), group_of(copy(), copy(), copy(), analysis=analysis())
        _, stranger = others(group)

        split = decide(client, group, f"split:{stranger}")
        back = decide(client, group, f"put_back:{stranger}")

        assert f'value="put_back:{stranger}"' in shown(split)
        assert f'value="{stranger}" form="decision" checked' not in shown(split)
        assert f'value="{stranger}" form="decision" checked' in shown(back)

    def test_an_undo_that_meets_a_later_edit_asks(self, curator: User) -> None:
        client, (group,) = signed_in(curator), pairs(1)
        decide(client, group, "remove", removing=others(group))
        Track.objects.filter(pk=group.keeper_track_id).update(play_count=52)
        action = CleanupAction.objects.get()

        asked = decide(client, group, f"undo:{action.pk}")
        answered = decide(client, group, f"undo:{action.pk}", later_edits="keep")

        assert "play count of track" in asked.context["conflict"]["sentence"]
        assert "Undo and keep the later values" in shown(asked)
        assert messages_of(answered) == ["Undone: 1 copy is back."]
        assert Track.objects.get(pk=group.keeper_track_id).play_count == 38

    @pytest.mark.parametrize(
        ("verb", "fields", "sentence"),
        [
            ("remove", {"removing": []}, "Not saved. Name at least one copy to remove."),
            ("remove", {"removing": ["x"]}, "Not saved. 'x' is no track."),
            ("split:99999999", {}, "Not saved. Track 99999999 is no member of"),
            ("keep:", {}, "Not saved. '' is no track."),
            ("undo:nonsense", {}, "Not saved. There is nothing here to undo."),
            ("explode", {}, "Nothing was done: the page asked for something unknown."),
            ("reopen", {}, "Not saved. #1 Song 0 by unknown artist is open."),
        ],
    )
    def test_what_cannot_be_done_is_said_in_words(
        self, curator: User, verb: str, fields: dict[str, Any], sentence: str
    ) -> None:
        (group,) = pairs(1)

        response = decide(signed_in(curator), group, verb, **fields)

        assert messages_of(response)[0].startswith(sentence)

    def test_the_loser_of_two_reviewers_is_told_what_the_other_did(self, curator: User) -> None:
        (group,) = pairs(1)
        seen = group.version
        ines = UserFactory(username="ines")
        reviewing.decide(group=group, resolution=Resolution.NOT_DUPLICATES, actor=ines, now=timezone.now())

        response = decide(signed_in(curator), group, "remove", version=seen, removing=others(group))

        (told,) = messages_of(response)
        assert told.startswith("Not saved. ines has decided about #1 Song 0")
        assert not CleanupAction.objects.exists()

    def test_a_decision_lost_to_a_log_out_is_said_to_be_lost(self, curator: User) -> None:
        (group,) = pairs(1)
        address = reverse("admin:duplicates_decide", args=[group.pk])
        sent = Client().post(address, {"verb": "not_duplicates"})

        response = signed_in(curator).get(sent.url.partition("?next=")[2], follow=True)

        assert sent.url.startswith(reverse("admin:login"))
        assert "your last decision is not saved" in messages_of(response)[0]
        group.refresh_from_db()
        assert not group.is_resolved


class TestPermissions:
    @pytest.mark.parametrize(
        ("permission", "verbs"),
        [
            (None, set()),
            ("duplicates.review_groups", {"not_duplicates", "later", "keep", "split"}),
            ("duplicates.remove_duplicates", {"remove"}),
        ],
        ids=["viewer", "reviewer", "remover"],
    )
    def test_what_one_may_not_do_is_neither_shown_nor_done(self, permission: str | None, verbs: set[str]) -> None:
        client = signed_in(UserFactory(permissions=(*VIEWS, *([permission] if permission else []))))
        group = group_of(copy(), copy(), copy(), analysis=analysis())
        track = others(group)[0]
        known = {
            "remove": "remove", "not_duplicates": "not_duplicates", "later": "later", "keep": f"keep:{track}",
            "split": f"split:{track}",
        }  # fmt: skip

        text = shown(client.get(page(group)))
        refused = {
            name for name, verb in known.items() if name not in verbs and decide(client, group, verb).status_code == 403
        }

        assert {name for name, verb in known.items() if f'value="{verb}"' in text} == verbs
        assert refused == set(known) - verbs
        group.refresh_from_db()
        assert (group.is_resolved, Track.objects.quarantined().exists()) == (False, False)

    def test_a_foreign_group_is_as_good_as_none(self, curator: User) -> None:
        foreign = GroupFactory(analysis__user=UserFactory())

        assert decide(signed_in(curator), foreign, "not_duplicates").status_code == 404

    def test_a_decision_needs_the_token_of_the_form(self, curator: User) -> None:
        (group,) = pairs(1)
        client = Client(enforce_csrf_checks=True)
        client.force_login(curator)

        response = client.post(reverse("admin:duplicates_decide", args=[group.pk]), {"verb": "later"})

        assert response.status_code == 403


class TestQueue:
    def test_a_decision_leads_to_the_next_open_group_and_says_what_was_done(self, curator: User) -> None:
        first, second, third = pairs(3)
        reviewing.decide(group=second, resolution=Resolution.NOT_DUPLICATES, actor=None, now=timezone.now())

        response = decide(signed_in(curator), first, "later", open_queue(first))

        assert response.context["original"] == third
        assert "Set aside for later: #1 Song 0" in shown(response)

    def test_the_end_of_the_queue_begins_again_with_what_was_skipped(self, curator: User) -> None:
        first, _, third = pairs(3)

        response = decide(signed_in(curator), third, "later", open_queue(third))

        assert response.context["original"] == first

    def test_the_last_one_says_so_and_can_be_undone(self, curator: User) -> None:
        (only,) = pairs(1)

        response = decide(signed_in(curator), only, "later", open_queue(only))

        assert messages_of(response) == ["That was the last group of this queue."]
        assert response.context["last"]["verb"] == "reopen"

    def test_a_group_opened_by_itself_is_not_left(self, curator: User) -> None:
        first, _ = pairs(2)

        assert decide(signed_in(curator), first, "later").context["original"] == first

    def test_the_place_stays_true_while_one_decides(self, curator: User) -> None:
        client, groups = signed_in(curator), pairs(5)
        queue = open_queue(groups[0])

        before = client.get(page(groups[2], queue)).context["place"]
        after = decide(client, groups[2], "later", queue).context["place"]

        assert (before.number, before.total, before.left) == (3, 5, 5)
        assert (after.number, after.total, after.left) == (4, 5, 4)

    def test_equal_ones_keep_a_fixed_order(self, curator: User) -> None:
        client, groups = signed_in(curator), pairs(4)
        listing = reverse("admin:duplicates_duplicateanalysisgroup_changelist")
        column = client.get(listing).context["cl"].list_display.index("sure")
        queue = f"{open_queue(groups[0])}&o={column}"
        expected = [row.pk for row in client.get(f"{listing}?{queue}").context["cl"].result_list]

        walked, address = [], page(DuplicateAnalysisGroup(pk=expected[0]), queue)
        while address:
            place = client.get(address).context["place"]
            walked.append(address)
            address = place.next_url

        assert [f"/{pk}/" in address for pk, address in zip(expected, walked, strict=True)] == [True] * 4
        assert place.number == 4

    def test_filters_narrow_the_queue(self, curator: User) -> None:
        groups = pairs(3)
        DuplicateAnalysisGroup.objects.filter(pk=groups[1].pk).update(confidence=0.5)
        queue = f"{open_queue(groups[0])}&band=very_high"

        place = signed_in(curator).get(page(groups[0], queue)).context["place"]

        assert (place.total, f"/{groups[2].pk}/" in place.next_url) == (2, True)

    @pytest.mark.parametrize("queue", ["analysis=nonsense", "o=99", "band=purple", "unknown__field=1", "%00"])
    def test_an_address_no_list_has_is_the_analysis_in_its_order(self, curator: User, queue: str) -> None:
        first, second = pairs(2)

        place = signed_in(curator).get(page(first, queue)).context["place"]

        assert (place.number, place.total, f"/{second.pk}/" in place.next_url) == (1, 2, True)

    def test_a_colleague_who_opens_the_link_sees_the_same_place(self, curator: User) -> None:
        groups = pairs(3)
        address = page(groups[1], open_queue(groups[0]))

        mine, theirs = (
            signed_in(user).get(address).context["place"] for user in (curator, UserFactory(permissions=VIEWS))
        )

        assert mine == theirs


class TestTold:
    def test_the_preview_says_what_the_keeper_takes_over(self, curator: User) -> None:
        kept, gone = copy(play_count=36, rating=60), copy(play_count=14, rating=80)
        playlist_of(gone, copy(title="Other"), gone)
        group = group_of(kept, gone, analysis=analysis())

        text = shown(signed_in(curator).get(page(group)))

        assert "When 1 copy is removed, the keeper takes over" in text
        assert '<th scope="row">Plays</th><td>36</td><td aria-hidden="true">→</td><td><strong>50</strong>' in text
        assert "the keeper takes places 1, 3" in text

    def test_the_script_asks_for_the_preview_of_a_choice(self, curator: User) -> None:
        group = group_of(copy(play_count=1), copy(play_count=2), copy(play_count=4), analysis=analysis())
        address = reverse("admin:duplicates_preview_removal", args=[group.pk])

        one = shown(signed_in(curator).get(address, {"removing": [others(group)[1]]}))
        none = shown(signed_in(curator).get(address))

        assert "<strong>5</strong>" in one
        assert "Nothing is ticked for removal" in none

    def test_a_copy_that_cannot_go_says_why_and_the_way_out(self, curator: User) -> None:
        protected = copy(is_protected=True)
        group = group_of(copy(), protected, copy(), analysis=analysis())

        text = shown(signed_in(curator).get(page(group)))

        assert "A copy is protected from removal. Take its protection away first, or make it the keeper." in text
        assert f'value="{protected.pk}" form="decision"' not in text

    def test_versions_a_title_names_are_badges(self, curator: User) -> None:
        group = group_of(copy(), copy(title="Harbour Lights (Live at the Mill)"), analysis=analysis())

        text = shown(signed_in(curator).get(page(group)))

        assert '<span class="badge badge-info">Live</span>' in text

    def test_playlists_at_stake_are_named(self, curator: User) -> None:
        kept, gone = copy(), copy()
        playlist = playlist_of(gone)
        group = group_of(kept, gone, analysis=analysis())

        assert f"{playlist.name}, place 1" in shown(signed_in(curator).get(page(group)))

    def test_it_says_that_decisions_here_come_too_late_for_the_refresh(self, curator: User) -> None:
        (group,) = pairs(1)
        address = page(group)
        newer = AnalysisFactory(predecessor=group.analysis, status="failed")
        theirs = AnalysisFactory(predecessor=group.analysis, user=UserFactory())
        assert "refreshed since" not in shown(signed_in(curator).get(address))

        AnalysisFactory(predecessor=group.analysis, pk=(mine := uuid4()))

        said = shown(signed_in(curator).get(address))
        assert "refreshed since" in said
        assert reverse("admin:duplicates_duplicateanalysisresult_change", args=[mine]) in said
        assert not any(str(other.pk) in said for other in (newer, theirs))

    def test_it_takes_few_queries_however_many_members(self, curator: User, django_assert_max_num_queries: Any) -> None:
        client, of = signed_in(curator), analysis()
        small = group_of(copy(), copy(), analysis=of)
        large = group_of(*(copy() for _ in range(20)), analysis=of)
        playlist_of(*Track.objects.all())
        follow_library(now=timezone.now())
        client.get(page(small, open_queue(small)))

        for group in (small, large):
            with django_assert_max_num_queries(28):
                client.get(page(group, open_queue(group)))


class TestAnyPair:
    def test_it_says_why_two_tracks_are_no_group(self, curator: User) -> None:
        of, left, right = analysis(), copy(title="Paper Moons"), copy(title="Copper Wire", artist="Foundry Row")

        response = signed_in(curator).get(
            reverse("admin:duplicates_explain_pair"), {"analysis": of.pk, "left": left.pk, "right": right.pk}
        )

        assert "They are not a group." in shown(response)

    @pytest.mark.parametrize(("right", "sentence"), [("0", "There is no track"), ("x:y", "There is no track")])
    def test_a_track_that_is_not_there_is_said_so(self, curator: User, right: str, sentence: str) -> None:
        left = copy()

        response = signed_in(curator).get(reverse("admin:duplicates_explain_pair"), {"left": left.pk, "right": right})

        assert sentence in shown(response)

    def test_it_asks_for_two_tracks_first(self, curator: User) -> None:
        response = signed_in(curator).get(reverse("admin:duplicates_explain_pair"))

        assert (response.status_code, 'name="right"' in shown(response)) == (200, True)
