"""Measure the matcher and print the tables: accuracy, calibration, seconds, memory.

    python -m tests.benchmarks.engine accuracy
    python -m tests.benchmarks.engine calibration
    python -m tests.benchmarks.engine speed LIBRARY.csv [LIBRARY.csv ...]
    python -m tests.benchmarks.engine hostile [TRACKS]
    python -m tests.benchmarks.engine growth [TRACKS ...]
    python -m tests.benchmarks.engine splink

Labelled data is read from the folder named by REPRISE_EVAL_DATA (default ../shared/data). A library for `speed` has the
columns id, title, artist, album, length, year, number, cluster; `growth` invents its own. CPU seconds are
those of this process; the reference line is a fixed loop, so that runs on different or crowded machines can be
compared.
"""

import argparse
import itertools
import math
import resource
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from duplicates.engine import pipeline
from duplicates.engine.memory import budget
from duplicates.engine.pipeline import choose_keepers, find_clusters
from duplicates.engine.progress import Stage
from duplicates.engine.records import KEEPER_SCHEMA, TRACK_SCHEMA, Clusters, TrackColumns
from duplicates.engine.settings import EngineSettings, Preset
from tests.benchmarks.invented import library
from tests.engine import datasets
from tests.engine.support import groups_of, pairs_of

BANDS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
LONG_TITLE = 10_000  # letters
ROOM = 1.25  # times the least ceiling: under the least itself, chunks are at their smallest and cost half as much again
NO_KEEPER_COLUMNS = pl.DataFrame(schema=KEEPER_SCHEMA)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def rates(hits: int, found: int, true: int) -> str:
    precision, recall = hits / max(found, 1), hits / max(true, 1)
    return f"P {precision:.4f}  R {recall:.4f}  F1 {2 * precision * recall / max(precision + recall, 1e-9):.4f}"


def musicbrainz_truth() -> set[tuple[int, int]]:
    clusters = defaultdict(list)
    for row in datasets.rows_of("musicbrainz_20k.csv.gz"):
        clusters[row["CID"]].append(int(row["TID"]))
    return pairs_of(list(clusters.values()))


def labelled_pairs(name: str) -> dict[tuple[int, int], tuple[str, str]]:
    return {
        tuple(sorted((int(row["left_id"][1:]), int(row["right_id"][1:])))): (row["label"], row["type"])
        for row in datasets.rows_of(name)
        if row["label"] in {"0", "1"}
    }  # type: ignore[misc]


LABELLED = {
    "isrc_library": ("isrc_pairs.csv.gz", datasets.isrc_library),
    "itunes_amazon": ("itunes_amazon_pairs.csv.gz", datasets.itunes_amazon),
    "itunes_amazon_dirty": ("itunes_amazon_dirty_pairs.csv.gz", lambda: datasets.itunes_amazon(dirty=True)),
}


def measured(columns: TrackColumns, preset: Preset) -> tuple[Clusters, float]:
    started = time.process_time()
    clusters = find_clusters(columns, EngineSettings(preset=preset))
    return clusters, time.process_time() - started


def accuracy() -> None:
    """Print precision, recall and F1 of the groups on every labelled file, for the presets that may judge it."""
    true = musicbrainz_truth()
    for preset in (Preset.RELEASE, Preset.RECORDING):
        for number in (True, False):
            clusters, seconds = measured(datasets.musicbrainz(number=number), preset)
            found = pairs_of(groups_of(clusters))
            name = f"musicbrainz {'with' if number else 'without'} number"
            say(f"{preset:10} {name:27} {rates(len(found & true), len(found), len(true))}  {seconds:.2f} s")
        for name, (pairs, columns) in LABELLED.items():
            clusters, seconds = measured(columns(), preset)
            found, labels = pairs_of(groups_of(clusters)), labelled_pairs(pairs)
            matches = {pair for pair, (label, _) in labels.items() if label == "1"}
            line = rates(len(found & matches), len(found & labels.keys()), len(matches))
            right = Counter(
                (kind or "all", (pair in found) == (label == "1")) for pair, (label, kind) in labels.items()
            )
            kinds = {kind: right[kind, True] / (right[kind, True] + right[kind, False]) for kind, _ in right}
            worst = ", ".join(f"{kind} {share:.3f}" for kind, share in sorted(kinds.items()))
            say(f"{preset:10} {name:27} {line}  {seconds:.2f} s  {worst}")


