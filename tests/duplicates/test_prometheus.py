"""`/metrics`: who may read it, and that it is what Prometheus reads."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client, override_settings
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from duplicates.choices import AnalysisStatus, Answer
from tests.duplicates.factories import AnalysisFactory, UserFactory
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db


def scraped(client: Client, **extra: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return the samples by name and labels, as Prometheus reads them."""
    answer = client.get("/metrics", **extra)
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


class TestWhoMayRead:
    @pytest.fixture(autouse=True)
    def nobody(self, settings: LazySettings) -> None:
        settings.METRICS_TOKEN, settings.METRICS_NETWORKS = "", []

    def test_nobody_unless_the_settings_say_so(self, client: Client, admin_client: Client) -> None:
        assert [one.get("/metrics").status_code for one in (client, admin_client)] == [404, 404]

    @pytest.mark.parametrize(
        ("header", "status"),
        [("Bearer right", 200), ("Bearer wrong", 404), ("right", 404), ("", 404), ("Bearer ", 404), ("Bearer é", 404)],
    )
    def test_who_sends_the_token(self, client: Client, settings: LazySettings, header: str, status: int) -> None:
        settings.METRICS_TOKEN = "right"

        assert client.get("/metrics", headers={"authorization": header}).status_code == status

    def test_an_empty_token_lets_nobody_in(self, client: Client) -> None:
        assert client.get("/metrics", headers={"authorization": "Bearer "}).status_code == 404

    @pytest.mark.parametrize(("address", "status"), [("10.1.2.3", 200), ("11.1.2.3", 404), ("", 404), ("::1", 404)])
    def test_who_comes_from_a_network(self, client: Client, settings: LazySettings, address: str, status: int) -> None:
        settings.METRICS_NETWORKS = ["10.0.0.0/8"]

        assert client.get("/metrics", REMOTE_ADDR=address).status_code == status

    def test_nobody_through_a_proxy_in_that_network(self, client: Client, settings: LazySettings) -> None:
        """A proxy on the same machine would open the figures to the world."""
        settings.METRICS_NETWORKS = ["127.0.0.1"]

        answer = client.get("/metrics", headers={"x-forwarded-for": "203.0.113.9"})

        assert answer.status_code == 404


class TestWhatIsThere:
    def test_figures_of_the_database(self, client: Client) -> None:
        AnalysisFactory(status=AnalysisStatus.QUEUED)

        found = scraped(client)

        assert found["reprise_analyses_queued", ()] == 1
        assert found["reprise_analyses_ended", (("days", "7"), ("status", "completed"))] == 0
        assert found["reprise_storage_rows", (("kind", "exports"),)] == 0

    @override_settings(SECURE_SSL_REDIRECT=True, ALLOWED_HOSTS=["music.example.org"])
    def test_prometheus_may_ask_by_plain_http_and_by_address(self, client: Client) -> None:
        assert scraped(client, headers={"host": "10.0.0.7:8000"})

    def test_the_number_of_series_does_not_grow_with_the_data(self, client: Client) -> None:
        def fail_some() -> None:
            for number in range(5):
                AnalysisFactory(
                    user=UserFactory(),
                    status=AnalysisStatus.FAILED,
                    error_code=f"CODE_{number}",
                    tracks_analyzed=number,
                )

        fail_some()
        before = scraped(client).keys()
        fail_some()

        assert scraped(client).keys() == before

    def test_nothing_is_remembered_between_scrapes(self, client: Client) -> None:
        analysis = AnalysisFactory(status=AnalysisStatus.QUEUED)
        assert scraped(client)["reprise_analyses_queued", ()] == 1

        analysis.delete()

        assert scraped(client)["reprise_analyses_queued", ()] == 0


def test_blind_samples_are_told_by_preset_and_band(admin_client: Client) -> None:
    analysis = plain_analysis()
    groups_in(analysis, "high", 5)
    answers = [Answer.SAME, Answer.SAME, Answer.SAME, Answer.DIFFERENT, Answer.CANNOT_TELL]
    answered(drawn(analysis, now=timezone.now()), answers, actor=UserFactory())

    found = scraped(admin_client)

    place = (("band", "high"), ("preset", "recording"))
    assert found["reprise_false_match_ratio", place] == 0.25
    assert found["reprise_false_match_upper_ratio", place] == pytest.approx(0.6994, abs=1e-4)
    assert found["reprise_judged_groups", (("answer", "cannot_tell"), *place)] == 1
