"""Which groups of an analysis are meant: the filters of the list, as data a plan can keep and a command can say."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from duplicates.choices import ConfidenceBand, ITunesMatch, Resolution
from duplicates.exceptions import InvalidOptions
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services.difference import GroupChange, groups_that_changed
from duplicates.services.library_changes import touched_groups
from library.search import with_beginning

SIZES = {"pair": Q(member_count=2), "few": Q(member_count__range=(3, 5)), "many": Q(member_count__gt=5)}
SCANNED = 20_000  # groups of an analysis that are read for a search
_UNDECIDED = Q(is_resolved=False) | Q(resolution=Resolution.MANUAL_REVIEW)
_ACCEPTED: dict[str, tuple[str, ...]] = {
    "band": tuple(ConfidenceBand.values),
    "size": tuple(SIZES),
    "decision": ("open", Resolution.MANUAL_REVIEW.value),
    "itunes_match": tuple(ITunesMatch.values),
    "touched": ("yes", "no"),
    "since": tuple(fate.value for fate in GroupChange if fate != GroupChange.GONE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFilter:
    """A wish of groups; what is empty does not matter. Raises InvalidOptions naming a value that is not accepted."""

    band: str = ""
    size: str = ""
    decision: str = ""
    itunes_match: str = ""
    touched: str = ""
    since: str = ""
    artist: str = ""
    search: str = ""
    group_ids: tuple[int, ...] = ()
    most_members: int = 0

    def __post_init__(self) -> None:
        for name, accepted in _ACCEPTED.items():
            value = getattr(self, name)
            if value and value not in accepted:
                named = {"value": repr(value), "name": name, "accepted": ", ".join(accepted)}
                raise InvalidOptions(_("%(value)s is no %(name)s. Choose from %(accepted)s.") % named)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return what people can filter by, but for single groups."""
        return tuple(field.name for field in fields(cls) if field.type is str)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `as_json` wrote."""
        known = {field.name for field in fields(cls)}
        kept = {name: value for name, value in values.items() if name in known}
        return cls(**{**kept, "group_ids": tuple(kept.get("group_ids", ()))})

    def as_json(self) -> dict[str, Any]:
        """Return what is wished for as plain JSON values."""
        return {name: list(value) if name == "group_ids" else value for name, value in asdict(self).items() if value}


def in_band(band: str) -> Q:
    """Return the condition of a confidence band, by the limits in the settings."""
    very_high, high, medium = settings.CONFIDENCE_VERY_HIGH, settings.CONFIDENCE_HIGH, settings.CONFIDENCE_MEDIUM
    return {
        ConfidenceBand.VERY_HIGH: Q(confidence__gte=very_high),
        ConfidenceBand.HIGH: Q(confidence__gte=high, confidence__lt=very_high),
        ConfidenceBand.MEDIUM: Q(confidence__gte=medium, confidence__lt=high),
        ConfidenceBand.LOW: Q(confidence__lt=medium),
    }[ConfidenceBand(band)]


def with_words(
    groups: QuerySet[DuplicateAnalysisGroup], text: str, *, analysis: DuplicateAnalysisResult | None = None
) -> QuerySet[DuplicateAnalysisGroup]:
    """Return those of the groups that hold every word of a text in title or artist.

    Of a large analysis those whose title or artist begins with the text: an index finds them, nothing else is read.
    """
    if analysis is not None and analysis.groups_found > SCANNED and text.strip():
        return with_beginning(groups, text.strip())
    for word in text.split():
        groups = groups.filter(Q(title__icontains=word) | Q(artist__icontains=word))
    return groups


def undecided_groups(analysis: DuplicateAnalysisResult, wanted: GroupFilter) -> QuerySet[DuplicateAnalysisGroup]:
    """Return the groups of an analysis that are meant and not decided, in its order; set aside is not decided."""
    groups = analysis.groups.filter(_UNDECIDED)
    if wanted.group_ids:
        groups = groups.filter(pk__in=wanted.group_ids)
    if wanted.band:
        groups = groups.filter(in_band(wanted.band))
    if wanted.size:
        groups = groups.filter(SIZES[wanted.size])
    if wanted.most_members:
        groups = groups.filter(member_count__lte=wanted.most_members)
    if wanted.decision:
        groups = groups.filter(is_resolved=wanted.decision != "open")
    if wanted.itunes_match:
        groups = groups.filter(itunes_match=wanted.itunes_match)
    if wanted.artist:
        groups = groups.filter(artist=wanted.artist)
    return _by_change(with_words(groups, wanted.search, analysis=analysis), analysis, wanted).order_by("position")


def _by_change(
    groups: QuerySet[DuplicateAnalysisGroup], analysis: DuplicateAnalysisResult, wanted: GroupFilter
) -> QuerySet[DuplicateAnalysisGroup]:
    if wanted.touched:
        touched = touched_groups(analysis).values("pk")
        groups = groups.filter(pk__in=touched) if wanted.touched == "yes" else groups.exclude(pk__in=touched)
    if wanted.since and analysis.predecessor is not None:
        changed = groups_that_changed(analysis.predecessor, analysis, GroupChange(wanted.since))
        groups = groups.filter(pk__in=changed.values("pk"))
    return groups
