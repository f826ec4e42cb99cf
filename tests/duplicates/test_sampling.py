"""Samples: drawn by chance alone and kept, judged blind, and apart from every decision."""

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.choices import Answer
from duplicates.exceptions import (
    AlreadyJudged,
    AnalysisNotReady,
    InvalidOptions,
    NothingToSample,
    NotRepresentative,
    SampleComplete,
    SampleNotFound,
)
from duplicates.models import AuditRecord, DuplicateAnalysisResult, NotDuplicate, SampledGroup
from duplicates.services.options import AnalysisOptions
from duplicates.services.precision import MOST_MEMBERS
from duplicates.services.sampling import (
    Candidate,
    draw,
    draw_sample,
    false_matches,
    get_sample,
    get_sampled_group,
    judge,
    next_to_judge,
)
from tests.duplicates.copies import copy, everything, group_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.plans import NOW
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis

pytestmark = pytest.mark.django_db


@pytest.fixture
def analysis() -> DuplicateAnalysisResult:
    return plain_analysis()


@pytest.fixture
def anna() -> User:
    return UserFactory.create(username="anna")


class TestTheDraw:
    def test_takes_the_same_number_from_each_band(self, analysis: DuplicateAnalysisResult) -> None:
        for band, many in (("very_high", 6), ("high", 4), ("medium", 2)):
            groups_in(analysis, band, many)

        sample = drawn(analysis, per_band=3)

        assert Counter(sample.groups.values_list("band", flat=True)) == {"very_high": 3, "high": 3, "medium": 2}
        assert sample.populations == {"very_high": 6, "high": 4, "medium": 2}

    def test_says_by_whom_when_and_from_what(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 2)

        sample = drawn(analysis, actor=anna)

        assert (sample.user_name, sample.created_at, sample.preset) == ("anna", NOW, "recording")
        record = AuditRecord.objects.get(action="precision.sample_drawn")
        assert (record.after or {})["seed"] == sample.seed

    def test_comes_out_again_from_its_seed(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "high", 9)
        sample = drawn(analysis, per_band=4)
        rows = analysis.groups.order_by("position").values_list("pk", "identity", "confidence", "member_count")
        population = {"high": [Candidate(*row) for row in rows]}

        again = [one.group_id for _band, one, _order in draw(population, (), ["high"], 4, sample.seed)]

        assert again == list(sample.groups.order_by("position").values_list("group_id", flat=True))

    def test_chooses_every_group_equally_often(self) -> None:
        """Chi square of 2,000 draws of 3 from 12; 31.3 is passed once in a thousand times, the seeds are fixed."""
        population = {"high": [Candidate(number, str(number), 0.9, 2) for number in range(12)]}
        seeds = random.Random(7)

        counted = Counter(
            one.group_id
            for _ in range(2_000)
            for _band, one, _order in draw(population, (), ["high"], 3, seeds.getrandbits(62))
        )

        assert sum((counted[number] - 500) ** 2 / 500 for number in range(12)) < 31.3

    def test_holds_decided_groups_too(self, analysis: DuplicateAnalysisResult) -> None:
        """People decide the easy ones first; a sample of what is left would say nothing of the band."""
        groups_in(analysis, "high", 3)
        analysis.groups.update(is_resolved=True, resolution="kept_canonical")

        assert drawn(analysis).group_count == 3

    def test_never_takes_a_group_twice(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "high", 5)
        drawn(analysis, per_band=3)

        assert drawn(analysis, per_band=3).group_count == 2
        with pytest.raises(NothingToSample):
            drawn(analysis)

    def test_mixes_the_bands(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "very_high", 15)
        groups_in(analysis, "low", 15)

        bands = list(drawn(analysis).groups.order_by("position").values_list("band", flat=True))

        assert bands != sorted(bands)
        assert bands != sorted(bands, reverse=True)

    def test_can_be_of_some_bands(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "very_high", 2)
        groups_in(analysis, "low", 2)

        assert set(drawn(analysis, bands=["low"]).groups.values_list("band", flat=True)) == {"low"}

    @pytest.mark.parametrize(
        ("wish", "error"),
        [
            pytest.param({"per_band": 0}, InvalidOptions, id="none"),
            pytest.param({"per_band": 1_001}, InvalidOptions, id="too many"),
            pytest.param({"bands": ["certain"]}, InvalidOptions, id="unknown band"),
        ],
    )
    def test_of_what_cannot_be_is_refused(
        self, analysis: DuplicateAnalysisResult, wish: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            drawn(analysis, **wish)

    @pytest.mark.parametrize(
        ("values", "error"),
        [
            pytest.param({"status": "failed"}, AnalysisNotReady, id="failed"),
            pytest.param({"engine_fingerprint": "older"}, NotRepresentative, id="another matcher"),
            pytest.param(
                {"parameters": AnalysisOptions(search="moon").as_parameters()}, NotRepresentative, id="a search"
            ),
            pytest.param(
                {"parameters": AnalysisOptions(ignored_fields=("year",)).as_parameters()},
                NotRepresentative,
                id="own options",
            ),
            pytest.param(
                {"parameters": AnalysisOptions(min_confidence=0.9).as_parameters()}, NotRepresentative, id="a part"
            ),
        ],
    )
    def test_from_an_analysis_that_says_nothing_of_its_preset_is_refused(
        self, values: dict[str, Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            drawn(plain_analysis(**values))

    def test_takes_as_many_queries_for_many_groups_as_for_few(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "high", 2)
        with CaptureQueriesContext(connection) as few:
            drawn(analysis)
        groups_in(analysis, "high", 20)
        with CaptureQueriesContext(connection) as many:
            drawn(analysis)

        assert len(many) == len(few)


class TestWhatIsShown:
    def test_is_nothing_by_which_the_matcher_chose(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "high", 1)

        (member, _other) = drawn(analysis).groups.get().members

        assert set(member) == {
            "track_id", "title", "artist", "album_artist", "album", "track_number", "disc_number", "year", "explicit",
            "duration_ms", "format", "bit_rate_kbps",
        }  # fmt: skip

    def test_comes_in_random_order(self, analysis: DuplicateAnalysisResult) -> None:
        groups = groups_in(analysis, "high", 20)
        keepers = {group.pk: group.keeper_track_id for group in groups}

        firsts = [one.members[0]["track_id"] == keepers[one.group_id] for one in drawn(analysis).groups.all()]

        assert 0 < sum(firsts) < 20

    def test_is_every_member_and_larger_groups_are_not_drawn(self, analysis: DuplicateAnalysisResult) -> None:
        """An answer about some members would let the bar be beaten by what nobody saw."""
        for many in (MOST_MEMBERS, MOST_MEMBERS + 1):
            group_of(*(copy() for _ in range(many)), analysis=analysis)

        sample = drawn(analysis)

        one = sample.groups.get()
        assert len(one.members) == one.member_count == MOST_MEMBERS
        assert sum(sample.populations.values()) == 1

    def test_outlives_the_analysis(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 1)
        sample = drawn(analysis, actor=anna)
        analysis.delete()

        one = next_to_judge(get_sample(sample.pk, user=anna), user=anna)

        assert one is not None
        assert one.members[0]["title"] == "Harbour Lights"

    def test_is_only_for_who_sees_the_analysis(self, anna: User) -> None:
        analysis = plain_analysis(user=UserFactory.create())
        groups_in(analysis, "high", 1)
        sample = drawn(analysis)

        with pytest.raises(SampleNotFound):
            get_sample(sample.pk, user=anna)
        with pytest.raises(SampleNotFound):
            get_sampled_group(sample.groups.get().pk, user=anna)

    def test_begins_for_each_person_somewhere_else(self, analysis: DuplicateAnalysisResult) -> None:
        groups_in(analysis, "high", 30)
        sample = drawn(analysis)

        first = {next_to_judge(sample, user=UserFactory.create()) for _ in range(8)}

        assert len(first) > 4


class TestAJudgement:
    def test_changes_nothing_in_the_group(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 3)
        sample = drawn(analysis)
        before = everything()

        answered(sample, [Answer.SAME, Answer.DIFFERENT, Answer.CANNOT_TELL], actor=anna)

        assert everything() == before
        assert not NotDuplicate.objects.exists()

    def test_says_who_is_odd_in_a_larger_group(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 1, members=3)
        one = drawn(analysis).groups.get()
        odd = one.members[2]["track_id"]

        judged = judge(one, answer="different", odd_tracks=[odd], actor=anna, now=NOW)

        assert judged.odd_tracks == [odd]

    @pytest.mark.parametrize("odd", [[], [0, 1, 2], [None]], ids=["none", "all", "a stranger"])
    def test_must_say_it_rightly(self, analysis: DuplicateAnalysisResult, anna: User, odd: list[int | None]) -> None:
        groups_in(analysis, "high", 1, members=3)
        one = drawn(analysis).groups.get()
        ids = [-1 if place is None else one.members[place]["track_id"] for place in odd]

        with pytest.raises(InvalidOptions):
            judge(one, answer="different", odd_tracks=ids, actor=anna, now=NOW)

    def test_of_an_unknown_word_is_refused(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 1)

        with pytest.raises(InvalidOptions):
            judge(drawn(analysis).groups.get(), answer="perhaps", actor=anna, now=NOW)

    def test_may_be_corrected_by_the_same_person_only(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        groups_in(analysis, "high", 2)
        (one,) = answered(drawn(analysis), [Answer.SAME], actor=anna)

        with pytest.raises(AlreadyJudged):
            judge(one, answer="different", actor=UserFactory.create(), now=NOW)
        judge(one, answer="different", actor=anna, now=NOW)

        one.refresh_from_db()
        assert one.answer == "different"
        record = AuditRecord.objects.filter(action="precision.judged", was_successful=True).latest("pk")
        assert ((record.before or {})["answer"], (record.after or {})["answer"]) == ("same", "different")

    def test_is_final_once_the_sample_is_complete(self, analysis: DuplicateAnalysisResult, anna: User) -> None:
        """From then on the evidence is shown; who has seen it must not answer otherwise."""
        groups_in(analysis, "high", 2)
        sample = drawn(analysis)
        (first,) = answered(sample, [Answer.DIFFERENT], actor=anna)
        assert false_matches(sample, most=9) == []
        answered(sample, [Answer.SAME], actor=anna, now=NOW + timedelta(minutes=1))
        sample.refresh_from_db()

        with pytest.raises(SampleComplete):
            judge(first, answer="same", actor=anna, now=NOW)

        assert sample.completed_at == NOW + timedelta(minutes=1)
        assert false_matches(sample, most=9) == [first]
        assert next_to_judge(sample, user=anna) is None


def test_the_seed_is_nobodys_choice() -> None:
    assert "seed" not in draw_sample.__wrapped__.__kwdefaults__  # type: ignore[attr-defined]
    assert SampledGroup._meta.default_permissions == ()
