"""Says why two tracks of the library are a duplicate or not: one answer for the command, the pages and the API.

With an analysis, its weights and settings judge the pair and its groups say what became of it; without one, a preset
and what the matcher believes of any library. The tracks are taken as they are now, and notes say what changed since.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils.translation import gettext as _

from duplicates.choices import Preset
from duplicates.engine import shipped
from duplicates.engine.differences import Span, differences
from duplicates.engine.evidence import Contribution, called, is_worth_a_line
from duplicates.engine.explain import Known, Outcome, PairExplanation, explain_pair, were_candidates
from duplicates.engine.settings import EngineSettings
from duplicates.exceptions import CannotExplain, InvalidOptions, TrackNotFound
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack, NotDuplicate
from duplicates.models.records import identity_key
from duplicates.services.loading import count_active_tracks, load_library, load_tracks
from duplicates.services.options import AnalysisOptions
from duplicates.services.vocabulary import with_current_words
from library.models import ChangeKind, LibraryChange, Track

LARGEST_ID = 2**63 - 1
MOST_SEARCHED = 20_000  # tracks: up to here finding out whether two were ever compared takes no more than a second
MOST_COLONS = 20  # a source and its ids may hold colons themselves


@dataclass(frozen=True, slots=True)
class Step:
    """One comparison as people read it: both values, where they differ, the verdict, its bits and the sum so far."""

    comparison: str
    level: str
    bits: float
    running: float
    left: str
    right: str
    differences: tuple[Span, ...]
    is_missing: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """Why two tracks are, or are not, a group."""

    left: Track
    right: Track
    preset: str
    analysis: DuplicateAnalysisResult | None
    pair: PairExplanation
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What became of the two, in one short sentence."""
        if self.analysis is None:
            return _("They would be one group.") if self.pair.is_linked else _("They would not be a group.")
        return _("They are one group.") if self.pair.is_linked else _("They are not a group.")

    def steps(self) -> Iterator[Step]:
        """Yield the comparisons in order with the sum so far; those that say nothing at all are left out."""
        running = self.pair.base_weight
        for part in self.pair.contributions:
            running += part.bits
            if is_worth_a_line(part):
                yield _step(part, running)

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        pair = self.pair
        return {
            "left": _track_values(self.left),
            "right": _track_values(self.right),
            "preset": self.preset,
            "analysis_id": None if self.analysis is None else str(self.analysis.pk),
            "outcome": pair.outcome.value,
            "is_linked": pair.is_linked,
            "verdict": self.verdict,
            "reason": pair.reason,
            "remark": pair.remark,
            "notes": list(self.notes),
            "probability": pair.probability,
            "threshold": pair.threshold,
            "match_weight": pair.match_weight,
            "base_weight": pair.base_weight,
            "steps": [asdict(step) for step in self.steps()],
        }


def explain_tracks(
    left: Track, right: Track, *, analysis: DuplicateAnalysisResult | None = None, preset: str = Preset.RECORDING
) -> Explained:
    """Judge two tracks as an analysis did, or by a preset, and say what became of them and why.

    Raises InvalidOptions for a track with itself, CannotExplain when the analysis kept no weights or another version
    of the matcher made it, and TrackNotFound when a track went meanwhile.
    """
    if left.pk == right.pk:
        raise InvalidOptions(_("A track is not a pair with itself. Name two different tracks."))
    options = with_current_words(AnalysisOptions(preset=preset))
    if analysis is not None:
        options = AnalysisOptions.from_parameters(analysis.parameters)
    settings = options.engine_settings()
    tables = shipped.shipped_model(settings).to_bytes() if analysis is None else _tables_of(analysis)
    columns = load_tracks(np.array([left.pk, right.pk]))
    known = _known(left, right, analysis)
    try:
        pair = explain_pair(columns, left.pk, right.pk, settings, tables, known=known)
        if pair.outcome is Outcome.CUT_OR_NEVER_COMPARED:
            known = replace(known, were_candidates=_were_compared(left, right, settings))
            pair = explain_pair(columns, left.pk, right.pk, settings, tables, known=known)
    except KeyError as gone:
        raise TrackNotFound(_("Track %(0)s has just been removed.") % {"0": gone.args[0]}) from gone
    except ValueError as error:
        raise CannotExplain(_("Another version of the matcher made this analysis.")) from error
    return Explained(left, right, options.preset, analysis, pair, tuple(_notes(left, right, analysis, pair)))


def _were_compared(left: Track, right: Track, settings: EngineSettings) -> bool | None:
    """Ask the candidate stage about two tracks of a small library; None where that takes long or one is removed."""
    if count_active_tracks() > MOST_SEARCHED or left.quarantined_at or right.quarantined_at:
        return None
    library = load_library()
    return were_candidates(library.columns, left.pk, right.pk, settings, not_duplicates=library.not_duplicates)


