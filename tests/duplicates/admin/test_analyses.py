"""The pages of analyses: who sees which, what one may start, and how a run is followed."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus, ExportStatus, Trigger
from duplicates.models import AuditRecord, DuplicateAnalysisExport, DuplicateAnalysisResult
from duplicates.services import refreshing, workers
from duplicates.services.options import AnalysisOptions
from duplicates.services.progress import AnalysisProgress
from tests.duplicates.admin.conftest import LIST, do, messages_of, page, press, signed_in
from tests.duplicates.copies import copy
from tests.duplicates.factories import VIEWS, AnalysisFactory, GroupFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queue")]


def running(user: User | None = None, **progress: Any) -> DuplicateAnalysisResult:
    """Make an analysis that a worker holds."""
    return AnalysisFactory(
        user=user,
        status=AnalysisStatus.RUNNING,
        lease_token=uuid.uuid4(),
        slot=DuplicateAnalysisResult.objects.count() + 1,
        lease_until=timezone.now() + timedelta(seconds=30),
        phase="analyzing_similarities",
        progress=AnalysisProgress("", "running", **progress).as_json(),
        completed_at=None,
    )


class TestWhoSeesWhich:
    def test_staff_see_their_own_and_the_systems(self, colleague: User) -> None:
        AnalysisFactory(user=colleague, search_term="mine")
        AnalysisFactory(search_term="the system's")
        AnalysisFactory(user=UserFactory(), search_term="foreign")

        shown = signed_in(colleague).get(reverse(LIST)).content.decode()

        assert "mine" in shown
        assert "the system" in shown
        assert "foreign" not in shown

    def test_with_the_permission_everybodys_are_seen(self, overseer: User) -> None:
        AnalysisFactory(user=UserFactory(), search_term="foreign")

        assert "foreign" in signed_in(overseer).get(reverse(LIST)).content.decode()

    def test_a_foreign_page_is_as_good_as_none(self, colleague: User) -> None:
        foreign = AnalysisFactory(user=UserFactory())

        response = signed_in(colleague).get(page(foreign))

        assert response.status_code == 302
        assert response.url == reverse("admin:index")

    def test_foreign_progress_is_not_found(self, colleague: User) -> None:
        foreign = running(user=UserFactory())

        response = signed_in(colleague).get(reverse("admin:duplicates_analysis_progress", args=[foreign.pk]))

        assert response.status_code == 404

    def test_progress_is_seen_by_its_owner_and_by_those_who_see_everybodys(
        self, colleague: User, overseer: User
    ) -> None:
        address = reverse("admin:duplicates_analysis_progress", args=[running(user=colleague, percentage=42.0).pk])

        seen = [signed_in(person).get(address).json()["percentage"] for person in (colleague, overseer)]

        assert seen == [42.0, 42.0]

    def test_a_foreign_analysis_cannot_be_cancelled_by_naming_it(self, colleague: User) -> None:
        foreign = running(user=UserFactory())

        do(signed_in(colleague), "cancel", foreign)

        foreign.refresh_from_db()
        assert foreign.status == AnalysisStatus.RUNNING


class TestList:
    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, colleague: User, django_assert_num_queries: Any
    ) -> None:
        client = signed_in(colleague)
        AnalysisFactory(user=colleague)
        with django_assert_num_queries(9):
            client.get(reverse(LIST))

        AnalysisFactory.create_batch(15, user=colleague)
        with django_assert_num_queries(9):
            client.get(reverse(LIST))

    def test_an_empty_list_says_how_to_start(self, colleague: User) -> None:
        assert "No analysis yet. Start one" in signed_in(colleague).get(reverse(LIST)).content.decode()

    def test_an_old_result_is_called_stale(self, colleague: User) -> None:
        AnalysisFactory(created_at=timezone.now() - timedelta(days=3))

        shown = signed_in(colleague).get(reverse(LIST)).content.decode()

        assert "3 days ago" in shown.replace("\xa0", " ")
        assert '<span class="badge badge-bad">Stale</span>' in shown


class TestPage:
    def test_it_takes_few_queries_however_many_groups(self, colleague: User, django_assert_num_queries: Any) -> None:
        client, analysis = signed_in(colleague), AnalysisFactory(user=colleague)
        GroupFactory(analysis=analysis)
        client.get(page(analysis))  # the first request fills Django's memory of content types
        with django_assert_num_queries(14):
            client.get(page(analysis))

        GroupFactory.create_batch(12, analysis=analysis)
        with django_assert_num_queries(14):
            client.get(page(analysis))

    def test_it_links_to_its_groups(self, colleague: User) -> None:
        analysis = AnalysisFactory()

        shown = signed_in(colleague).get(page(analysis)).content.decode()

        assert f"{reverse('admin:duplicates_duplicateanalysisgroup_changelist')}?analysis={analysis.pk}" in shown

    def test_it_names_the_tracks_that_hold_too_little_to_be_judged(self, colleague: User) -> None:
        bare, nameless = copy(title="Interlude", artist="", album=""), copy(title="", artist="")
        ids = [bare.pk, nameless.pk]
        analysis = AnalysisFactory(user=None, not_enough_data=ids, not_enough_data_count=1_200)
        of_analyses_alone = UserFactory(permissions=[name for name in VIEWS if name != "library.view_track"])

        linked, plain = (signed_in(one).get(page(analysis)).content.decode() for one in (colleague, of_analyses_alone))

        assert (
            f'<a href="{reverse("admin:library_track_change", args=[bare.pk])}">Interlude by unknown artist' in linked
        )
        assert "<li>Interlude by unknown artist</li>" in plain
        assert "The first 2 of 1,200." in plain

    def test_a_failure_shows_its_sentence_its_code_and_retry(self, colleague: User) -> None:
        failed = AnalysisFactory(
            status=AnalysisStatus.FAILED, error_code="ANALYSIS_TIMEOUT", error_message="It took too long."
        )

        shown = signed_in(colleague).get(page(failed)).content.decode()

        assert "It took too long." in shown
        assert "ANALYSIS_TIMEOUT" in shown
        assert "Retry" in shown

    def test_a_refresh_under_way_disables_the_button_and_shows_its_percent(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague)
        refresh = running(user=colleague, percentage=42.0)
        DuplicateAnalysisResult.objects.filter(pk=refresh.pk).update(
            parameters_fingerprint=analysis.parameters_fingerprint
        )

        shown = " ".join(signed_in(colleague).get(page(analysis)).content.decode().split())

        assert 'value="refresh" disabled>Refresh <span data-show="percent_text">42 %</span></button>' in shown
        assert reverse("admin:duplicates_analysis_progress", args=[refresh.pk]) in shown
        assert page(refresh) in shown

    def test_a_refresh_with_other_version_words_is_one_too(self, colleague: User) -> None:
        """A word taught in between changes what is asked; the button stayed enabled, and pressing it was refused."""
        analysis = AnalysisFactory(user=colleague)
        refresh = running(user=colleague, percentage=42.0)
        DuplicateAnalysisResult.objects.filter(pk=refresh.pk).update(
            parameters_fingerprint="of other words", predecessor=analysis
        )

        shown = " ".join(signed_in(colleague).get(page(analysis)).content.decode().split())

        assert 'value="refresh" disabled>Refresh <span data-show="percent_text">42 %</span></button>' in shown

    def test_no_page_carries_inline_styles_or_scripts(self, colleague: User) -> None:
        shown = signed_in(colleague).get(page(running(percentage=42.0))).content.decode()

        assert "style=" not in shown
        assert "<script>" not in shown


class TestProgress:
    def test_a_running_analysis_says_where_it_is(self, colleague: User) -> None:
        analysis = running(
            percentage=42.3,
            message="Comparing tracks",
            tracks_processed=23_412,
            total_tracks=60_000,
            groups_found=310,
            estimated_seconds_remaining=75,
        )

        response = signed_in(colleague).get(reverse("admin:duplicates_analysis_progress", args=[analysis.pk]))
        values = json.loads(response.content)

        assert values["percentage"] == 42.3
        assert values["tracks_text"] == "23,412 of 60,000 tracks in this step"
        assert values["time_left_text"] == "about 1 min 15 s left"
        assert values["is_active"] is True
        assert "no-store" in response["Cache-Control"]

    def test_the_page_shows_the_same_without_a_script(self, colleague: User) -> None:
        analysis = running(percentage=42.3, message="Comparing tracks")

        shown = signed_in(colleague).get(page(analysis)).content.decode()

        assert 'max="100" value="42.3"' in shown
        assert "Comparing tracks" in shown

    def test_a_finished_analysis_ends_the_polling(self, colleague: User) -> None:
        analysis = AnalysisFactory()

        response = signed_in(colleague).get(reverse("admin:duplicates_analysis_progress", args=[analysis.pk]))

        assert json.loads(response.content)["is_active"] is False

    @pytest.mark.parametrize(
        ("seen_seconds_ago", "needs_worker"),
        [
            pytest.param(None, True, id="no worker"),
            pytest.param(60, True, id="a worker that fell silent"),
            pytest.param(1, False, id="a worker is there"),
        ],
    )
    def test_a_queue_without_worker_names_the_command(
        self, colleague: User, seen_seconds_ago: int | None, needs_worker: bool
    ) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.QUEUED, started_at=None)
        if seen_seconds_ago is not None:
            workers.show_alive("w1", now=timezone.now() - timedelta(seconds=seen_seconds_ago))

        response = signed_in(colleague).get(reverse("admin:duplicates_analysis_progress", args=[analysis.pk]))
        values = json.loads(response.content)

        assert values["needs_worker"] is needs_worker
        assert values["worker_command"] == "uv run manage.py run_workers"


class TestActions:
    def test_refresh_counts_what_it_queued_and_what_was_running(
        self, colleague: User, queue: list[uuid.UUID], django_capture_on_commit_callbacks: Any
    ) -> None:
        analyses = AnalysisFactory.create_batch(3, user=colleague)
        refreshing.refresh_analysis(analyses[0], actor=colleague, now=timezone.now())

        with django_capture_on_commit_callbacks(execute=True):
            response = do(signed_in(colleague), "refresh", *analyses)

        assert messages_of(response) == ["Queued 2 refreshes; 1 was already running."]
        assert len(queue) == 2

    def test_refresh_on_the_page_leads_to_the_new_run(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague)

        response = press(signed_in(colleague), "refresh", analysis)

        successor = DuplicateAnalysisResult.objects.get(predecessor=analysis)
        assert response.redirect_chain == [(page(successor), 302)]
        assert successor.parameters == analysis.parameters

    @pytest.mark.parametrize("choose", [do, press], ids=["list", "page"])
    def test_run_analysis_begins_with_the_settings_of_the_chosen_one(self, colleague: User, choose: Any) -> None:
        wanted = AnalysisOptions(preset="song", search="moon", min_confidence=0.57, ignored_fields=("isrc",))
        analysis = AnalysisFactory(user=colleague, preset="song", parameters=wanted.as_parameters())

        form = choose(signed_in(colleague), "run_analysis", analysis).context["form"]

        fields = ("preset", "search", "min_confidence", "ignored_fields", "fold_remasters")
        assert [form[name].value() for name in fields] == ["song", "moon", 57, ["isrc"], True]
        assert DuplicateAnalysisResult.objects.count() == 1

    @pytest.mark.parametrize("like", ["nonsense", "0b8e79a2-7bcd-45b5-92a3-f85906aa391c"])
    def test_a_form_like_nothing_begins_with_the_preferences(self, colleague: User, like: str) -> None:
        answer = signed_in(colleague).get(reverse("admin:duplicates_run_analysis"), {"like": like})

        assert answer.context["form"]["preset"].value() == "recording"

    def test_a_small_export_is_written_at_once(self, colleague: User) -> None:
        response = press(signed_in(colleague), "export_jsonl", AnalysisFactory(user=colleague))

        assert DuplicateAnalysisExport.objects.get().status == ExportStatus.COMPLETED
        assert messages_of(response)[0] == "Wrote 1 export."

    def test_a_large_export_is_queued_and_not_written_in_the_request(
        self, colleague: User, queue: list[uuid.UUID], django_capture_on_commit_callbacks: Any
    ) -> None:
        analysis = AnalysisFactory(user=colleague, groups_found=4_000, duplicates_found=4_000)

        with django_capture_on_commit_callbacks(execute=True):
            response = press(signed_in(colleague), "export_csv", analysis)

        export = DuplicateAnalysisExport.objects.get()
        assert (export.status, export.format, queue) == (ExportStatus.PENDING, "csv", [export.pk])
        assert messages_of(response)[0] == "Queued 1 export."

    def test_what_has_no_result_is_not_exported_and_says_so(self, colleague: User) -> None:
        response = do(signed_in(colleague), "export_json", running(user=colleague))

        assert not DuplicateAnalysisExport.objects.exists()
        assert "is running" in messages_of(response)[0]

    def test_cancel_ends_a_running_one_at_once(self, colleague: User) -> None:
        analysis = running(user=colleague)

        response = press(signed_in(colleague), "cancel", analysis)

        analysis.refresh_from_db()
        assert (analysis.status, analysis.progress) == (AnalysisStatus.CANCELLED, None)
        assert messages_of(response) == ["Cancelled 1 analysis."]

    def test_the_page_says_that_what_a_cancelled_one_had_found_is_being_kept(self, colleague: User) -> None:
        analysis, client = running(user=colleague), signed_in(colleague)
        press(client, "cancel", analysis)

        shown = client.get(page(analysis)).content.decode()
        told = client.get(reverse("admin:duplicates_analysis_progress", args=[analysis.pk])).json()
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(lease_token=None, lease_until=None)
        told_later = client.get(reverse("admin:duplicates_analysis_progress", args=[analysis.pk])).json()

        assert "What was found so far is being kept" in shown
        assert (told["is_active"], told["status"]) == (True, "cancelled")
        assert not told_later["is_active"]

    @pytest.mark.parametrize("action", ["run_analysis", "refresh", "export_json", "export_csv", "cancel"])
    def test_what_one_may_not_do_is_neither_shown_nor_done(self, viewer: User, action: str) -> None:
        analysis = running() if action == "cancel" else AnalysisFactory()
        client = signed_in(viewer)

        shown = client.get(page(analysis)).content.decode()
        press(client, action, analysis)
        do(client, action, analysis)

        assert f'value="{action}"' not in shown
        assert not AuditRecord.objects.exists()

    def test_who_sees_everybodys_analyses_stops_only_their_own(self) -> None:
        sees_all = UserFactory(permissions=(*VIEWS, "duplicates.run_analysis", "duplicates.view_all_analyses"))
        foreign = running(user=UserFactory(username="ines"))

        response = do(signed_in(sees_all), "cancel", foreign)

        foreign.refresh_from_db()
        assert foreign.status == AnalysisStatus.RUNNING
        assert messages_of(response) == ["This analysis was started by ines. Ask somebody who manages all analyses."]
        assert 'value="cancel"' not in signed_in(sees_all).get(page(foreign)).content.decode()

    def test_analyses_are_not_added_changed_or_deleted_by_hand(self, admin_client: Client) -> None:
        analysis = AnalysisFactory()

        assert admin_client.get(reverse("admin:duplicates_duplicateanalysisresult_add")).status_code == 403
        assert admin_client.post(page(analysis), {"status": "failed"}).status_code == 403
        deletion = reverse("admin:duplicates_duplicateanalysisresult_delete", args=[analysis.pk])
        assert admin_client.post(deletion, {"post": "yes"}).status_code == 403


class TestRun:
    URL = "admin:duplicates_run_analysis"
    ANSWERS = {
        "preset": "release",
        "search": "moon",
        "min_confidence": "90",
        "sort_by": "artist",
        "fold_remasters": "on",
    }

    def test_the_form_queues_what_it_says(
        self, colleague: User, queue: list[uuid.UUID], django_capture_on_commit_callbacks: Any
    ) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            signed_in(colleague).post(reverse(self.URL), {**self.ANSWERS, "ignored_fields": ["isrc"]})

        analysis = DuplicateAnalysisResult.objects.get()
        assert (analysis.preset, analysis.search_term, analysis.min_confidence) == ("release", "moon", 0.9)
        assert (analysis.user, analysis.trigger, analysis.status) == (colleague, Trigger.ADMIN, AnalysisStatus.QUEUED)
        assert analysis.parameters["ignored_fields"] == ["isrc"]
        assert queue == [analysis.pk]

    @pytest.mark.parametrize("ticked", [{}, {"discard_partial": "on"}], ids=["as it stands", "ticked"])
    def test_what_is_found_is_kept_when_it_is_stopped_unless_the_box_is_ticked(
        self, colleague: User, ticked: dict[str, str]
    ) -> None:
        client = signed_in(colleague)
        assert 'name="discard_partial"' in client.get(reverse(self.URL)).content.decode()

        client.post(reverse(self.URL), self.ANSWERS | ticked)

        assert DuplicateAnalysisResult.objects.get().keep_partial is not bool(ticked)

    def test_an_equal_run_is_shown_instead_of_doubled(self, colleague: User) -> None:
        client = signed_in(colleague)
        client.post(reverse(self.URL), self.ANSWERS)

        response = client.post(reverse(self.URL), self.ANSWERS, follow=True)

        assert DuplicateAnalysisResult.objects.count() == 1
        assert "An equal analysis is already queued. Here it is." in messages_of(response)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            pytest.param("min_confidence", "101", id="more than certain"),
            pytest.param("preset", "nonsense", id="unknown preset"),
            pytest.param("search", "x" * 201, id="search too long"),
            pytest.param("ignored_fields", "shoe_size", id="unknown field"),
        ],
    )
    def test_a_wrong_answer_is_marked_and_queues_nothing(self, colleague: User, field: str, value: str) -> None:
        response = signed_in(colleague).post(reverse(self.URL), self.ANSWERS | {field: value})

        assert field in response.context["form"].errors
        assert not DuplicateAnalysisResult.objects.exists()

    def test_without_the_permission_there_is_no_button_and_no_form(self, viewer: User) -> None:
        client = signed_in(viewer)

        assert reverse(self.URL) not in client.get(reverse(LIST)).content.decode()
        assert client.get(reverse(self.URL)).status_code == 403
        assert client.post(reverse(self.URL), self.ANSWERS).status_code == 403
