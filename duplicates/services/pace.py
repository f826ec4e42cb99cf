"""What earlier runs say of the next: how much longer each stage takes in this installation than in the reference.

A disk that is slow, or busy with other things, shows first when the groups are saved, at the end of a run; nothing the
run has done before tells of it. The runs before do.
"""

from statistics import median

from duplicates.choices import Phase
from duplicates.models import DuplicateAnalysisResult
from duplicates.services.forecast import REFERENCE, UNITS_PER_TRACK, expected_seconds
from duplicates.services.progress import STAGES

RUNS = 5
# A run tells of libraries up to so many times larger or smaller, and of none too small to be timed.
TIMES_AS_LARGE = 4
FEWEST_TRACKS = min(REFERENCE)


def earlier_paces(tracks: int) -> dict[str, float]:
    """Return, by stage, how many times as long as in the reference it took in the median of the last runs.

    Only runs over every track that were neither interrupted nor resumed count. Empty where none is of a similar size.
    """
    if tracks < FEWEST_TRACKS:
        return {}
    similar = DuplicateAnalysisResult.objects.completed().filter(
        attempt=1,
        tables_of=None,
        tracks_analyzed__range=(max(tracks // TIMES_AS_LARGE, FEWEST_TRACKS), tracks * TIMES_AS_LARGE),
    )
    runs = similar.order_by("-completed_at").values_list("tracks_analyzed", "groups_found", "phase_seconds")[:RUNS]
    complete = [_phase_paces(*run) for run in runs if run[2].keys() >= set(Phase.values)]
    if not complete:
        return {}
    paces = {phase: median(run[phase] for run in complete) for phase in complete[0]}
    return {stage: paces[str(phase)] for stage, (phase, _) in STAGES.items()}


def _phase_paces(tracks: int, groups: int, phase_seconds: dict[str, float]) -> dict[str, float]:
    expected = expected_seconds(tracks)
    expected["saving"] *= max(groups, 1) / (UNITS_PER_TRACK["saving"] * tracks)
    paces = {}
    for phase in Phase.values:
        seconds = sum(expected[stage] for stage, (of, _) in STAGES.items() if of == phase)
        paces[str(phase)] = phase_seconds[phase] / seconds
    # How long the catalogue takes depends on what it holds; looking up is work like matching.
    paces[Phase.CROSS_REFERENCING] = paces[Phase.ANALYZING_SIMILARITIES]
    return paces
