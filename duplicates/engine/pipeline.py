"""The matcher from end to end: normalise, propose pairs, score them, cluster the links, choose keepers.

The stages run in this order and only here. Each reports through `Progress` and leaves its output with `Checkpoints`;
an exception raised by either ends the run and reaches the caller unchanged. Same columns, settings and declared
not-duplicates give the same clusters in the same order, whatever the order of the records.
"""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from duplicates.engine import keeper, kept_records, model, shipped
from duplicates.engine.candidates import CandidatePairs, propose
from duplicates.engine.clustering import Links, cluster, components, in_order
from duplicates.engine.comparisons import compare, compare_once
from duplicates.engine.copies import fingerprints, originals, with_their_copies
from duplicates.engine.index import Leave, leave_nothing
from duplicates.engine.keeper_rules import built_in
from duplicates.engine.levels import pack
from duplicates.engine.memory import budget
from duplicates.engine.normalise import NO_ALBUM, Records, normalise, together
from duplicates.engine.parts import Chunk, Keeping, chunks_of, in_parts
from duplicates.engine.prepared import prepare
from duplicates.engine.progress import Arrays, Checkpoints, NullProgress, Progress, Stage
from duplicates.engine.records import Clusters, Groups, PairCodes, TrackColumns
from duplicates.engine.settings import EngineSettings

Ints = npt.NDArray[np.int64]
NO_PAIRS: Ints = np.empty((0, 2), np.int64)
MOST_JUDGED = 30  # members of a cluster whose pairs are all kept for the keeper stage
NEVER = -1000.0  # bits of a pair that must not link, whatever it agrees in
SMALL = 20_000  # records
SCORING_CHUNK = 150_000  # pairs compared between two reports


def find_clusters(
    columns: TrackColumns,
    settings: EngineSettings,
    *,
    not_duplicates: Ints = NO_PAIRS,
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
    leave: Leave = leave_nothing,
) -> Clusters:
    """Return the records that are the same under the preset, at most one cluster each.

    `not_duplicates` holds pairs of track ids that people declared different: no cluster will hold both. Ids that are
    not in `columns` are ignored. `leave` is handed the parts of an `Index`, from which a later run may start.
    """
    progress = NullProgress() if progress is None else progress
    settings = _alone_where_small(settings, len(columns))
    records = _records(columns, settings, progress, checkpoints)
    forbidden = rows_of_pairs(records.track_id, not_duplicates)
    original = originals(records, np.unique(forbidden))
    if leave is not leave_nothing:
        leave("records", _as_left(records, original))
    pairs = _candidates(records, original, settings, progress, checkpoints, leave)
    codes, fitted = _scores(records, pairs, settings, progress, checkpoints)
    clusters = to_clusters(records, original, pairs, codes, fitted, settings, forbidden, progress)
    if leave is not leave_nothing:
        linked = weights(records, pairs, codes, fitted) >= threshold_bits(settings.threshold)
        leave("clusters", _clusters_as_left(records, original, pairs, linked, forbidden, clusters))
    return clusters


def _alone_where_small(settings: EngineSettings, records: int) -> EngineSettings:
    """Take one thread for a small library: handing work over costs more there than a second thread saves."""
    return replace(settings, threads=1) if records <= SMALL else settings


def _as_left(records: Records, original: Ints) -> Arrays:
    """Return what a later run needs of the records themselves; their texts it reads again where it must."""
    return {
        "track_id": records.track_id,
        "letters": records.letters,
        "duration_ms": records.duration_ms,
        "prints": fingerprints(records),
        "original": original.astype(np.int32),
    }


def _clusters_as_left(
    records: Records,
    original: Ints,
    pairs: CandidatePairs,
    linked: npt.NDArray[np.bool_],
    forbidden: Ints,
    clusters: Clusters,
) -> Arrays:
    """Return what a later run needs of the clusters, and of the components they were cut from."""
    joined = linked | (original[pairs.right] == pairs.left)
    return {
        "component": components(len(records), pairs.left[joined], pairs.right[joined]),
        "thin": thin(records),
        "bare": bare(records),
        "forbidden": records.track_id[forbidden].reshape(-1, 2),
        "members": clusters.track_ids,
        "offsets": clusters.offsets,
        "cohesion": clusters.cohesion,
        "tables": np.frombuffer(clusters.tables, np.uint8),
    }


