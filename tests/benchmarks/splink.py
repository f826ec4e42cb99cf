"""Run Splink, the strongest peer that needs no labels, beside the matcher on the MusicBrainz half.

    uv run --group bench python -m tests.benchmarks.engine splink

Each contender runs six times in a process of its own, so that peak memory is its own; start-up, imports and reading the
file are outside the seconds of both. The first run compiles patterns and fills caches; the median of the five others is
what a worker pays for every further library. CPU seconds are user and system time of the process, its threads and its
children.
Splink is set up as its documentation shows: DuckDB, blocking on prefixes, Jaro-Winkler levels, u by sampling, m by
expectation maximisation, connected components. It sees the text as it stands and the numbers
as our reader reads them; "cleaned" gives it the fields our normaliser makes, a cleaner its users would have to write
and, as here, to run.
"""

import json
import logging
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import polars as pl

from duplicates.engine.normalise import normalise
from duplicates.engine.pipeline import find_clusters
from duplicates.engine.records import TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from tests.benchmarks.engine import musicbrainz_truth, peak_memory, rates, say
from tests.engine import datasets
from tests.engine.support import groups_of, pairs_of

NOT_INSTALLED = "Splink is not installed; run this with: uv run --group bench python -m tests.benchmarks.engine splink"
MATCHER = "the matcher"
THRESHOLD = 0.5  # likelier than not; at the 0.95 of the documentation's example F1 is lower on these records
AGAIN = 5  # further runs
SAMPLED_PAIRS = 1_000_000  # for u, as in its examples
TEXTS = ("title", "artist", "album")
SETTINGS = EngineSettings(preset=Preset.RELEASE)
Groups = list[list[int]]


def as_it_stands(columns: TrackColumns) -> pl.DataFrame:
    """Return the fields as they stand in the file, blanks missing."""
    return columns.frame.select(
        "track_id",
        *(pl.when(pl.col(name).str.strip_chars() != "").then(name).alias(name) for name in TEXTS),
        seconds=pl.col("duration_ms") // 1000,
        year=pl.col("year") % 100,
        number=pl.col("track_number"),
    )


def cleaned(columns: TrackColumns) -> pl.DataFrame:
    """Return the fields as our normaliser makes them, blanks missing."""
    records = normalise(columns, SETTINGS)
    numbers = pl.DataFrame({"seconds": records.duration_ms // 1000, "number": records.number, "year": records.year})
    texts = records.texts.select(pl.when(pl.col(name) != "").then(name).alias(name) for name in TEXTS)
    known = numbers.select(
        *(pl.when(pl.col(name) > 0).then(name).alias(name) for name in ("seconds", "number")),
        pl.when(pl.col("year") >= 0).then("year").alias("year"),
    )
    return pl.concat([pl.DataFrame({"track_id": records.track_id}), texts, known], how="horizontal")


def splink_settings() -> Any:
    """Return what Splink compares, and on which keys it proposes pairs."""
    import splink.comparison_level_library as levels  # noqa: PLC0415  only the bench group has it
    import splink.comparison_library as compare  # noqa: PLC0415
    from splink import SettingsCreator, block_on  # noqa: PLC0415

    texts = [
        compare.JaroWinklerAtThresholds(name, [0.9, 0.7]).configure(term_frequency_adjustments=True) for name in TEXTS
    ]
    gaps = [levels.AbsoluteDifferenceLevel("seconds", gap) for gap in (1, 5)]
    length = compare.CustomComparison(
        output_column_name="seconds", comparison_levels=[levels.NullLevel("seconds"), *gaps, levels.ElseLevel()]
    )
    title, artist, album = (f"substr({name}, 1, 5)" for name in TEXTS)
    keys = [(title, artist), (title, album), (artist, album), (artist, "seconds"), ("seconds", "number", "year")]
    keys += [(text, number) for text in (title, album) for number in ("number", "seconds", "year")]
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="track_id",
        comparisons=[*texts, length, compare.ExactMatch("year"), compare.ExactMatch("number")],
        blocking_rules_to_generate_predictions=[block_on(*key) for key in keys],
    )


def splink_groups(frame: pl.DataFrame) -> Groups:
    """Let Splink learn its model from the records and cluster them."""
    from splink import DuckDBAPI, Linker, block_on  # noqa: PLC0415

    linker = Linker(DuckDBAPI().register(frame.to_arrow()), splink_settings(), log_level=logging.ERROR)
    train = linker.training
    sure = [block_on("title", "artist"), block_on("title", "album"), block_on("album", "number", "seconds")]
    train.estimate_probability_two_random_records_match(sure, recall=0.7)
    train.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=1)
    train.estimate_parameters_using_expectation_maximisation(block_on("title"))
    train.estimate_parameters_using_expectation_maximisation(block_on("album", "number"))
    links = linker.inference.predict(threshold_match_probability=THRESHOLD)
    found = linker.clustering.cluster_pairwise_predictions_at_threshold(links, threshold_match_probability=THRESHOLD)
    members = defaultdict(list)
    for row in found.as_record_list():
        members[row["cluster_id"]].append(row["track_id"])
    return list(members.values())


CONTENDERS: dict[str, Callable[[TrackColumns], Groups]] = {
    MATCHER: lambda columns: groups_of(find_clusters(columns, SETTINGS)),
    "Splink, as it stands": lambda columns: splink_groups(as_it_stands(columns)),
    "Splink, cleaned": lambda columns: splink_groups(cleaned(columns)),
}


def cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def seconds_of(match: Callable[[TrackColumns], Groups], data: TrackColumns) -> float:
    before = cpu_seconds()
    match(data)
    return cpu_seconds() - before


def run(name: str) -> None:
    """Run one contender in this process and print its figures as JSON."""
    match = CONTENDERS[name]
    data, true = datasets.musicbrainz(), musicbrainz_truth()
    if name != MATCHER:
        import_module("splink.backends.duckdb")
        splink_settings()  # loads the rest of it
    before, cpu, wall = peak_memory(), cpu_seconds(), time.monotonic()
    groups = match(data)
    figures = {"cpu": cpu_seconds() - cpu, "wall": time.monotonic() - wall, "before": before, "peak": peak_memory()}
    figures |= {"again": statistics.median(seconds_of(match, data) for _ in range(AGAIN))}
    found = pairs_of(groups)
    say(json.dumps(figures | {"rates": rates(len(found & true), len(found), len(true))}))


def main() -> None:
    """Run every contender and print the table."""
    if find_spec("splink") is None:
        sys.exit(NOT_INSTALLED)
    spent: dict[str, tuple[float, float]] = {}
    for name in CONTENDERS:
        command = [sys.executable, "-m", "tests.benchmarks.splink", name]
        figures = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        spent[name] = figures["cpu"], figures["again"]
        first, again = (mine / ours for mine, ours in zip(spent[name], spent[MATCHER], strict=True))
        seconds = f"{figures['cpu']:6.2f} CPU s ({first:.1f}x)  again {figures['again']:6.2f} ({again:.1f}x)"
        memory = f"{figures['peak']:.2f} GB ({figures['before']:.2f} before)"
        say(f"{name:21} {figures['rates']}  {seconds}  {figures['wall']:6.2f} s  {memory}")


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