def find_track(name: str) -> Track:
    """Return the track a person named, by its id or as SOURCE:ID. Raises TrackNotFound."""
    if name.isdecimal() and name.isascii() and int(name) <= LARGEST_ID:
        found = list(Track.objects.filter(pk=int(name)))
    elif ":" in name and _can_be_stored(name):
        parts = name.split(":")
        cuts = range(1, min(len(parts), MOST_COLONS))
        named = [Q(source=":".join(parts[:cut]), source_track_id=":".join(parts[cut:])) for cut in cuts]
        found = list(Track.objects.filter(Q(*named, _connector=Q.OR))[:2])
    else:
        found = []
    if not found:
        raise TrackNotFound(_("There is no track %(name)r.") % {"name": name})
    if len(found) > 1:
        ids = _(" and ").join(str(track.pk) for track in found)
        raise TrackNotFound(
            _("%(name)r names more than one track (%(ids)s).") % {"name": name, "ids": ids},
            way_out=_("Name one by its id."),
        )
    return found[0]


def _can_be_stored(text: str) -> bool:
    return "\0" not in text and text.encode(errors="replace").decode() == text


def _tables_of(analysis: DuplicateAnalysisResult) -> bytes:
    if not analysis.has_groups or not analysis.learnt_tables:
        raise CannotExplain
    return bytes(analysis.learnt_tables)


def _known(left: Track, right: Track, analysis: DuplicateAnalysisResult | None) -> Known:
    """Return what was decided about the two: by people, and by the analysis."""
    decisions = _decisions(left, right)
    if analysis is None:
        return Known(declared_different=decisions.filter(revoked_at=None).exists())
    then = analysis.age_anchor
    standing = decisions.filter(Q(revoked_at=None) | Q(revoked_at__gt=then), created_at__lte=then)
    groups = dict(
        DuplicateAnalysisTrack.objects.filter(group__analysis=analysis, track_id__in=(left.pk, right.pk)).values_list(
            "track_id", "group_id"
        )
    )
    if not groups and _shows_a_part(analysis):
        return Known(standing.exists())
    together = len(groups) == 2 and len(set(groups.values())) == 1
    return Known(standing.exists(), same_group=together, both_ungrouped=not groups)


def _decisions(left: Track, right: Track) -> Any:
    keys = sorted(identity_key(track.source, track.source_track_id) for track in (left, right))
    return NotDuplicate.objects.filter(left_key=keys[0], right_key=keys[1])


def _shows_a_part(analysis: DuplicateAnalysisResult) -> bool:
    """Tell whether an analysis found groups that it did not keep."""
    return bool(analysis.search_term or analysis.min_confidence or analysis.is_partial)


def _notes(left: Track, right: Track, analysis: DuplicateAnalysisResult | None, pair: PairExplanation) -> Iterator[str]:
    """Yield what a person should know beside the verdict."""
    for track in (left, right):
        if track.quarantined_at is not None:
            yield _("Track %(pk)s was removed; analyses leave it out.") % {"pk": track.pk}
    if analysis is None:
        return
    changed = set(
        LibraryChange.objects.filter(track_id__in=(left.pk, right.pk), revision__gt=analysis.library_revision or 0)
        .exclude(kind=ChangeKind.DELETED)
        .values_list("track_id", flat=True)
    )
    for track in (left, right):
        if track.pk in changed:
            yield _("Track %(pk)s is new or has changed since this analysis; it is compared as it is now.") % {
                "pk": track.pk
            }
    if _shows_a_part(analysis) and not pair.is_linked:
        yield _("This analysis kept only a part of its groups; these two may share one it did not keep.")
    decided_later = _decisions(left, right).filter(revoked_at=None, created_at__gt=analysis.age_anchor)
    if pair.outcome is not Outcome.DECLARED_DIFFERENT and decided_later.exists():
        yield _("They were declared different after this analysis; the next one keeps them apart.")


def _step(part: Contribution, running: float) -> Step:
    name = called(part.comparison)
    level = _what_is_missing(part) if part.missing else part.level
    spans = tuple(differences(part.left_value, part.right_value))
    return Step(name, level, part.bits, running, part.left_value, part.right_value, spans, part.missing)


def _what_is_missing(part: Contribution) -> str:
    """Say which side has nothing to compare."""
    if bool(part.left_value) == bool(part.right_value):
        return _("one of them says nothing") if part.left_value else _("neither has one")
    return _("only the first has one") if part.left_value else _("only the second has one")


def _track_values(track: Track) -> dict[str, Any]:
    names = ("source", "source_track_id", "title", "artist", "album", "duration_ms")
    return {"track_id": track.pk, **{name: getattr(track, name) for name in names}}