@dataclass(frozen=True, slots=True)
class Band:
    """One band of probability: its pairs, the share of them that match by label, and half its 95 % interval."""

    low: float
    high: float
    pairs: int
    share: float
    margin: float

    @property
    def is_reached(self) -> bool:
        return self.share + self.margin >= self.low


CALIBRATED = {
    "musicbrainz": Preset.RELEASE,
    "isrc_library": Preset.RECORDING,
    "itunes_amazon": Preset.RELEASE,
    "itunes_amazon_dirty": Preset.RELEASE,
}


def reliability(name: str) -> tuple[float, list[Band]]:
    """Return the Brier score of one labelled file, and its bands of probability."""
    if name == "musicbrainz":
        columns, matches, judged = datasets.musicbrainz(), musicbrainz_truth(), None
    else:
        labels = labelled_pairs(LABELLED[name][0])
        columns, judged = LABELLED[name][1](), labels.keys()
        matches = {pair for pair, (label, _) in labels.items() if label == "1"}
    pairs, probability = scored_pairs(columns, CALIBRATED[name])
    keep = [row for row, pair in enumerate(pairs) if judged is None or pair in judged]
    true = np.array([pairs[row] in matches for row in keep])
    band, found = np.digitize(probability[keep], BANDS[1:-1]), []
    for place, (low, high) in enumerate(itertools.pairwise(BANDS)):
        inside = true[band == place]
        if len(inside):
            margin = 1.96 * (inside.std() + 0.5 / len(inside)) / np.sqrt(len(inside))
            found.append(Band(low, high, len(inside), inside.mean(), margin))
    return float(np.mean((probability[keep] - true) ** 2)), found


def calibration() -> None:
    """Print, per band of probability, the share of candidate pairs that are matches by label."""
    for name in CALIBRATED:
        brier, bands = reliability(name)
        say(f"{name}: Brier {brier:.4f}")
        for band in bands:
            verdict = "ok" if band.is_reached else "over-confident"
            figures = f"{band.pairs:6} pairs  {band.share:.3f} +- {band.margin:.3f}"
            say(f"  {band.low:.2f}-{band.high:.2f}  {figures}  {verdict}")


def scored_pairs(columns: TrackColumns, preset: Preset) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Return every candidate pair of track ids with its match probability."""
    shelf: dict[Stage, dict[str, np.ndarray]] = {}

    class Keep:
        load = staticmethod(lambda stage: None)
        save = staticmethod(shelf.__setitem__)

    settings = EngineSettings(preset=preset)
    clusters = find_clusters(columns, settings, checkpoints=Keep())
    ids = np.sort(columns.frame["track_id"].to_numpy())
    rows = shelf[Stage.CANDIDATES]
    weights = pipeline.model.from_bytes(clusters.tables).weights(shelf[Stage.SCORING]["codes"])
    pairs = list(zip(ids[rows["left"]].tolist(), ids[rows["right"]].tolist(), strict=True))
    return pairs, pipeline.model.probability(weights)


class StageClock:
    """Prints what each stage took as the next one begins."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.started = clocks()

    def begin(self, stage: Stage, total: int) -> None:
        self.finish()
        self.stage = stage

    def advance(self, done: int, *, groups_found: int | None = None) -> None:
        """Need nothing between the stages."""

    def finish(self) -> None:
        now = clocks()
        if self.stage:
            say(spent(self.stage, now - self.started))
        self.started = now


def clocks() -> np.ndarray:
    """Return the CPU seconds of this process and the seconds on the wall."""
    return np.array([time.process_time(), time.monotonic()])


