"""What failures have in common, in a sentence with the way out.

"7 of 9 failures are time-outs above 500,000 tracks: raise REPRISE_ANALYSIS_TIMEOUT_SECONDS, ..."
"""

from collections import Counter
from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from duplicates.choices import AnalysisStatus, Phase
from duplicates.exceptions import AnalysisTimeout, MemoryLimit, SaveFailed, WorkerLost
from duplicates.services.metrics import Run
from library.numbers import number

FEWEST = 2  # one failure is no pattern
LARGE = (500_000, 100_000, 10_000)  # tracks; the highest that all failures of a kind exceed is named
SHARE = 0.5  # of the failures of a kind, to name the phase they end in
_WHAT = {
    AnalysisTimeout.code: gettext_lazy("time-outs"),
    MemoryLimit.code: gettext_lazy("refusals for want of memory"),
    SaveFailed.code: gettext_lazy("results that could not be saved"),
    WorkerLost.code: gettext_lazy("runs whose workers died"),
}
_WAY_OUT = {
    AnalysisTimeout.code: gettext_lazy("raise REPRISE_ANALYSIS_TIMEOUT_SECONDS, or set it to 0 to allow by size."),
    MemoryLimit.code: gettext_lazy("raise REPRISE_ANALYSIS_MEMORY_MB where the machine has more."),
    SaveFailed.code: gettext_lazy("look at the database and its disk space; “Save again” keeps what was found."),
    WorkerLost.code: gettext_lazy("look at the workers' log; most often the system ended them for want of memory."),
}


def find_patterns(runs: Iterable[Run]) -> list[str]:
    """Return a sentence for each kind of failure that came more than once, the most frequent first."""
    failed = [run for run in runs if run.status == AnalysisStatus.FAILED]
    by_code = Counter(run.error_code for run in failed)
    return [
        _sentence(code, [run for run in failed if run.error_code == code], len(failed))
        for code, count in by_code.most_common()
        if count >= FEWEST
    ]


def _sentence(code: str, runs: list[Run], failures: int) -> str:
    what = _WHAT.get(code) or _("failures with the code %(code)s") % {"code": code or "?"}
    said = ngettext(
        "%(count)s of %(all)s failure is %(what)s%(where)s: %(way_out)s",
        "%(count)s of %(all)s failures are %(what)s%(where)s: %(way_out)s",
        failures,
    )
    way_out = _WAY_OUT.get(code) or _("their pages and the log say more.")
    return said % {
        "count": len(runs),
        "all": failures,
        "what": what,
        "where": _above(runs) + _while(runs),
        "way_out": way_out,
    }


def _above(runs: list[Run]) -> str:
    smallest = min(run.tracks for run in runs)
    limit = next((tracks for tracks in LARGE if smallest > tracks), None)
    return "" if limit is None else _(" above %(tracks)s tracks") % {"tracks": number(limit)}


def _while(runs: list[Run]) -> str:
    phase, count = Counter(run.phase for run in runs).most_common(1)[0]
    if phase not in Phase.values or count <= SHARE * len(runs):
        return ""
    return _(", mostly while %(phase)s") % {"phase": _in_passing(str(Phase(phase).label))}


def _in_passing(label: str) -> str:
    return label[:1].lower() + label[1:]
