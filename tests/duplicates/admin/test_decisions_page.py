"""The pages of decisions, history, impact and a track's story: who sees them, what they say, how many queries."""

import io
import zipfile
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.models import NotDuplicate
from duplicates.services import audit
from duplicates.services.decision_files import export_decisions
from duplicates.services.decision_review import settle_decisions
from library.models import Track
from tests.duplicates.admin.conftest import messages_of, page, signed_in
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import VIEWS, AnalysisFactory, UserFactory
from tests.duplicates.test_decision_memory import declare
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db
DECISIONS = "admin:duplicates_notduplicate_changelist"
IMPORT = "admin:duplicates_decisions_import"
HISTORY = "admin:duplicates_history"


@pytest.fixture
def reviewer(db: None) -> User:
    return UserFactory(permissions=(*VIEWS, "duplicates.view_notduplicate", "duplicates.review_groups"))


class TestDecisions:
    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, admin_client: Client, django_assert_num_queries: Any
    ) -> None:
        declare(copy(), copy())
        admin_client.get(reverse(DECISIONS))
        with django_assert_num_queries(4):
            admin_client.get(reverse(DECISIONS))

        for _ in range(12):
            declare(copy(), copy())
        with django_assert_num_queries(4):
            admin_client.get(reverse(DECISIONS))

    @pytest.mark.parametrize(("state", "seen"), [("in_force", "A"), ("taken_back", "B"), ("reopened", "C")])
    def test_are_found_by_their_state(self, admin_client: Client, state: str, seen: str) -> None:
        taken, changed = declare(copy(title="B"), copy(title="B")), declare(copy(title="C"), copy(title="C"))
        NotDuplicate.objects.filter(pk=taken.pk).update(revoked_at=NOW)
        Track.objects.filter(title="C").update(title="D")
        declare(copy(title="A"), copy(title="A"))
        settle_decisions(now=NOW)

        shown = admin_client.get(reverse(DECISIONS), {"state": state}).content.decode()

        assert [f">{name} by " in shown for name in "ABC"] == [name == seen for name in "ABC"]
        changed.refresh_from_db()
        assert changed.reopened_because

    def test_are_taken_back_by_those_who_may_decide(self, reviewer: User, viewer: User) -> None:
        decision = declare(copy(), copy())
        chosen = {"action": "take_decisions_back", "_selected_action": [str(decision.pk)]}

        signed_in(viewer).post(reverse(DECISIONS), chosen)
        assert NotDuplicate.objects.in_force().exists()

        done = signed_in(reviewer).post(reverse(DECISIONS), chosen, follow=True)
        assert messages_of(done) == ["Took 1 decision back."]
        assert not NotDuplicate.objects.in_force().exists()

    def test_say_what_changed_on_their_page(self, admin_client: Client) -> None:
        decision = declare(copy(), copy())
        Track.objects.update(title="Low Tide")
        settle_decisions(now=NOW)

        shown = admin_client.get(reverse("admin:duplicates_notduplicate_change", args=[decision.pk])).content.decode()

        assert "is “Low Tide”" in shown

    def test_leave_as_a_file(self, reviewer: User) -> None:
        declare(copy(), copy())

        answer = signed_in(reviewer).get(reverse("admin:duplicates_decisions_export"))

        assert b"".join(answer.streaming_content).decode() == "".join(export_decisions())  # type: ignore[attr-defined]

    def send(self, client: Client, text: bytes, **answers: str) -> Any:
        return client.post(reverse(IMPORT), {"file": SimpleUploadedFile("decisions.csv", text), **answers})

    def test_come_from_a_file_after_a_look(self, reviewer: User) -> None:
        declare(copy(), copy())
        text = "".join(export_decisions()).encode()
        NotDuplicate.objects.all().delete()
        client = signed_in(reviewer)

        assert "1 would be added. Nothing was changed." in self.send(client, text, only_check="on").content.decode()
        assert not NotDuplicate.objects.exists()

        assert "1 row; 1 added." in self.send(client, text).content.decode()
        assert NotDuplicate.objects.count() == 1

    def test_of_a_file_that_contradicts_are_named(self, reviewer: User) -> None:
        text = b"left_source,left_source_track_id,right_source,right_source_track_id\ntest,a,test,a\n"

        shown = self.send(signed_in(reviewer), text).content.decode()

        assert "SAME_TRACK" in shown
        assert "Line 2" in shown

    @pytest.mark.parametrize(("text", "says"), [(b"\xff", "not UTF-8"), (b"a,b\n", "no column"), (b"", "empty")])
    def test_of_a_file_of_no_use_are_refused(self, reviewer: User, text: bytes, says: str) -> None:
        assert says in self.send(signed_in(reviewer), text).content.decode()

    @pytest.mark.parametrize("name", ["export", "import"])
    def test_files_are_for_those_who_may_decide(self, viewer: User, name: str) -> None:
        assert signed_in(viewer).get(reverse(f"admin:duplicates_decisions_{name}")).status_code == 403


