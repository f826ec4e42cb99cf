"""What commands share: naming an analysis, following a run on a terminal or in a log, summaries people can read."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from duplicates.engine.keeper_rules import counted
from duplicates.exceptions import AnalysisNotFound
from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.services.lifecycle import get_analysis
from duplicates.services.progress import AnalysisProgress, Sink, keep_nothing
from duplicates.services.progress import logger as run_logger


@contextmanager
def following(*, quiet: bool = False) -> Iterator[Sink]:
    """Give a sink that draws a bar on standard error when that is a terminal; the run's log lines show otherwise."""
    if not sys.stderr.isatty():
        previous = run_logger.level
        run_logger.setLevel(logging.ERROR if quiet else min(logging.INFO, run_logger.getEffectiveLevel()))
        try:
            yield keep_nothing
        finally:
            run_logger.setLevel(previous)
        return
    previous = run_logger.level
    run_logger.setLevel(logging.ERROR)
    try:
        with tqdm(total=100, unit="%", bar_format="{desc} {bar} {n:.0f} %{postfix}", leave=False) as bar:

            def draw(progress: AnalysisProgress) -> None:
                bar.set_description_str(progress.message, refresh=False)
                bar.set_postfix_str(_figures(progress), refresh=False)
                bar.update(progress.percentage - bar.n)

            yield draw
    finally:
        run_logger.setLevel(previous)


def _figures(progress: AnalysisProgress) -> str:
    left = progress.estimated_seconds_remaining
    parts = [f"{progress.tracks_processed:,} of {progress.total_tracks:,} tracks"]
    if left is not None:
        parts.append(f"{left:.0f} s left")
    return ", ".join(parts)


def named_analysis(name: str) -> DuplicateAnalysisResult:
    """Return the analysis a person named by its id, or by `latest`: the newest completed one of anyone."""
    if name != "latest":
        return get_analysis(name)
    latest = DuplicateAnalysisResult.objects.completed().order_by("-created_at").first()
    if latest is None:
        raise AnalysisNotFound(
            "There is no completed analysis yet.", way_out="Make one with: manage.py run_duplicate_analysis"
        )
    return latest


def summary_lines(analysis: DuplicateAnalysisResult) -> Iterator[str]:
    """Yield what a person wants to know of a completed analysis."""
    if not analysis.library_track_count:
        yield "The library holds no track yet. Import one with: uv run manage.py import_library PATH"
    found = f"{counted(analysis.groups_found, 'group')} with {counted(analysis.duplicates_found, 'duplicate')}"
    yield f"{found} among {counted(analysis.tracks_analyzed, 'track')}"
    if analysis.average_similarity is not None:
        yield f"Average similarity {analysis.average_similarity:.1%}"
    if analysis.not_enough_data_count:
        yield f"{counted(analysis.not_enough_data_count, 'track')} with too little data to be judged"
    found = analysis.figures
    for sentence in (*found.get("narrowed", []), *found.get("notes", []), found.get("itunes_note", "")):
        if sentence:
            yield sentence
    if analysis.processing_seconds is not None:
        yield f"Took {analysis.processing_seconds:.1f} s ({analysis.cpu_seconds or 0:.1f} s of CPU)"


def group_lines(group: DuplicateAnalysisGroup) -> Iterator[str]:
    """Yield a group as a person reads it: what it is, its members, and why one of them is the keeper."""
    yield f"#{group.position}  {group.title or 'Untitled'} by {group.artist or 'unknown artist'}"
    for member in group.members.order_by("position"):
        mark = "keep" if member.is_canonical else f"{member.similarity:.0%}"
        details = " · ".join(part for part in (member.album, _length(member.duration_ms), member.format) if part)
        yield f"    {mark:>5}  {member.title or 'Untitled'} by {member.artist or 'unknown artist'}  {details}".rstrip()
    yield f"           {group.keeper_reason}"


def _length(duration_ms: int | None) -> str:
    if duration_ms is None:
        return ""
    return f"{duration_ms // 60_000}:{duration_ms // 1000 % 60:02d}"
