"""Measured precision in the admin: the page of rates, the blind page, and the switch."""

import re
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import Answer, Resolution
from duplicates.models import AutomaticResolution, CleanupPlan, DuplicateAnalysisResult, PrecisionSample, SampledGroup
from duplicates.services import permissions
from duplicates.services.automatic import resolve_new_results
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.factories import VIEWS, UserFactory
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db
OVERVIEW = "admin:duplicates_precisionsample_changelist"
VIEW = (*VIEWS, "duplicates.view_precisionsample", "duplicates.view_cleanupplan")


@pytest.fixture(autouse=True)
def low_bar(settings: LazySettings) -> None:
    settings.PRECISION_BAR_PERCENT, settings.PRECISION_LEAST_GROUPS = 25, 10


@pytest.fixture
def looker() -> User:
    return UserFactory(permissions=VIEW)


@pytest.fixture
def judge() -> User:
    return UserFactory(username="judith", permissions=(*VIEW, permissions.REVIEW))


@pytest.fixture
def administrator() -> User:
    return UserFactory(permissions=(*VIEW, permissions.REVIEW, permissions.REMOVE, permissions.AUTOMATE))


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return plain_analysis()


def sample_of(analysis: DuplicateAnalysisResult, many: int = 3, members: int = 2) -> PrecisionSample:
    groups_in(analysis, "very_high", many, members)
    sample: PrecisionSample = drawn(analysis, now=timezone.now())
    return sample


def blind_page(one: SampledGroup) -> str:
    return reverse("admin:duplicates_judge", args=[one.pk])


def answer(client: Client, one: SampledGroup, word: str, **more: Any) -> Any:
    return client.post(blind_page(one), {"answer": word, **more}, follow=True)


