"""Pinning and deleting an analysis, its menus, its history, and what sums a run up."""

import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus, ExportStatus
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from tests.duplicates.admin.conftest import do, messages_of, page, press, signed_in
from tests.duplicates.factories import AnalysisFactory, ExportFactory, GroupFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("queue")]


def deletion(analysis: DuplicateAnalysisResult) -> str:
    return reverse("admin:duplicates_delete_analysis", args=[analysis.pk])


class TestPin:
    def test_a_pinned_one_says_so_and_can_be_unpinned(self, colleague: User) -> None:
        client, analysis = signed_in(colleague), AnalysisFactory(user=colleague)

        response = press(client, "pin", analysis)

        analysis.refresh_from_db()
        assert analysis.is_pinned
        assert messages_of(response) == ["Pinned 1 analysis."]
        assert 'value="unpin"' in response.content.decode()
        assert deletion(analysis) not in response.content.decode()

    def test_unpinning_lets_clean_up_take_it_again(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague, is_pinned=True)

        do(signed_in(colleague), "unpin", analysis)

        analysis.refresh_from_db()
        assert not analysis.is_pinned

    def test_somebody_elses_is_theirs_to_pin(self) -> None:
        sees_all = UserFactory(
            permissions=(
                "duplicates.view_duplicateanalysisresult",
                "duplicates.run_analysis",
                "duplicates.view_all_analyses",
            )
        )
        foreign = AnalysisFactory(user=UserFactory(username="ines"))
        client = signed_in(sees_all)

        shown = client.get(page(foreign)).content.decode()
        response = do(client, "pin", foreign)

        foreign.refresh_from_db()
        assert 'value="pin"' not in shown
        assert not foreign.is_pinned
        assert "started by ines" in messages_of(response)[0]


class TestDelete:
    def test_it_says_what_goes_along_and_asks_first(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague, groups_found=1_234)
        ExportFactory(analysis=analysis)
        client = signed_in(colleague)
        assert deletion(analysis) in client.get(page(analysis)).content.decode()

        shown = client.get(deletion(analysis)).content.decode()

        assert "1,234" in shown
        assert DuplicateAnalysisResult.objects.filter(pk=analysis.pk).exists()

    def test_confirmed_it_goes_and_leaves_a_record(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague)
        GroupFactory(analysis=analysis)

        response = signed_in(colleague).post(deletion(analysis), follow=True)

        assert not DuplicateAnalysisResult.objects.exists()
        assert messages_of(response) == ["Deleted the analysis. Decisions and removed copies stay."]
        assert AuditRecord.objects.filter(action="analysis.deleted", user_name=colleague.username).exists()

    def test_one_that_runs_or_is_pinned_stays_and_says_why(self, colleague: User) -> None:
        queued = AnalysisFactory(user=colleague, status=AnalysisStatus.QUEUED)
        pinned = AnalysisFactory(user=colleague, is_pinned=True)
        client = signed_in(colleague)

        said = [messages_of(client.post(deletion(one), follow=True))[-1] for one in (queued, pinned)]

        assert DuplicateAnalysisResult.objects.count() == 2
        assert "queued" in said[0]
        assert "Unpin it first." in said[1]

    def test_it_is_refused_to_those_who_may_not_and_hidden_from_those_who_may_not_see_it(
        self, viewer: User, colleague: User
    ) -> None:
        analysis, foreign = AnalysisFactory(), AnalysisFactory(user=UserFactory())

        assert signed_in(viewer).post(deletion(analysis)).status_code == 403
        assert signed_in(colleague).post(deletion(foreign)).status_code == 404
        assert DuplicateAnalysisResult.objects.count() == 2


