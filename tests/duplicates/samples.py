"""Analyses that can be sampled, and samples that are judged, in one line each, for tests."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from duplicates.choices import Answer
from duplicates.models import DuplicateAnalysisResult, PrecisionSample, SampledGroup
from duplicates.services.options import AnalysisOptions
from duplicates.services.sampling import draw_sample, judge
from library.changes import current_revision
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory
from tests.duplicates.plans import NOW

CONFIDENCE = {"very_high": 0.97, "high": 0.92, "medium": 0.85, "low": 0.6}


def plain_analysis(**values: Any) -> DuplicateAnalysisResult:
    """Return an analysis of the whole library by the present matcher, with the preset's own options."""
    options = AnalysisOptions(preset=values.get("preset", "recording"))
    made = {
        "search_term": "",
        "parameters": options.as_parameters(),
        "parameters_fingerprint": options.fingerprint(),
        "engine_fingerprint": options.engine_settings().fingerprint(),
        "library_revision": current_revision(),
    }
    return AnalysisFactory.create(**{**made, **values})


def groups_in(analysis: DuplicateAnalysisResult, band: str, many: int, members: int = 2) -> list[Any]:
    """Return groups of one band."""
    made = [group_of(*(copy(play_count=9) for _ in range(members)), analysis=analysis) for _ in range(many)]
    analysis.groups.filter(pk__in=[one.pk for one in made]).update(confidence=CONFIDENCE[band])
    for one in made:
        type(one).objects.filter(pk=one.pk).update(identity=f"{one.pk:032x}")
    return made


def drawn(analysis: DuplicateAnalysisResult, *, per_band: int = 1_000, now: datetime = NOW, **values: Any) -> Any:
    """Return a sample of an analysis."""
    return draw_sample(analysis, per_band=per_band, actor=values.pop("actor", None), now=now, **values)


def answered(sample: PrecisionSample, answers: Iterable[str], *, actor: Any, now: datetime = NOW) -> list[SampledGroup]:
    """Give these answers to the first groups of a sample, in order; of larger ones the first member is odd."""
    waiting = SampledGroup.objects.filter(sample=sample, answer="").order_by("position")
    return [
        judge(
            one,
            answer=answer,
            odd_tracks=[one.members[0]["track_id"]] if answer == Answer.DIFFERENT else [],
            actor=actor,
            now=now,
        )
        for one, answer in zip(waiting, answers, strict=False)
    ]
