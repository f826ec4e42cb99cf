"""The button that refreshes one's newest result, and the two ways to refresh chosen ones."""

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.urls import reverse

from duplicates.choices import AnalysisStatus
from duplicates.models import DuplicateAnalysisResult
from tests.duplicates.admin.conftest import LIST, do, messages_of, page, signed_in
from tests.duplicates.factories import AnalysisFactory, TrackFactory

pytestmark = pytest.mark.django_db
QUICK = reverse("admin:duplicates_quick_refresh")


class TestButton:
    def test_it_refreshes_the_newest_result_and_shows_the_run(self, colleague: User) -> None:
        newest = AnalysisFactory(user=colleague)
        client = signed_in(colleague)
        assert QUICK in client.get(reverse(LIST)).text

        response = client.post(QUICK, follow=True)

        successor = DuplicateAnalysisResult.objects.get(predecessor=newest)
        assert response.redirect_chain[-1][0] == page(successor)
        assert messages_of(response) == ["Queued a refresh of your newest result."]

    def test_while_one_runs_it_names_that_one(self, colleague: User) -> None:
        newest = AnalysisFactory(user=colleague)
        client = signed_in(colleague)
        client.post(QUICK)
        successor = DuplicateAnalysisResult.objects.get(predecessor=newest)

        response = client.post(QUICK, follow=True)

        assert str(successor.pk) in messages_of(response)[-1]
        assert page(successor) in messages_of(response)[-1]
        assert DuplicateAnalysisResult.objects.filter(predecessor=newest).count() == 1

    def test_without_a_result_it_says_so(self, colleague: User) -> None:
        assert "There is no analysis yet" in messages_of(signed_in(colleague).post(QUICK, follow=True))[0]

    def test_it_is_for_those_who_may_run_analyses(self, viewer: User, colleague: User) -> None:
        assert signed_in(viewer).post(QUICK).status_code == 403
        assert QUICK not in signed_in(viewer).get(reverse(LIST)).text
        assert signed_in(colleague).get(QUICK).status_code == 405


def test_refresh_anew_matches_every_track(colleague: User) -> None:
    first = AnalysisFactory(user=colleague)

    do(signed_in(colleague), "refresh_anew", first)

    assert DuplicateAnalysisResult.objects.get(predecessor=first).learns_anew


class TestCommand:
    def test_it_refreshes_the_newest_result_of_a_person(self, colleague: User) -> None:
        TrackFactory.create_batch(2)
        newest = AnalysisFactory(user=colleague)

        call_command("run_duplicate_analysis", quick_refresh=True, full=True, user=colleague.username, verbosity=0)

        successor = DuplicateAnalysisResult.objects.get(predecessor=newest)
        assert (successor.status, successor.learns_anew) == (AnalysisStatus.COMPLETED, True)

    def test_one_that_runs_is_named(self, colleague: User) -> None:
        AnalysisFactory(user=colleague)
        call_command("run_duplicate_analysis", quick_refresh=True, background=True, user=colleague.username)
        running = DuplicateAnalysisResult.objects.get(status=AnalysisStatus.QUEUED)

        with pytest.raises(CommandError, match=str(running.pk)):
            call_command("run_duplicate_analysis", quick_refresh=True, background=True, user=colleague.username)

    def test_full_says_how_to_refresh(self) -> None:
        with pytest.raises(CommandError, match="--full says how to refresh"):
            call_command("run_duplicate_analysis", full=True)