def _records(
    columns: TrackColumns, settings: EngineSettings, progress: Progress, checkpoints: Checkpoints | None
) -> Records:
    """Normalise the library, or take its records from a checkpoint."""
    progress.begin(Stage.NORMALISE, len(columns))
    if checkpoints is None:
        return normalise(columns, settings, progress.advance)
    saved = checkpoints.load(Stage.NORMALISE)
    if saved is not None:
        return kept_records.from_arrays(saved)
    keeping = Keeping(Stage.NORMALISE, checkpoints, together, kept_records.to_arrays, kept_records.from_arrays)
    records = normalise(columns, settings, progress.advance, keeping)
    checkpoints.save(Stage.NORMALISE, kept_records.to_arrays(records))
    return records


def _candidates(
    records: Records,
    original: Ints,
    settings: EngineSettings,
    progress: Progress,
    checkpoints: Checkpoints | None,
    leave: Leave,
) -> CandidatePairs:
    """Propose pairs, or take them from a checkpoint."""
    progress.begin(Stage.CANDIDATES, len(records))
    saved = checkpoints.load(Stage.CANDIDATES) if checkpoints else None
    if saved is not None:
        return CandidatePairs(
            saved["left"].astype(np.int64),
            saved["right"].astype(np.int64),
            saved["share"].astype(np.float32),
            tuple(saved["narrowed"].tobytes().decode().splitlines()),
        )
    pairs = propose(records, original, progress.advance, settings, checkpoints, leave)
    if checkpoints:
        arrays: Arrays = {"left": pairs.left, "right": pairs.right, "share": pairs.share}
        narrowed = np.array(list("\n".join(pairs.narrowed).encode()), np.uint8)
        checkpoints.save(Stage.CANDIDATES, arrays | {"narrowed": narrowed})
    return pairs


def _scores(
    records: Records,
    pairs: CandidatePairs,
    settings: EngineSettings,
    progress: Progress,
    checkpoints: Checkpoints | None,
) -> tuple[Ints, model.Model]:
    """Compare the pairs and learn the model of this library, or take both from a checkpoint."""
    progress.begin(Stage.SCORING, len(pairs))
    saved = checkpoints.load(Stage.SCORING) if checkpoints else None
    if saved is not None:
        return saved["codes"].astype(np.int64), model.from_bytes(saved["tables"].tobytes())

    prepared = prepare(records, threads=settings.threads)

    def score(chunk: Chunk) -> Ints:
        here = slice(*chunk)
        return pack(compare(prepared, pairs.left[here], pairs.right[here]))

    parts = in_parts(
        chunks_of(len(pairs), budget(len(records), settings).chunk(SCORING_CHUNK), settings.threads),
        score,
        keeping=_keeping_codes(checkpoints) if checkpoints else None,
        threads=settings.threads,
        advance=progress.advance,
    )
    codes = np.concatenate([np.empty(0, np.int64), *parts])
    fitted = model.fit(shipped.shipped_model(settings), codes)
    if checkpoints:
        checkpoints.save(Stage.SCORING, {"codes": codes, "tables": np.frombuffer(fitted.to_bytes(), np.uint8)})
    return codes, fitted


def _keeping_codes(checkpoints: Checkpoints) -> Keeping[Ints]:
    """Return how comparison vectors are kept."""
    return Keeping(Stage.SCORING, checkpoints, np.concatenate, _codes_to_arrays, _codes_from_arrays)


def _codes_to_arrays(codes: Ints) -> Arrays:
    return {"codes": codes}


def _codes_from_arrays(kept: Arrays) -> Ints:
    return kept["codes"].astype(np.int64)


def weights(records: Records, pairs: CandidatePairs, codes: Ints, fitted: model.Model) -> npt.NDArray[np.float64]:
    """Return the match weight of each pair. What holds too little to be judged is listed, never grouped."""
    too_thin = thin(records)
    return np.where(too_thin[pairs.left] | too_thin[pairs.right], NEVER, fitted.weights(codes))