class TestTheBlindPage:
    def test_shows_nothing_the_matcher_thought(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        (group,) = groups_in(analysis, "very_high", 1)
        group.members.update(similarity=0.8765, play_count=4321, isrc="GBAYE0000001")
        analysis.groups.update(keeper_reason="Kept because of a secret", confidence=0.9654)
        one = drawn(analysis, now=timezone.now()).groups.get()

        content = signed_in(judge).get(blind_page(one)).content.decode()
        shown = content[content.index('<div id="content-main"') :]

        assert "Harbour Lights" in shown
        assert "Low Water" in shown
        for hidden in (
            "keeper",
            "Keeper",
            "confidence",
            "Very high",
            "secret",
            "87.6",
            "96.5",
            "4321",
            "4,321",
            "GBAYE",
        ):
            assert hidden not in shown

    def test_asks_what_the_preset_means(self, judge: User) -> None:
        one = sample_of(plain_analysis(preset="song")).groups.first()
        assert one is not None

        assert "in whatever version" in signed_in(judge).get(blind_page(one)).content.decode()

    def test_keeps_the_answer_and_leads_on(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        sample = sample_of(analysis)
        client = signed_in(judge)
        first = client.get(reverse("admin:duplicates_judge_next", args=[sample.pk]), follow=True).context["drawn"]

        after = answer(client, first, "same")

        first.refresh_from_db()
        assert (first.answer, first.judged_name) == ("same", "judith")
        assert after.context["drawn"] != first
        assert after.context["last"] == first

    def test_lets_the_answer_before_be_corrected(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        client = signed_in(judge)
        (one,) = answered(sample_of(analysis), [Answer.SAME], actor=judge)

        assert "You said: The same" in client.get(blind_page(one)).content.decode()
        answer(client, one, "different")

        one.refresh_from_db()
        assert one.answer == "different"

    def test_asks_which_are_odd_in_a_larger_group(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        one = sample_of(analysis, 2, members=3).groups.first()
        assert one is not None
        client = signed_in(judge)

        refused = answer(client, one, "different")
        assert messages_of(refused) == ["Say which are not the same as the others: one at least, and not all."]
        answer(client, one, "different", odd=one.members[1]["track_id"])

        one.refresh_from_db()
        assert one.odd_tracks == [one.members[1]["track_id"]]

    def test_leads_past_what_others_have_judged(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        (one,) = answered(sample_of(analysis), [Answer.SAME], actor=UserFactory())

        shown = signed_in(judge).get(blind_page(one), follow=True)

        assert shown.context["drawn"] != one

    def test_ends_at_the_sample_with_what_was_found(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        sample = sample_of(analysis, 2)
        (first,) = answered(sample, [Answer.DIFFERENT], actor=judge)
        last = sample.groups.get(answer="")
        client = signed_in(judge)
        before = client.get(reverse("admin:duplicates_precisionsample_change", args=[sample.pk])).content.decode()

        after = answer(client, last, "same").content.decode()

        group = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[first.group_id])
        assert group not in before
        assert group in after

    def test_is_not_for_who_may_only_look(self, analysis: DuplicateAnalysisResult, looker: User) -> None:
        one = sample_of(analysis).groups.first()
        assert one is not None

        assert signed_in(looker).get(blind_page(one)).status_code == 403
        assert signed_in(looker).post(blind_page(one), {"answer": "same"}).status_code == 403
        assert not SampledGroup.objects.exclude(answer="").exists()

    def test_is_not_for_who_does_not_see_the_analysis(self, judge: User) -> None:
        one = sample_of(plain_analysis(user=UserFactory())).groups.first()
        assert one is not None

        assert signed_in(judge).get(blind_page(one)).status_code == 404

    def test_costs_the_same_however_many_members(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        groups_in(analysis, "very_high", 1, members=2)
        groups_in(analysis, "very_high", 1, members=9)
        client = signed_in(judge)
        counts = []
        for one in drawn(analysis, now=timezone.now()).groups.order_by("member_count"):
            with CaptureQueriesContext(connection) as queries:
                client.get(blind_page(one))
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestTheDraw:
    def test_leads_to_the_first_group(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        groups_in(analysis, "high", 4)

        shown = signed_in(judge).post(
            reverse("admin:duplicates_draw_sample"), {"analysis": analysis.pk, "per_band": "3"}, follow=True
        )

        sample = PrecisionSample.objects.get()
        assert (sample.group_count, sample.user_name) == (3, "judith")
        assert shown.context["drawn"].sample == sample

    @pytest.mark.parametrize("per_band", ["0", "", "-3", "many", "99999"])
    def test_of_no_number_is_refused(self, analysis: DuplicateAnalysisResult, judge: User, per_band: str) -> None:
        groups_in(analysis, "high", 1)

        answer = signed_in(judge).post(
            reverse("admin:duplicates_draw_sample"), {"analysis": analysis.pk, "per_band": per_band}, follow=True
        )

        assert messages_of(answer) == ["A sample has 1 to 1000 groups of each band."]

    def test_is_not_for_who_may_only_look(self, analysis: DuplicateAnalysisResult, looker: User) -> None:
        groups_in(analysis, "high", 1)

        wish = {"analysis": analysis.pk, "per_band": "1"}
        assert signed_in(looker).post(reverse("admin:duplicates_draw_sample"), wish).status_code == 403


class TestThePage:
    def test_says_that_nothing_is_measured(self, looker: User) -> None:
        content = signed_in(looker).get(reverse(OVERVIEW)).content.decode()

        assert "Nothing was judged yet" in content
        assert "Draw and judge" not in content

    def test_shows_the_rate_with_its_interval(self, analysis: DuplicateAnalysisResult, looker: User) -> None:
        answered(sample_of(analysis, 21), [Answer.SAME] * 19 + [Answer.DIFFERENT], actor=UserFactory())

        content = signed_in(looker).get(reverse(OVERVIEW)).content.decode()

        assert "5.00 %" in content
        assert "0.89 % – 23.61 %" in content
        assert "20 of 21 judged" in content

    def test_costs_the_same_however_much_there_is(self, judge: User) -> None:
        client = signed_in(judge)
        counts = []
        for _ in range(3):
            answered(sample_of(plain_analysis(), 2), [Answer.SAME], actor=judge, now=timezone.now())
            with CaptureQueriesContext(connection) as queries:
                client.get(reverse(OVERVIEW))
            counts.append(len(queries))

        assert counts[1] == counts[2]

    def test_keeps_to_the_content_security_policy(self, analysis: DuplicateAnalysisResult, judge: User) -> None:
        sample = sample_of(analysis)
        one = sample.groups.first()
        assert one is not None
        client = signed_in(judge)

        for url in (reverse(OVERVIEW), blind_page(one), f"{reverse(OVERVIEW)}{sample.pk}/change/"):
            assert not re.search(r"<[^>]+ style=", client.get(url).content.decode())

    def test_is_in_the_menu(self, looker: User) -> None:
        assert "Measured precision" in signed_in(looker).get(reverse("admin:index")).content.decode()

    def test_is_not_for_everybody(self) -> None:
        assert signed_in(UserFactory(permissions=VIEWS)).get(reverse(OVERVIEW)).status_code == 403


class TestTheSwitch:
    ON = {"preset": "recording", "band": "very_high", "verb": "on", "resolution": "deleted"}

    @pytest.fixture
    def measured(self, analysis: DuplicateAnalysisResult) -> None:
        answered(sample_of(analysis, 12), [Answer.SAME] * 12, actor=UserFactory())

    def turn(self, user: User, **wish: str) -> Any:
        return signed_in(user).post(reverse("admin:duplicates_automatic_switch"), {**self.ON, **wish}, follow=True)

    @pytest.mark.usefixtures("measured")
    def test_is_turned_on_and_off(self, administrator: User) -> None:
        said = self.turn(administrator, profile="keep_best_quality")

        switch = AutomaticResolution.objects.get()
        assert (switch.is_on, switch.resolution, switch.profile_name) == (True, Resolution.DELETED, "keep_best_quality")
        assert messages_of(said) == ["Automatic resolution is on from the next analysis: Same recording, Very high."]
        assert "Switch off" in said.content.decode()
        self.turn(administrator, verb="off")
        switch.refresh_from_db()
        assert not switch.is_on

    def test_is_refused_where_nothing_is_measured(self, administrator: User) -> None:
        said = self.turn(administrator)

        assert messages_of(said) == ["0 groups are judged; it takes 10 at least."]
        assert not AutomaticResolution.objects.filter(is_on=True).exists()

    @pytest.mark.usefixtures("measured")
    def test_is_not_for_reviewers(self, judge: User) -> None:
        assert self.turn(judge).status_code == 403
        assert "Switch on" not in signed_in(judge).get(reverse(OVERVIEW)).content.decode()

    @pytest.mark.usefixtures("measured")
    def test_cannot_remove_for_who_may_not_remove(self) -> None:
        user = UserFactory(permissions=(*VIEW, permissions.REVIEW, permissions.AUTOMATE))

        assert self.turn(user).status_code == 403
        assert self.turn(user, resolution="kept_canonical").status_code == 200
        assert AutomaticResolution.objects.get().resolution == Resolution.KEPT_CANONICAL

    @pytest.mark.usefixtures("measured")
    def test_its_plans_say_that_nobody_made_them_by_hand(self, administrator: User) -> None:
        self.turn(administrator)
        new = plain_analysis(completed_at=timezone.now())
        groups_in(new, "very_high", 1)
        resolve_new_results(now=timezone.now())
        plan = CleanupPlan.objects.get()
        client = signed_in(administrator)

        content = client.get(reverse("admin:duplicates_cleanupplan_change", args=[plan.pk])).content.decode()

        assert "<dt>Automatic resolution</dt>" in content
        assert str(plan.pk) in client.get(reverse(OVERVIEW)).content.decode()

    @pytest.mark.usefixtures("measured")
    def test_tells_why_it_switched_itself_off(self, administrator: User, looker: User) -> None:
        self.turn(administrator)
        AutomaticResolution.objects.update(
            is_on=False, off_reason="anna may not do this any more.", switched_off_at=timezone.now()
        )

        content = signed_in(looker).get(reverse(OVERVIEW)).content.decode()

        assert "It switched itself off:" in content
        assert "anna may not do this any more." in content