class TestHistory:
    def test_the_number_of_queries_does_not_grow_with_the_records(
        self, admin_client: Client, django_assert_num_queries: Any
    ) -> None:
        audit.record("groups.resolved", actor=None, now=timezone.now(), counts={"groups": 3})
        admin_client.get(reverse(HISTORY))
        with django_assert_num_queries(18):
            admin_client.get(reverse(HISTORY))

        for _ in range(12):
            audit.record("groups.resolved", actor=None, now=timezone.now(), counts={"groups": 3})
        with django_assert_num_queries(18):
            admin_client.get(reverse(HISTORY))

    @pytest.mark.parametrize(("days", "shown"), [("90", 13), ("30", 5), ("", 5), ("nonsense", 5), ("-1", 5)])
    def test_shows_the_weeks_of_the_period(self, admin_client: Client, days: str, shown: int) -> None:
        answer = admin_client.get(reverse(HISTORY), {"days": days})

        assert len(answer.context["weeks"]) == shown
        assert "Nothing was cleaned up" in answer.content.decode()

    def test_is_for_those_who_see_everybodys(self, colleague: User, overseer: User) -> None:
        assert signed_in(colleague).get(reverse(HISTORY)).status_code == 403
        assert signed_in(overseer).get(reverse(HISTORY)).status_code == 200

    def test_is_offered_beside_the_trail(self, overseer: User, colleague: User) -> None:
        trail = reverse("admin:duplicates_auditrecord_changelist")

        assert reverse(HISTORY) in signed_in(overseer).get(trail).content.decode()
        assert reverse(HISTORY) not in signed_in(colleague).get(trail).content.decode()


class TestImpact:
    def test_is_said_on_the_page_of_the_analysis(self, admin_client: Client) -> None:
        analysis = AnalysisFactory()
        kept, gone = copy(), copy(play_count=14, size_bytes=4_000)
        remove(group_of(kept, gone, analysis=analysis), gone)

        shown = admin_client.get(page(analysis)).content.decode()

        assert "1 of 1 (100 %)" in shown
        assert "A new analysis is recommended." in shown
        assert "100 % of the groups are decided." in shown

    def test_is_left_out_while_nothing_was_done(self, admin_client: Client) -> None:
        group = group_of(copy(), copy())

        assert 'id="impact"' not in admin_client.get(page(group.analysis)).content.decode()


class TestTrack:
    def test_tells_its_story(self, admin_client: Client) -> None:
        kept, gone = copy(), copy()
        remove(group_of(kept, gone), gone)

        shown = admin_client.get(reverse("admin:library_track_change", args=[gone.pk])).content.decode()

        assert f"Removed in favour of track {kept.pk}" in shown

    def test_is_deleted_after_a_question(self, admin_client: Client) -> None:
        track = copy()
        address = reverse("admin:library_track_delete", args=[track.pk])

        assert "goes for good" in admin_client.get(address).content.decode()
        done = admin_client.post(address, follow=True)

        assert messages_of(done) == ["Deleted Harbour Lights by The Quiet Tide."]
        assert not Track.objects.exists()

    def test_the_last_copy_wants_a_question_of_its_own(self, admin_client: Client) -> None:
        kept, gone = copy(), copy()
        remove(group_of(kept, gone), gone)
        address = reverse("admin:library_track_delete", args=[kept.pk])

        assert "is what is left of 2 copies" in admin_client.get(address).content.decode()
        admin_client.post(address)
        assert Track.objects.filter(pk=kept.pk).exists()

        admin_client.post(address, {"last_copy": "yes"})
        assert not Track.objects.filter(pk=kept.pk).exists()

    def test_is_not_deleted_by_those_who_may_not(self, reviewer: User) -> None:
        address = reverse("admin:library_track_delete", args=[copy().pk])

        assert signed_in(reviewer).post(address).status_code == 403

    def test_the_removal_plan_is_one_archive(self, admin_client: Client) -> None:
        kept, gone = copy(location="/music/kept.flac"), copy(location="/music/copy.mp3")
        remove(group_of(kept, gone), gone)

        answer = admin_client.get(reverse("admin:duplicates_removal_plan"))

        archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
        assert sorted(archive.namelist()) == ["removal-plan.csv", "removal-plan.m3u8", "removal-plan.sh"]
        assert b"'/music/copy.mp3'" in archive.read("removal-plan.sh")

    def test_the_removal_plan_is_for_those_who_remove_and_see_files(self, reviewer: User) -> None:
        assert signed_in(reviewer).get(reverse("admin:duplicates_removal_plan")).status_code == 403

    def test_no_plan_of_nothing(self, admin_client: Client) -> None:
        answer = admin_client.get(reverse("admin:duplicates_removal_plan"), follow=True)

        assert "Nothing is in quarantine" in messages_of(answer)[0]