def to_clusters(
    records: Records,
    original: Ints,
    pairs: CandidatePairs,
    codes: Ints,
    fitted: model.Model,
    settings: EngineSettings,
    forbidden: Ints,
    progress: Progress,
) -> Clusters:
    """Join the links into clusters, and let copies follow their originals."""
    progress.begin(Stage.CLUSTERING, len(records))
    weight = weights(records, pairs, codes, fitted)
    linked = weight >= threshold_bits(settings.threshold)
    is_copy = original[pairs.right] == pairs.left
    links = Links(pairs.left[~is_copy], pairs.right[~is_copy], weight[~is_copy])
    progress.advance(len(records) // 4)
    label = cluster(len(records), links, threshold_bits(settings.threshold), forbidden)
    progress.advance(len(records) // 2)
    label = with_their_copies(label, original, pairs.right[is_copy & linked])
    rows, sizes = in_order(label)
    cohesion = _cohesion(rows, sizes, original, pairs.left[linked], pairs.right[linked])
    progress.advance(len(records) * 3 // 4, groups_found=len(sizes))
    judged = _judge_inside(records, rows, sizes, pairs, codes)
    progress.advance(len(records), groups_found=len(sizes))
    return Clusters(
        records.track_id[rows],
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        cohesion,
        records.track_id[thin(records) | bare(records) & (label < 0)],
        fitted.to_bytes(),
        pairs.narrowed,
        {"candidate_pairs": len(pairs), "linked_pairs": int(linked.sum())},
        judged,
    )


def _judge_inside(records: Records, rows: Ints, sizes: Ints, pairs: CandidatePairs, codes: Ints) -> PairCodes:
    """Return the comparison vectors of every pair inside a cluster, comparing only those no stage has compared yet."""
    left, right = _pairs_inside(rows, sizes)
    wanted, known = left * len(records) + right, pairs.left * len(records) + pairs.right
    place = np.searchsorted(known, wanted).clip(0, max(len(known) - 1, 0))
    code = np.full(len(wanted), -1, np.int64)
    if len(known):
        code = np.where(known[place] == wanted, codes[place], -1)
    missing = np.flatnonzero(code < 0)
    code[missing] = compare_once(records, left[missing], right[missing])
    return PairCodes(records.track_id[left], records.track_id[right], code)


def _pairs_inside(rows: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """Return every pair of rows that share a cluster, left < right, in order. Clusters hold ascending rows.

    Clusters above MOST_JUDGED are left out: their members are judged against the keeper alone.
    """
    small = sizes <= MOST_JUDGED
    rows, sizes = rows[np.repeat(small, sizes)], sizes[small]
    place = np.arange(len(rows))
    ends = np.repeat(np.cumsum(sizes), sizes)
    partners = ends - place - 1
    left = np.repeat(place, partners)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(partners) - partners, partners)
    order = np.lexsort((rows[right], rows[left]))
    return rows[left][order], rows[right][order]


def threshold_bits(threshold: float) -> float:
    """Return the match weight that stands for a probability."""
    return math.log2(threshold / (1.0 - threshold))


def thin(records: Records) -> npt.NDArray[np.bool_]:
    """Tell which records hold too little to be judged.

    Without a title a record needs an album and what points at one place on it (artist, number or length), or an artist
    with length and year. With a title that thousands of songs have ("Intro", "Track 01") it needs artist or album. An
    identifier is enough by itself, and so may be values that nobody could read.
    """
    artist, album, length = records.artist != 0, records.album > NO_ALBUM, records.duration_ms > 0
    enough = album & (artist | length | (records.number > 0)) | artist & length & (records.year >= 0)
    unjudged: npt.NDArray[np.bool_] = (records.title == 0) & ~enough | records.is_generic & ~artist & ~album
    unjudged &= (records.isrc == 0) & (records.recording_id == 0) & (records.texts["unparsed"] == "").to_numpy()
    return unjudged


def bare(records: Records) -> npt.NDArray[np.bool_]:
    """Tell which records would lack the grounds to be judged even against their like: a title and nothing beside it.

    One whose title or unread values hold what another one names can still be judged, so these are no hopeless cases.
    """
    names = (records.artist != 0) | (records.album > NO_ALBUM)
    numbers = (records.duration_ms > 0) | (records.number > 0)
    grounds = (records.title != 0) & (names | numbers) | names & numbers
    lacking: npt.NDArray[np.bool_] = ~(grounds | (records.isrc != 0) | (records.recording_id != 0))
    return lacking


def rows_of_pairs(track_ids: Ints, wanted: Ints) -> Ints:
    """Turn pairs of track ids into ordered pairs of rows, leaving out unknown ids."""
    if not len(wanted) or not len(track_ids):
        return NO_PAIRS
    rows = np.searchsorted(track_ids, wanted).clip(0, len(track_ids) - 1)
    known = (track_ids[rows] == wanted).all(axis=1) & (wanted[:, 0] != wanted[:, 1])
    return np.unique(np.sort(rows[known], axis=1), axis=0).astype(np.int64)


def _cohesion(rows: Ints, sizes: Ints, original: Ints, left: Ints, right: Ints) -> npt.NDArray[np.float32]:
    """Return the share of each cluster's pairs that are links; copies link to whatever their original links to."""
    label = np.full(len(original), -1, np.int64)
    label[rows] = np.repeat(np.arange(len(sizes)), sizes)
    many = np.bincount(original[rows], minlength=len(original))
    inside = (label[left] == label[right]) & (label[left] >= 0) & (original[right] != left)
    couples = (many[left] * many[right])[inside]
    links = np.zeros(len(sizes)) + np.bincount(label[left[inside]], couples, minlength=len(sizes))
    alone = np.flatnonzero(many > 1)
    links += np.bincount(label[alone], many[alone] * (many[alone] - 1) / 2, minlength=len(sizes))
    shares: npt.NDArray[np.float32] = (links / np.maximum(sizes * (sizes - 1) / 2, 1)).astype(np.float32)
    return shares


def choose_keepers(
    columns: TrackColumns,
    clusters: Clusters,
    keeper_columns: pl.DataFrame,
    settings: EngineSettings,
    *,
    profile: str = "keep_canonical",
    progress: Progress | None = None,
) -> Groups:
    """Choose a keeper in every cluster and judge each member against it."""
    progress = NullProgress() if progress is None else progress
    progress.begin(Stage.KEEPER, len(clusters))
    titles = _titles(columns, clusters.track_ids)
    choice = keeper.choose(clusters.track_ids, clusters.offsets, titles, keeper_columns, wishes=built_in(profile))
    keepers = np.repeat(clusters.track_ids[choice.rows], np.diff(clusters.offsets))
    codes = _codes_against(columns, clusters, keepers, settings)
    weight = model.from_bytes(clusters.tables).weights(codes) if len(codes) else np.empty(0)
    is_keeper = clusters.track_ids == keepers
    progress.advance(len(clusters), groups_found=len(clusters))
    return Groups(
        clusters,
        clusters.track_ids[choice.rows],
        choice.rules,
        choice.reasons,
        np.where(is_keeper, 1.0, model.probability(weight)),
        weight,
        codes,
        is_keeper | (weight >= threshold_bits(settings.threshold)),
    )


def _titles(columns: TrackColumns, track_ids: Ints) -> pl.Series:
    """Return the titles of tracks in the order of their ids given."""
    wanted = pl.DataFrame({"track_id": track_ids})
    return wanted.join(columns.frame.select("track_id", "title"), on="track_id", how="left", maintain_order="left")[
        "title"
    ]


def _codes_against(columns: TrackColumns, clusters: Clusters, keepers: Ints, settings: EngineSettings) -> Ints:
    """Return the comparison vector of every member against its keeper; a keeper against itself agrees everywhere."""
    left, right = np.minimum(clusters.track_ids, keepers), np.maximum(clusters.track_ids, keepers)
    known = np.full(len(left), -1, np.int64)
    if clusters.judged is not None and len(clusters.judged.code):
        judged = pl.DataFrame(
            {"left": clusters.judged.left, "right": clusters.judged.right, "code": clusters.judged.code}
        )
        asked = pl.DataFrame({"left": left, "right": right})
        found = asked.join(judged, on=["left", "right"], how="left", maintain_order="left")["code"]
        known = found.fill_null(-1).to_numpy().copy()
    rest = np.flatnonzero((known < 0) & (left != right))
    if len(rest):
        known[rest] = compare_ids(columns, left[rest], right[rest], settings)
    return np.where(left == right, 0, known)


def compare_ids(columns: TrackColumns, left: Ints, right: Ints, settings: EngineSettings) -> Ints:
    """Normalise the tracks of some pairs and compare them."""
    wanted = pl.DataFrame({"track_id": np.unique(np.concatenate([left, right]))})
    records = normalise(TrackColumns(columns.frame.join(wanted, on="track_id", how="semi")), settings)
    rows = [np.searchsorted(records.track_id, ids) for ids in (left, right)]
    return compare_once(records, *rows)


def find_duplicates(
    columns: TrackColumns,
    keeper_columns: pl.DataFrame,
    settings: EngineSettings,
    *,
    not_duplicates: Ints = NO_PAIRS,
    profile: str = "keep_canonical",
    progress: Progress | None = None,
    checkpoints: Checkpoints | None = None,
) -> Groups:
    """Find the clusters of a library and choose their keepers."""
    clusters = find_clusters(
        columns, settings, not_duplicates=not_duplicates, progress=progress, checkpoints=checkpoints
    )
    return choose_keepers(columns, clusters, keeper_columns, settings, profile=profile, progress=progress)