def spent(name: str, seconds: np.ndarray) -> str:
    return f"  {name:11} {seconds[0]:7.2f} CPU s  {seconds[1]:7.2f} s wall  {peak_memory():.2f} GB"


def peak_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def reference_loop() -> float:
    started = time.process_time()
    sum(n * n for n in range(2_000_000))
    return time.process_time() - started


def timed_run(name: str, columns: TrackColumns, truth: np.ndarray | None = None) -> float:
    """Run clusters and keepers over a library and print seconds, memory and, when the truth is known, accuracy."""
    say(f"{name}: {len(columns):,} tracks, reference loop {reference_loop():.3f} s, {peak_memory():.2f} GB before")
    clock, started = StageClock(), clocks()
    settings = EngineSettings(preset=Preset.RELEASE)
    needed = budget(len(columns), settings).needed_mb
    settings = replace(settings, memory_limit_mb=max(settings.memory_limit_mb, int(needed * ROOM)))
    clusters = find_clusters(columns, settings, progress=clock)
    choose_keepers(columns, clusters, NO_KEEPER_COLUMNS, settings, progress=clock)
    clock.finish()
    say(spent("total", seconds := clocks() - started))
    largest = np.diff(clusters.offsets).max(initial=0)
    say(f"  {len(clusters):,} groups, largest {largest}, {clusters.figures['candidate_pairs']:,} candidate pairs")
    for sentence in clusters.narrowed:
        say(f"  narrowed: {sentence}")
    if truth is not None:
        label = np.repeat(np.arange(len(clusters)), np.diff(clusters.offsets))
        real = truth[np.searchsorted(columns.frame["track_id"].to_numpy(), clusters.track_ids)]
        hits = couples(label * (int(truth.max()) + 1) + real)
        say(f"  {rates(hits, couples(label), couples(truth))}")
    return float(seconds[0])


def growth(sizes: list[int]) -> None:
    """Match invented libraries of growing size, a process each, and print how the CPU seconds grow."""
    spent: list[tuple[int, float]] = []
    for size in sizes:
        command = [sys.executable, "-m", "tests.benchmarks.engine", "growth", str(size)]
        printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        say(printed.rstrip())
        total = next(line for line in printed.splitlines() if "total" in line)
        spent.append((size, float(total.split()[1])))
    for (small, before), (large, after) in itertools.pairwise(spent):
        say(f"{small:,} -> {large:,}: n^{math.log(after / before) / math.log(large / small):.2f}")


