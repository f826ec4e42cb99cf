"""Measured precision through the API: draw, judge blind, read the rates, switch."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from duplicates.choices import Answer
from duplicates.models import AutomaticResolution, DuplicateAnalysisResult
from tests.duplicates.api.counting import queries_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db
PRECISION, SAMPLES = "/api/v1/precision/", "/api/v1/samples/"
SWITCH = f"{PRECISION}switch/"
ON = {"preset": "recording", "band": "very_high", "is_on": True, "resolution": "deleted"}
Somebody = Callable[..., User]
Login = Callable[..., APIClient]


@pytest.fixture(autouse=True)
def low_bar(settings: LazySettings) -> None:
    settings.PRECISION_BAR_PERCENT, settings.PRECISION_LEAST_GROUPS = 25, 10


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return plain_analysis()


@pytest.fixture
def reviewer(somebody: Somebody, client_of: Login) -> APIClient:
    return client_of(somebody("Reviewer"))


@pytest.fixture
def administrator(somebody: Somebody, client_of: Login) -> APIClient:
    return client_of(somebody("Administrator"))


@pytest.fixture
def measured(analysis: DuplicateAnalysisResult) -> None:
    groups_in(analysis, "very_high", 12)
    answered(drawn(analysis, now=timezone.now()), [Answer.SAME] * 12, actor=UserFactory())


class TestSampling:
    def test_draw_judge_and_read_the_rate(self, analysis: DuplicateAnalysisResult, reviewer: APIClient) -> None:
        groups_in(analysis, "high", 2)
        sample = reviewer.post(SAMPLES, {"analysis": str(analysis.pk), "per_band": 5}).json()
        url = f"{SAMPLES}{sample['id']}/"

        step = reviewer.get(f"{url}next/").json()
        for word in ("different", "same"):
            step = reviewer.post(f"{url}answer/", {"group": step["group"]["id"], "answer": word}).json()

        assert (step["group"], step["sample"]["judged_count"]) == (None, 2)
        (rate,) = reviewer.get(PRECISION).json()["rates"]
        assert (rate["band"], rate["judged"], rate["rate"]) == ("high", 2, 0.5)
        assert rate["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-4)

    def test_what_is_to_be_judged_is_blind(self, analysis: DuplicateAnalysisResult, reviewer: APIClient) -> None:
        groups_in(analysis, "high", 1)
        sample = drawn(analysis)

        group = reviewer.get(f"{SAMPLES}{sample.pk}/next/").json()["group"]

        assert set(group) == {"id", "preset", "member_count", "members"}
        assert not {"is_canonical", "similarity", "play_count", "source"} & set(group["members"][0])

    def test_a_refusal_has_its_code(self, analysis: DuplicateAnalysisResult, reviewer: APIClient) -> None:
        groups_in(analysis, "high", 2)
        sample = drawn(analysis)
        (one,) = answered(sample, [Answer.SAME], actor=UserFactory())

        taken = reviewer.post(f"{SAMPLES}{sample.pk}/answer/", {"group": one.pk, "answer": "same"})
        unknown = reviewer.post(f"{SAMPLES}{sample.pk}/answer/", {"group": 10**9, "answer": "same"})
        partial = reviewer.post(SAMPLES, {"analysis": str(plain_analysis(engine_fingerprint="old").pk)})

        answers = [(one.status_code, one.json()["code"]) for one in (taken, unknown, partial)]
        assert answers == [(409, "ALREADY_JUDGED"), (404, "SAMPLE_NOT_FOUND"), (409, "NOT_REPRESENTATIVE")]

    def test_a_group_of_another_sample_is_not_found(
        self, analysis: DuplicateAnalysisResult, reviewer: APIClient
    ) -> None:
        groups_in(analysis, "high", 2)
        one, two = drawn(analysis, per_band=1), drawn(analysis, per_band=1)

        wish = {"group": two.groups.get().pk, "answer": "same"}
        assert reviewer.post(f"{SAMPLES}{one.pk}/answer/", wish).status_code == 404

    def test_is_for_reviewers_who_see_the_analysis(
        self, analysis: DuplicateAnalysisResult, somebody: Somebody, client_of: Login
    ) -> None:
        groups_in(analysis, "high", 1)
        sample, viewer = drawn(analysis), client_of(somebody("Viewer"))

        assert viewer.get(f"{SAMPLES}{sample.pk}/").status_code == 200
        assert viewer.get(f"{SAMPLES}{sample.pk}/next/").status_code == 403
        assert viewer.post(SAMPLES, {"analysis": str(analysis.pk)}).status_code == 403

    def test_the_list_costs_the_same_however_long(self, analysis: DuplicateAnalysisResult, reviewer: APIClient) -> None:
        groups_in(analysis, "high", 6)
        drawn(analysis, per_band=1)
        few = queries_of(reviewer, SAMPLES)
        for _ in range(4):
            drawn(analysis, per_band=1)

        assert queries_of(reviewer, SAMPLES) == few


@pytest.mark.usefixtures("measured")
class TestTheSwitch:
    def test_is_turned_on_and_off(self, administrator: APIClient) -> None:
        on = administrator.post(SWITCH, ON).json()
        off = administrator.post(SWITCH, {**ON, "is_on": False}).json()

        assert (on["is_on"], on["resolution"], off["is_on"]) == (True, "deleted", False)
        assert administrator.get(PRECISION).json()["switches"] == [off]

    def test_is_refused_below_the_bar(self, administrator: APIClient) -> None:
        answer = administrator.post(SWITCH, {**ON, "band": "low"})

        assert (answer.status_code, answer.json()["code"]) == (409, "BAR_NOT_MET")

    @pytest.mark.parametrize(
        ("wish", "status"),
        [
            pytest.param({"resolution": "not_duplicates"}, 400, id="another decision"),
            pytest.param({"band": "low", "is_on": False}, 404, id="off without a switch"),
            pytest.param({"profile": "nobody's"}, 400, id="unknown profile"),
        ],
    )
    def test_accepts_what_there_is(self, administrator: APIClient, wish: dict[str, Any], status: int) -> None:
        assert administrator.post(SWITCH, {**ON, **wish}).status_code == status

    def test_needs_a_decision(self, administrator: APIClient) -> None:
        wish = {name: value for name, value in ON.items() if name != "resolution"}

        assert administrator.post(SWITCH, wish).status_code == 400

    def test_is_not_for_reviewers(self, reviewer: APIClient) -> None:
        assert reviewer.post(SWITCH, ON).status_code == 403
        assert not AutomaticResolution.objects.exists()

    def test_needs_the_scope_to_remove(self, somebody: Somebody, client_with_token: Login) -> None:
        user = somebody("Administrator")

        assert client_with_token(user, "manage").post(SWITCH, ON).status_code == 403
        kept = client_with_token(user, "manage").post(SWITCH, {**ON, "resolution": "kept_canonical"})
        assert kept.status_code == 200
        assert client_with_token(user, "manage", "remove").post(SWITCH, ON).status_code == 200

    def test_what_it_did_is_listed(self, administrator: APIClient) -> None:
        administrator.post(SWITCH, ON)
        analysis = plain_analysis(completed_at=timezone.now())
        AutomaticResolution.objects.get().runs.create(analysis=analysis, created_at=timezone.now(), outcome="nothing")

        (run,) = administrator.get(f"{PRECISION}runs/").json()["results"]

        assert (run["analysis"], run["outcome"], run["plan"]) == (str(analysis.pk), "nothing", None)
