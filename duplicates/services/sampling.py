"""Draws random samples of groups from an analysis, hands them out one by one, and keeps what people say of them.

Chance alone chooses: each band gives the same number of groups, decided ones too, but for those that are in a sample
that counts already and those of more than `MOST_MEMBERS`, which nobody compares. Who judges sees all members in random
order and nothing else. An answer changes nothing in the group.
"""

import random
import secrets
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count
from django.utils.translation import gettext as _

from duplicates.choices import Answer, ConfidenceBand
from duplicates.engine.settings import ENGINE_VERSION
from duplicates.exceptions import (
    AlreadyJudged,
    InvalidOptions,
    NothingToSample,
    SampleComplete,
    SampleNotFound,
)
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack, PrecisionSample, SampledGroup
from duplicates.models.groups import band_of
from duplicates.services import audit
from duplicates.services.automatic_switch import recheck, require_representative
from duplicates.services.precision import MOST_MEMBERS, present_limits, samples_that_count

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

MOST_PER_BAND = 1_000
USUAL_PER_BAND = 50
# What is shown of a member, and nothing else: neither plays nor identifiers, by which the matcher's choice shows.
SHOWN = (
    "track_id",
    "title",
    "artist",
    "album_artist",
    "album",
    "track_number",
    "disc_number",
    "year",
    "explicit",
    "duration_ms",
    "format",
    "bit_rate_kbps",
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group that may be drawn."""

    group_id: int
    identity: str
    confidence: float
    member_count: int


@audit.recorded("precision.sample_drawn", subject="analysis")
def draw_sample(
    analysis: DuplicateAnalysisResult,
    *,
    per_band: int = USUAL_PER_BAND,
    bands: Collection[str] = (),
    actor: "AbstractBaseUser | None",
    now: datetime,
) -> PrecisionSample:
    """Draw so many groups from each band, or from those named, and keep them.

    Raises NotRepresentative for an analysis that says nothing of its preset, InvalidOptions for a number out of range
    or an unknown band, and NothingToSample.
    """
    wanted = _checked(per_band, bands)
    require_representative(analysis)
    with transaction.atomic():
        # Of two draws at once the second waits, and draws none of the groups of the first.
        DuplicateAnalysisResult.objects.select_for_update(of=("self",)).only("pk").get(pk=analysis.pk)
        population = _population(analysis)
        drawn_before = _drawn_before(analysis, now)
        seed = secrets.randbits(62)
        drawn = list(draw(population, drawn_before, wanted, per_band, seed))
        if not drawn:
            raise NothingToSample
        sample = PrecisionSample.objects.create(
            analysis=analysis,
            analysis_label=str(analysis)[:100],
            preset=analysis.preset,
            engine_version=ENGINE_VERSION,
            band_limits=present_limits(),
            populations={band: len(population[band]) for band in ConfidenceBand.values if population[band]},
            seed=seed,
            per_band=per_band,
            group_count=len(drawn),
            user_id=actor.pk if actor else None,
            user_name=actor.get_username() if actor else "",
            created_at=now,
        )
        SampledGroup.objects.bulk_create(_rows(sample, drawn))
        audit.record(
            "precision.sample_drawn",
            actor=actor,
            now=now,
            subject=sample,
            after={"seed": seed, "per_band": per_band, "bands": list(wanted), "populations": sample.populations},
            counts={"groups": len(drawn)},
        )
    return sample


def _checked(per_band: int, bands: Collection[str]) -> tuple[str, ...]:
    if not 1 <= per_band <= MOST_PER_BAND:
        raise InvalidOptions(_("A sample has 1 to %(most)d groups of each band.") % {"most": MOST_PER_BAND})
    if unknown := sorted(set(bands) - set(ConfidenceBand.values)):
        named = {"band": repr(unknown[0]), "accepted": ", ".join(ConfidenceBand.values)}
        raise InvalidOptions(_("%(band)s is no band. Choose from %(accepted)s.") % named)
    return tuple(band for band in ConfidenceBand.values if not bands or band in bands)


def _population(analysis: DuplicateAnalysisResult) -> dict[str, list[Candidate]]:
    """Return the groups of an analysis that can be judged by band, in the order of the analysis."""
    found: dict[str, list[Candidate]] = defaultdict(list)
    groups = analysis.groups.filter(member_count__lte=MOST_MEMBERS).order_by("position")
    rows = groups.values_list("pk", "identity", "confidence", "member_count")
    for row in rows.iterator(chunk_size=10_000):
        found[band_of(row[2])].append(Candidate(*row))
    return found


def _drawn_before(analysis: DuplicateAnalysisResult, now: datetime) -> set[str]:
    samples = samples_that_count(now=now).filter(preset=analysis.preset)
    return set(SampledGroup.objects.filter(sample__in=samples).values_list("identity", flat=True))


def draw(
    population: dict[str, list[Candidate]],
    drawn_before: Collection[str],
    bands: Sequence[str],
    per_band: int,
    seed: int,
) -> Iterator[tuple[str, Candidate, int]]:
    """Yield what chance chooses, bands mixed: the band, the group, and a seed for the order of its members.

    The same seed chooses the same from the same population.
    """
    chance = random.Random(seed)  # noqa: S311 (to be repeated, not to be secret)
    chosen: list[tuple[str, Candidate]] = []
    for band in bands:
        left = [one for one in population.get(band, []) if one.identity not in drawn_before]
        chosen += [(band, one) for one in chance.sample(left, min(per_band, len(left)))]
    chance.shuffle(chosen)
    for band, one in chosen:
        yield band, one, chance.getrandbits(62)


def _rows(sample: PrecisionSample, drawn: list[tuple[str, Candidate, int]]) -> list[SampledGroup]:
    members: dict[int, list[dict[str, Any]]] = defaultdict(list)
    ids = [one.group_id for _band, one, _seed in drawn]
    rows = DuplicateAnalysisTrack.objects.filter(group_id__in=ids).order_by("group_id", "position")
    for group_id, *values in rows.values_list("group_id", *SHOWN):
        members[group_id].append(dict(zip(SHOWN, values, strict=True)))
    return [
        SampledGroup(
            sample=sample,
            position=place,
            group_id=one.group_id,
            identity=one.identity,
            band=band,
            confidence=one.confidence,
            member_count=one.member_count,
            members=_in_random_order(members[one.group_id], order),
        )
        for place, (band, one, order) in enumerate(drawn, 1)
    ]


def _in_random_order(members: list[dict[str, Any]], seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)  # noqa: S311 (likewise)
    return chance.sample(members, len(members))


def get_sample(sample_id: int, *, user: Any) -> PrecisionSample:
    """Return a sample that a person may see. Raises SampleNotFound."""
    found = PrecisionSample.objects.visible_to(user).filter(pk=sample_id).first()
    if found is None:
        raise SampleNotFound(_("There is no sample %(id)s.") % {"id": sample_id})
    return found


def get_sampled_group(group_id: int, *, user: Any) -> SampledGroup:
    """Return a drawn group of a sample that a person may see. Raises SampleNotFound."""
    visible = PrecisionSample.objects.visible_to(user)
    found = SampledGroup.objects.filter(pk=group_id, sample__in=visible).select_related("sample").first()
    if found is None:
        raise SampleNotFound(_("There is no drawn group %(id)s.") % {"id": group_id})
    return found


def next_to_judge(sample: PrecisionSample, *, user: "AbstractBaseUser") -> SampledGroup | None:
    """Return a group of the sample that nobody has judged; None where all are.

    People begin at places of their own, so that two seldom have the same group before their eyes.
    """
    waiting = SampledGroup.objects.filter(sample=sample, answer="").select_related("sample").order_by("position")
    start = int(user.pk) * 7_919 % max(sample.group_count, 1)
    return waiting.filter(position__gt=start).first() or waiting.first()


def judged_counts(samples: Iterable[PrecisionSample]) -> dict[int, int]:
    """Return how many groups of each sample are judged; those without any are left out."""
    judged = SampledGroup.objects.filter(sample__in=list(samples)).exclude(answer="")
    return dict(judged.values("sample").annotate(many=Count("pk")).order_by().values_list("sample", "many"))


def judged_count(sample: PrecisionSample) -> int:
    """Return how many groups of a sample are judged."""
    return judged_counts([sample]).get(sample.pk, 0)


@audit.recorded("precision.judged", subject="drawn")
def judge(
    drawn: SampledGroup, *, answer: str, odd_tracks: Collection[int] = (), actor: "AbstractBaseUser", now: datetime
) -> SampledGroup:
    """Keep what somebody says of a drawn group; the same person may say otherwise until the sample is complete.

    Of a larger group that is not all the same it must be said which members are odd. Raises InvalidOptions,
    AlreadyJudged and SampleComplete.
    """
    with transaction.atomic():
        sample = PrecisionSample.objects.select_for_update(of=("self",)).get(pk=drawn.sample_id)
        drawn = SampledGroup.objects.get(pk=drawn.pk)
        odd = _checked_odd(drawn, answer, odd_tracks)
        if sample.completed_at is not None:
            raise SampleComplete
        if drawn.answer and drawn.judged_by_id != actor.pk:
            raise AlreadyJudged(_("%(who)s has judged this group.") % {"who": drawn.judged_name})
        before = _said(drawn) if drawn.answer else None
        drawn.answer, drawn.odd_tracks, drawn.judged_at = answer, odd, now
        drawn.judged_by_id, drawn.judged_name = actor.pk, actor.get_username()
        drawn.save(update_fields=["answer", "odd_tracks", "judged_at", "judged_by", "judged_name"])
        audit.record("precision.judged", actor=actor, now=now, subject=drawn, before=before, after=_said(drawn))
        if not SampledGroup.objects.filter(sample=sample, answer="").exists():
            sample.completed_at = now
            sample.save(update_fields=["completed_at"])
        drawn.sample = sample
        if answer == Answer.DIFFERENT:
            recheck(sample.preset, drawn.band, now=now)
    return drawn


def _checked_odd(drawn: SampledGroup, answer: str, odd_tracks: Collection[int]) -> list[int]:
    """Return the odd members in the order shown; of a pair there is nothing to say."""
    if answer not in Answer.values:
        named = {"value": repr(answer), "accepted": ", ".join(Answer.values)}
        raise InvalidOptions(_("%(value)s is no answer. Choose from %(accepted)s.") % named)
    shown = [member["track_id"] for member in drawn.members]
    if answer != Answer.DIFFERENT or len(shown) == 2:
        return []
    if unknown := set(odd_tracks) - set(shown):
        raise InvalidOptions(_("Track %(id)s is not in this group.") % {"id": sorted(unknown)[0]})
    if not 0 < len(set(odd_tracks)) < len(shown):
        raise InvalidOptions(_("Say which are not the same as the others: one at least, and not all."))
    return [pk for pk in shown if pk in odd_tracks]


def _said(drawn: SampledGroup) -> dict[str, Any]:
    return {"answer": str(drawn.answer), "odd_tracks": list(drawn.odd_tracks)}


def false_matches(sample: PrecisionSample, *, most: int) -> list[SampledGroup]:
    """Return the groups of a complete sample that are not all the same, for who wants to decide about them.

    Empty before it is complete: who has seen the evidence must not be able to answer otherwise.
    """
    if sample.completed_at is None:
        return []
    found = SampledGroup.objects.filter(sample=sample, answer=Answer.DIFFERENT)
    return list(found.select_related("group").order_by("position")[:most])
