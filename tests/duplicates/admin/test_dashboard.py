"""The first page: what each person reads there, and that it stays cheap."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult
from duplicates.services import audit
from library.changes import current_revision
from tests.duplicates.admin.conftest import page, signed_in
from tests.duplicates.factories import VIEWS, AnalysisFactory, GroupFactory, TrackFactory, UserFactory

pytestmark = pytest.mark.django_db
INDEX = reverse("admin:index")


def text_of(client: Client) -> str:
    return client.get(INDEX).content.decode().replace("\xa0", " ")


class TestNextStep:
    def test_an_empty_library_teaches_how_to_fill_it(self, colleague: User) -> None:
        shown = text_of(signed_in(colleague))

        assert "Your library is empty: import your music to begin." in shown
        assert "uv run manage.py import_library" in shown
        assert "How it works" in shown

    def test_without_an_analysis_one_is_started(self, colleague: User) -> None:
        TrackFactory()

        assert f'href="{reverse("admin:duplicates_run_analysis")}">Start an analysis' in text_of(signed_in(colleague))

    def test_who_may_not_start_one_gets_no_button(self, viewer: User) -> None:
        TrackFactory()

        shown = text_of(signed_in(viewer))

        assert "Somebody who may run analyses has to start one." in shown
        assert reverse("admin:duplicates_run_analysis") not in shown

    def test_the_button_refreshes_a_stale_result(self, colleague: User, queue: list[uuid.UUID]) -> None:
        TrackFactory()
        stale = AnalysisFactory(user=colleague, started_at=timezone.now() - timedelta(days=2))
        client = signed_in(colleague)
        step = client.get(INDEX).context["step"]

        client.post(step.url, {"CHANGE_FORM-action": step.action, "_selected_action": str(step.analysis.pk)})

        assert DuplicateAnalysisResult.objects.get(predecessor=stale).status == AnalysisStatus.QUEUED

    def test_reviewers_are_led_into_the_queue(self) -> None:
        group = GroupFactory()
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())
        client = signed_in(UserFactory(permissions=(*VIEWS, "duplicates.review_groups")))

        url = client.get(INDEX).context["step"].url

        assert client.get(url).url.startswith(
            reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk])
        )

    def test_a_waiting_run_names_the_command_of_a_worker(self, colleague: User) -> None:
        TrackFactory()
        AnalysisFactory(user=colleague, status=AnalysisStatus.QUEUED, started_at=None)

        shown = text_of(signed_in(colleague))

        assert "no worker is running" in shown
        assert 'data-copy="command"' in shown


class TestParts:
    def test_the_latest_analysis_stands_there_with_its_age_and_what_changed(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague)
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())
        TrackFactory.create_batch(2)

        shown = text_of(signed_in(colleague))

        assert page(analysis) in shown
        assert '<span class="badge badge-good">Fresh</span>' in shown
        assert "2 tracks added since." in shown

    def test_a_run_under_way_has_a_live_bar(self, colleague: User) -> None:
        TrackFactory()
        run = AnalysisFactory(user=colleague, status=AnalysisStatus.QUEUED, started_at=None)

        shown = text_of(signed_in(colleague))

        assert f'data-follow="{reverse("admin:duplicates_analysis_progress", args=[run.pk])}"' in shown
        assert "duplicates/progress.js" in shown

    def test_charts_are_drawn_once_they_have_something_to_say(self, overseer: User) -> None:
        GroupFactory()
        client = signed_in(overseer)
        assert "chart.umd.min.js" not in text_of(client)

        audit.record("groups.resolved", actor=None, now=timezone.now() - timedelta(days=1), counts={"groups": 3})

        answer = client.get(INDEX)
        assert answer.context["weeks"]["series"][0]["values"][-1] == 3
        assert "chart.umd.min.js" in answer.content.decode()

    def test_who_may_see_no_analysis_sees_the_menu_alone(self) -> None:
        AnalysisFactory()

        shown = text_of(signed_in(UserFactory(permissions=("library.view_track",))))

        assert reverse("admin:library_track_changelist") in shown
        assert "What to do next" not in shown

    def test_nothing_is_inline(self, overseer: User) -> None:
        GroupFactory()

        shown = text_of(signed_in(overseer))

        assert "style=" not in shown
        assert "<script>" not in shown


def test_it_takes_few_queries_however_much_there_is(admin_client: Client) -> None:
    GroupFactory()
    admin_client.get(INDEX)  # the first request fills Django's memory of content types
    with CaptureQueriesContext(connection) as few:
        admin_client.get(INDEX)

    GroupFactory.create_batch(12, analysis=AnalysisFactory())
    for _ in range(8):
        AnalysisFactory(status=AnalysisStatus.QUEUED, started_at=None)
    with CaptureQueriesContext(connection) as many:
        admin_client.get(INDEX)

    assert len(few) == len(many)
    assert len(many) <= 20  # PostgreSQL needs fewer for the storage
