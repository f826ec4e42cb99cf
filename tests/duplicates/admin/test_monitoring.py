"""The Monitoring page: who sees it, what it says, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus
from duplicates.models import StorageSample
from duplicates.services import audit
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import VIEWS, AnalysisFactory, UserFactory

pytestmark = pytest.mark.django_db


def shown(user: User, days: str = "") -> str:
    answer = signed_in(user).get(reverse("admin:monitoring"), {"days": days} if days else {})
    assert answer.status_code == 200
    return answer.content.decode()


def fail(times: int, days_ago: int) -> None:
    at = timezone.now() - timedelta(days=days_ago)
    for _ in range(times):
        AnalysisFactory(
            status=AnalysisStatus.FAILED,
            error_code="ANALYSIS_TIMEOUT",
            library_track_count=600_000,
            tracks_analyzed=0,
            completed_at=at,
        )


class TestWho:
    def test_people_who_see_everybodys_analyses(self, overseer: User) -> None:
        assert "Monitoring" in shown(overseer)

    def test_nobody_else(self, colleague: User) -> None:
        assert signed_in(colleague).get(reverse("admin:monitoring")).status_code == 403

    def test_names_of_reviewers_are_for_those_who_may_read_the_audit_trail(self, overseer: User) -> None:
        audit.record("groups.resolved", actor=UserFactory(username="quiet-ada"), now=timezone.now())
        without = UserFactory(
            permissions=[name for name in VIEWS if "audit" not in name] + ["duplicates.view_all_analyses"]
        )

        assert ("quiet-ada" in shown(overseer), "quiet-ada" in shown(without)) == (True, False)


class TestWhat:
    def test_what_failures_have_in_common_is_said_with_the_way_out(self, overseer: User) -> None:
        fail(3, days_ago=2)

        assert "3 of 3 failures are time-outs above 500,000 tracks: raise REPRISE_ANALYSIS_TIMEOUT" in shown(overseer)

    def test_a_period_leaves_out_what_lies_before_it(self, overseer: User) -> None:
        fail(3, days_ago=20)

        said = [("time-outs" in shown(overseer, days)) for days in ("7", "30", "90", "nonsense")]

        assert said == [False, True, True, True]

    @pytest.mark.parametrize(("days", "places"), [("7", 7), ("30", 30), ("90", 13)])
    def test_charts_have_a_place_for_each_day_or_week(self, overseer: User, days: str, places: int) -> None:
        audit.record("analysis.completed", actor=None, now=timezone.now() - timedelta(hours=1))

        answer = signed_in(overseer).get(reverse("admin:monitoring"), {"days": days})
        chart = answer.context["runs_chart"]

        assert len(chart["labels"]) == places
        assert chart["series"][0]["values"] == [0] * (places - 1) + [1]

    def test_nothing_yet_is_said_in_words(self, overseer: User) -> None:
        page = shown(overseer)

        assert "No analysis ended in this time." in page
        assert "<canvas" not in page

    def test_storage_is_forecast_from_its_samples(self, overseer: User) -> None:
        for days_ago in range(4):
            day = (timezone.now() - timedelta(days=days_ago)).date()
            StorageSample.objects.create(day=day, total_bytes=10**9 - days_ago * 10**6)

        assert "Storage grows by 1.0 MB a day." in shown(overseer)

    def test_a_limit_is_announced_before_it_is_reached(
        self, overseer: User, settings: LazySettings, work_dir: Any
    ) -> None:
        settings.STORAGE_LIMIT_MB = 2
        place = work_dir / "indexes" / str(AnalysisFactory(groups_found=0, duplicates_found=0).pk)
        place.mkdir(parents=True)
        (place / "part.checkpoint").write_bytes(b"x" * 1_700_000)

        assert "Results hold 2 of the 2 MB they may." in shown(overseer)


def test_the_page_costs_the_same_for_much_as_for_little(overseer: User, django_assert_num_queries: Any) -> None:
    client = signed_in(overseer)
    client.get(reverse("admin:monitoring"))
    with CaptureQueriesContext(connection) as for_little:
        client.get(reverse("admin:monitoring"))
    fail(6, days_ago=2)
    for _ in range(6):
        audit.record("groups.resolved", actor=UserFactory(), now=timezone.now())

    with django_assert_num_queries(len(for_little)):
        client.get(reverse("admin:monitoring"))
    assert len(for_little) <= 22
