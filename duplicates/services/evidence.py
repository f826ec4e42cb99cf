"""Evidence of members against a keeper they were not judged against: by the weights of their analysis, as of now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from duplicates.exceptions import CannotExplain
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services.options import AnalysisOptions

type Pair = tuple[int, int]  # the keeper's track id and the member's


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a member against a keeper."""

    similarity: float
    match_weight: float
    evidence: int
    matches_keeper: bool


ITSELF = Verdict(1.0, 0.0, 0, matches_keeper=True)
# A track that is not there cannot be compared.
NOT_COMPARED = Verdict(0.0, 0.0, 0, matches_keeper=False)
type Verdicts = Mapping[Pair, Verdict]


def verdict_of(member: DuplicateAnalysisTrack) -> Verdict:
    """Return what a member says of itself and its group's keeper."""
    return Verdict(member.similarity, member.match_weight, member.evidence, member.matches_keeper)


def verdicts_against(
    analysis: DuplicateAnalysisResult,
    wanted: Iterable[tuple[DuplicateAnalysisGroup, Iterable[DuplicateAnalysisTrack], int]],
) -> tuple[Verdicts, dict[int, CannotExplain]]:
    """Judge the members of groups against the keepers named beside them; all at once, as fast as one.

    What two tracks were to each other when one of them was the keeper, they are the other way round as well.
    Returns the verdicts, and by group why it cannot be judged: more is asked than was kept, for the analysis has no
    weights, or those of another engine.
    """
    known: dict[Pair, Verdict] = {}
    unknown: dict[Pair, DuplicateAnalysisTrack] = {}
    for group, members, keeper_id in wanted:
        for member in members:
            pair = (keeper_id, member.track_id)
            if member.track_id == keeper_id:
                known[pair] = ITSELF
                # The new keeper was judged against the old one.
                known[keeper_id, group.keeper_track_id] = (
                    verdict_of(member) if keeper_id != group.keeper_track_id else ITSELF
                )
            elif keeper_id == group.keeper_track_id:
                known[pair] = verdict_of(member)
            else:
                unknown[pair] = member
    asked = [pair for pair in unknown if pair not in known]
    try:
        return known | _judged(analysis, asked), {}
    except CannotExplain as error:
        # A member that is not there any more need not be compared.
        refused = {unknown[pair].group_id: error for pair in asked if unknown[pair].still_exists}
        return known | dict.fromkeys(asked, NOT_COMPARED), refused


def _judged(analysis: DuplicateAnalysisResult, pairs: list[Pair]) -> dict[Pair, Verdict]:
    if not pairs:
        return {}
    # Only here is the matcher needed, and groups of two never come here.
    import numpy as np  # noqa: PLC0415

    from duplicates.engine.rejudge import judge_pairs  # noqa: PLC0415
    from duplicates.services.loading import load_tracks  # noqa: PLC0415

    if not analysis.learnt_tables:
        raise CannotExplain
    columns = load_tracks(np.unique(np.array(pairs, np.int64)))
    here = set(columns.frame["track_id"].to_list())
    asked = [pair for pair in pairs if here.issuperset(pair)]
    found = dict.fromkeys(pairs, NOT_COMPARED)
    if not asked:
        return found
    one, other = np.array(asked, np.int64).T
    settings = AnalysisOptions.from_parameters(analysis.parameters).engine_settings()
    try:
        judged = judge_pairs(columns, one, other, settings, bytes(analysis.learnt_tables))
    except ValueError as error:
        raise CannotExplain(_("Another version of the matcher made this analysis.")) from error
    arrays = (judged.probability, judged.match_weight, judged.evidence, judged.is_match)
    rows = zip(*(array.tolist() for array in arrays), strict=True)
    return found | {pair: Verdict(*row) for pair, row in zip(asked, rows, strict=True)}