class TestHistory:
    def test_it_leads_to_the_ten_newest_one_may_see(self, colleague: User) -> None:
        now = timezone.now()
        analyses = [AnalysisFactory(user=colleague, created_at=now - timedelta(hours=hours)) for hours in range(12)]
        AnalysisFactory(user=UserFactory())

        history = signed_in(colleague).get(page(analyses[3])).context["history"]

        assert [one["url"] for one in history] == [page(one) for one in analyses[:10]]
        assert [one["is_this"] for one in history].index(True) == 3

    def test_a_failed_run_leads_back_to_the_newest_result(self, colleague: User) -> None:
        result = AnalysisFactory(user=colleague)
        failed = AnalysisFactory(user=colleague, status=AnalysisStatus.FAILED, error_message="It took too long.")

        assert signed_in(colleague).get(page(failed)).context["previous_url"] == page(result)

    def test_quick_refresh_is_offered_where_it_differs_from_refresh(self, colleague: User) -> None:
        older = AnalysisFactory(user=colleague, created_at=timezone.now() - timedelta(days=1))
        newest = AnalysisFactory(user=colleague)
        quick, client = reverse("admin:duplicates_quick_refresh"), signed_in(colleague)

        assert quick in client.get(page(older)).content.decode()
        assert quick not in client.get(page(newest)).content.decode()

    def test_one_that_was_refreshed_leads_to_the_newer_result(self, colleague: User) -> None:
        older, newer = AnalysisFactory(user=colleague), AnalysisFactory(user=colleague)
        DuplicateAnalysisResult.objects.filter(pk=newer.pk).update(predecessor=older)
        client = signed_in(colleague)

        assert client.get(page(older)).context["newer_url"] == page(newer)
        assert client.get(page(newer)).context["newer_url"] == ""


class TestSummary:
    def test_a_run_that_has_just_ended_says_what_it_came_to(self, colleague: User) -> None:
        older, newer = AnalysisFactory(user=colleague), AnalysisFactory(user=colleague, groups_found=1)
        DuplicateAnalysisResult.objects.filter(pk=newer.pk).update(predecessor=older)
        GroupFactory(analysis=newer)

        shown = " ".join(signed_in(colleague).get(page(newer)).content.decode().split())

        assert "<strong>Finished</strong>" in shown
        assert "Found 1 group with 4 duplicates among 100 tracks, in 2.5 s." in shown
        assert "Since the analysis before: 1 new." in shown

    def test_later_it_says_so_quietly(self, colleague: User) -> None:
        analysis = AnalysisFactory(user=colleague, completed_at=timezone.now() - timedelta(hours=1))

        shown = signed_in(colleague).get(page(analysis)).content.decode()

        assert "Found 3 groups" in shown
        assert "Finished" not in shown


class TestExports:
    def test_one_being_written_counts_its_rows(self, colleague: User) -> None:
        export = ExportFactory(
            analysis__user=colleague,
            status=ExportStatus.RUNNING,
            row_count=2_000,
            total_rows=60_000,
            size_bytes=None,
        )
        url = reverse("admin:duplicates_export_progress", args=[export.pk])
        client = signed_in(colleague)

        shown = client.get(page(export.analysis)).content.decode()
        told = client.get(url).json()

        assert f'data-follow="{url}"' in shown
        assert (told["message"], told["is_active"]) == ("2,000 of 60,000 rows written", True)

    def test_a_finished_one_shows_size_and_downloads(self, colleague: User) -> None:
        export = ExportFactory(analysis__user=colleague, size_bytes=5_000_000, download_count=7)

        (shown,) = signed_in(colleague).get(page(export.analysis)).context["exports"]

        assert (shown["size"], shown["downloads"]) == ("4.8\xa0MB", "7")

    @pytest.mark.parametrize("who", ["viewer", "colleague"])
    def test_its_progress_is_for_those_who_may_see_and_export_it(
        self, who: str, request: pytest.FixtureRequest
    ) -> None:
        foreign = ExportFactory(analysis__user=UserFactory(), status=ExportStatus.RUNNING)
        url = reverse("admin:duplicates_export_progress", args=[foreign.pk])

        status = signed_in(request.getfixturevalue(who)).get(url).status_code

        assert status == {"viewer": 403, "colleague": 404}[who]


def test_the_page_names_no_analysis_that_is_not_there(colleague: User) -> None:
    gone = reverse("admin:duplicates_delete_analysis", args=[uuid.uuid4()])

    assert signed_in(colleague).get(gone).status_code == 404
