"""The false-match rate per preset and band: what counts, its interval, and the bar."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from duplicates.choices import Answer, ConfidenceBand, Preset
from duplicates.models import PrecisionSample, SampledGroup
from duplicates.services import wilson
from duplicates.services.precision import BandRate, Bar, measured_precision
from tests.duplicates.factories import UserFactory
from tests.duplicates.plans import NOW
from tests.duplicates.samples import answered, drawn, groups_in, plain_analysis


class TestTheInterval:
    """Against the figures of Newcombe (1998), table I, method 3, and what follows from the formula."""

    @pytest.mark.parametrize(
        ("hits", "many", "low", "high"),
        [
            pytest.param(81, 263, 0.2553, 0.3662, id="81 of 263"),
            pytest.param(15, 148, 0.0624, 0.1605, id="15 of 148"),
            pytest.param(0, 20, 0.0, 0.1611, id="0 of 20"),
            pytest.param(1, 29, 0.0061, 0.1718, id="1 of 29"),
            pytest.param(29, 29, 0.8830, 1.0, id="all"),
        ],
    )
    def test_is_the_published_one(self, hits: int, many: int, low: float, high: float) -> None:
        assert wilson.interval(hits, many) == pytest.approx((low, high), abs=1e-4)

    def test_of_nothing_is_none(self) -> None:
        assert wilson.interval(0, 0) is None

    def test_says_how_many_it_takes_at_best(self) -> None:
        fewest = wilson.fewest_without_a_hit(0.01)

        assert fewest == 381
        assert (wilson.interval(0, fewest) or (0, 1))[1] < 0.01 <= (wilson.interval(0, fewest - 1) or (0, 1))[1]


class TestTheBar:
    def rate(self, same: int, different: int = 0, **values: int) -> BandRate:
        return BandRate(Preset.RECORDING, ConfidenceBand.HIGH, same=same, different=different, **values)

    def test_is_beaten_by_the_upper_end_and_not_by_the_rate(self) -> None:
        assert self.rate(400).beats(Bar(0.01, 100))
        assert not self.rate(300).beats(Bar(0.01, 100))  # none of 300 is false, yet 1.3 % may be

    def test_is_not_beaten_by_too_few(self) -> None:
        assert not self.rate(400).beats(Bar(0.01, 500))

    def test_is_not_beaten_by_cannot_tell(self) -> None:
        assert not self.rate(50, cannot_tell=400).beats(Bar(0.01, 10))

    def test_is_not_beaten_by_nothing(self) -> None:
        assert not self.rate(0).beats(Bar(0.5, 0))


@pytest.mark.django_db
class TestWhatCounts:
    def measured(self, answers: list[str], **values: Any) -> PrecisionSample:
        analysis = plain_analysis(**values)
        groups_in(analysis, "high", len(answers))
        sample: PrecisionSample = drawn(analysis)
        answered(sample, answers, actor=UserFactory.create())
        return sample

    def test_cannot_tell_is_left_out_and_counted_beside(self) -> None:
        self.measured([Answer.SAME, Answer.SAME, Answer.SAME, Answer.DIFFERENT, Answer.CANNOT_TELL, ""][:5])

        (rate,) = measured_precision(now=NOW).rates

        assert (rate.judged, rate.different, rate.rate, rate.cannot_tell) == (4, 1, 0.25, 1)
        assert rate.interval == pytest.approx(wilson.interval(1, 4))

    def test_each_preset_and_band_is_for_itself(self) -> None:
        self.measured([Answer.SAME])
        self.measured([Answer.DIFFERENT], preset="song")

        found = measured_precision(now=NOW)

        assert [(one.preset, one.band, one.rate) for one in found.rates] == [
            ("recording", "high", 0.0),
            ("song", "high", 1.0),
        ]
        assert found.of("recording", "low").judged == 0

    def test_of_a_group_that_was_shown_in_part_nothing_counts(self) -> None:
        """Older samples showed a random dozen of twenty; their answers must not help to beat the bar."""
        sample = self.measured([Answer.SAME, Answer.SAME, Answer.DIFFERENT])
        SampledGroup.objects.filter(sample=sample).exclude(position=1).update(member_count=20)

        (rate,) = measured_precision(now=NOW).rates

        assert (rate.judged, rate.same) == (1, 1)

    def test_what_waits_is_told(self) -> None:
        analysis = plain_analysis()
        groups_in(analysis, "low", 3)
        answered(drawn(analysis), [Answer.SAME], actor=UserFactory.create())

        assert measured_precision(now=NOW).of("recording", "low").waiting == 2

    def test_old_samples_stand_apart(self) -> None:
        self.measured([Answer.SAME])

        found = measured_precision(now=NOW + timedelta(days=181))

        assert (found.rates, found.older[0].judged) == ((), 1)

    def test_samples_of_another_matcher_stand_apart(self) -> None:
        PrecisionSample.objects.filter(pk=self.measured([Answer.SAME]).pk).update(engine_version="1")

        found = measured_precision(now=NOW)

        assert (found.rates, found.older[0].judged) == ((), 1)

    def test_samples_of_other_bands_stand_apart(self, settings: LazySettings) -> None:
        self.measured([Answer.SAME])
        settings.CONFIDENCE_HIGH = 0.93

        found = measured_precision(now=NOW)

        assert (found.rates, found.older[0].judged) == ((), 1)

    def test_it_takes_one_query(self) -> None:
        self.measured([Answer.SAME] * 3)
        self.measured([Answer.SAME], preset="exact")

        with CaptureQueriesContext(connection) as queries:
            measured_precision(now=NOW)

        assert len(queries) == 1