def couples(label: np.ndarray) -> int:
    counts = np.unique(label, return_counts=True)[1]
    return int((counts * (counts - 1) // 2).sum())


def generated(path: Path) -> tuple[TrackColumns, np.ndarray]:
    """Read a generated library, without a Python object for every value: what is measured is the matcher's memory."""
    rows = pl.read_csv(path, infer_schema=False).fill_null("")
    known = {
        "track_id": pl.int_range(pl.len()),
        **{name: pl.col(name) for name in ("title", "artist", "album")},
        "duration_ms": _each(rows["length"], datasets.milliseconds),
        "year": _each(rows["year"], datasets.year_of),
        "track_number": pl.col("number").cast(pl.Int32, strict=False),
    }
    empty = pl.lit(None)
    columns = rows.select(known.get(name, empty).cast(kind).alias(name) for name, kind in TRACK_SCHEMA.items())
    return TrackColumns(columns), rows["cluster"].cast(pl.Int64).to_numpy()


def _each(texts: pl.Series, read: Callable[[str], int | None]) -> pl.Expr:
    """Return what each distinct text is read as."""
    spellings = texts.unique()
    return pl.lit(texts.replace_strict(spellings, pl.Series([read(text) for text in spellings], dtype=pl.Int64)))


def hostile_libraries(count: int) -> dict[str, Callable[[], TrackColumns]]:
    """Return libraries made to hurt, each made when it is asked for."""
    numbers = np.arange(count)
    lengths = pl.Series(90_000 + numbers * 7919 % 400_000)

    def each(pattern: str) -> pl.Series:
        return pl.Series([pattern.format(n=n, mixed=n * 7919 % 99991, other=n * 31) for n in range(count)])

    def half() -> pl.Series:
        return pl.Series(["The One" if n % 2 else f"Band {n}" for n in range(count)])

    titled, made = "{mixed:x} {other:x}", partial(_columns, count)
    return {
        "one title, many artists": lambda: made(title="Love", artist=each("Band {n}"), duration_ms=lengths),
        "one title, nothing else": lambda: made(title="Love", duration_ms=lengths),
        "one artist, many titles": lambda: made(
            title=each(titled), artist="The One", album="Everything", duration_ms=lengths
        ),
        "one artist with half of it": lambda: made(
            title=each(titled), artist=half(), album=pl.Series(numbers // 12).cast(pl.String), duration_ms=lengths
        ),
        "all blank": lambda: made(title=""),
        "exact copies": lambda: made(title="I Got", artist="Nina Vale", album="Harbour Lights", duration_ms=200_000),
        "titles of 10,000 letters": lambda: made(title=_long_titles(count), artist="The One", duration_ms=lengths),
    }


def hostile(count: int, only: list[str]) -> None:
    """Match each library made to hurt in a process of its own, so that its peak memory is its own."""
    for place, (name, make) in enumerate(hostile_libraries(count).items()):
        if not only:
            command = [sys.executable, "-m", "tests.benchmarks.engine", "hostile", str(count), str(place)]
            subprocess.run(command, check=True)
        elif str(place) in only:
            timed_run(name, make())


def _long_titles(count: int) -> pl.Series:
    """Return titles of 10,000 letters, each of other words, made by the column library: a gigabyte of them."""
    words = pl.select(pl.int_range(count).alias("n")).select(
        pl.concat_str([(pl.col("n") * (step + 1) * 7919 % 99_991).cast(pl.String) for step in range(20)], separator=" ")
    )
    parts = [words.to_series().str.pad_end(LONG_TITLE // 50, "x")] * 50
    return pl.select(pl.concat_str(parts)).to_series()


def _columns(count: int, **values: object) -> TrackColumns:
    """Return a library of so many tracks with these columns, each given as a value or one for every track."""
    frame = pl.DataFrame({"track_id": np.arange(count)})
    filled = (
        (value if isinstance(value, pl.Series) else pl.lit(value)).cast(TRACK_SCHEMA[name]).alias(name)
        for name, value in values.items()
    )
    frame = frame.with_columns(filled)
    missing = (pl.lit(None, kind).alias(name) for name, kind in TRACK_SCHEMA.items() if name not in frame.columns)
    return TrackColumns(frame.with_columns(missing).select(list(TRACK_SCHEMA)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("accuracy", "calibration", "speed", "hostile", "growth", "splink"))
    parser.add_argument("arguments", nargs="*")
    options = parser.parse_args()
    if options.what == "accuracy":
        accuracy()
    elif options.what == "calibration":
        calibration()
    elif options.what == "hostile":
        hostile(int(options.arguments[0]) if options.arguments else 100_000, options.arguments[1:])
    elif options.what == "splink":  # runs every contender in a process of its own
        sys.exit(subprocess.run([sys.executable, "-m", "tests.benchmarks.splink"], check=False).returncode)
    elif options.what == "growth" and len(options.arguments) == 1:
        timed_run("invented", *library(int(options.arguments[0])))
    elif options.what == "growth":
        growth([int(size) for size in options.arguments] or [20_000, 100_000, 1_000_000])
    elif len(options.arguments) > 1:  # one process each, so that peak memory is its own
        for path in options.arguments:
            subprocess.run([sys.executable, "-m", "tests.benchmarks.engine", "speed", path], check=True)
    elif options.arguments:
        timed_run(options.arguments[0], *generated(Path(options.arguments[0])))
    else:
        columns = datasets.musicbrainz()
        find_clusters(columns, EngineSettings())
        timed_run("musicbrainz, warm", columns)


if __name__ == "__main__":
    main()
