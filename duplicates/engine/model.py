"""From comparison vectors to match weights and probabilities.

Candidate pairs are a mixture: matches, and several kinds of pairs that only look alike (neighbours on an album, the
same title by someone else, another take of the same song, strangers). Each class has its own chances for every level.
`fit` learns how common the classes are in this library and bends the shipped chances half way towards it, by
expectation-maximisation over the distinct vectors; it needs no labels. The shipped half is the anchor that keeps a
class from swallowing the matches. A weight is the log2 odds of match against all other classes together.
"""

import base64
import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from duplicates.engine import levels as lv
from duplicates.engine.evidence import BITS_PER_LEVEL, TABLES_FORMAT
from duplicates.engine.sorting import places_of

Floats = npt.NDArray[np.float64]

ROUNDS = 60
SETTLED = 1e-5  # largest change of a class share that still counts as movement
ANCHOR = 0.5  # share of the shipped chances in the learnt ones
ENOUGH_PAIRS = 100.0  # pairs of a class that count as much as what was shipped about it
PRIOR_PAIRS = 10.0  # pairs that the shipped class shares count as
FLOOR = 5e-5  # no level is impossible in any class
WIDTH = 1 << BITS_PER_LEVEL


@dataclass(frozen=True, slots=True)
class Model:
    """Class shares and, per class and comparison, the chance of each level. Class 0 is the matches."""

    classes: tuple[str, ...]
    shares: Floats  # classes
    chances: Floats  # classes x comparisons x WIDTH; level 0 is 1 everywhere
    comparisons: tuple[lv.Comparison, ...] = lv.COMPARISONS
    fixed: frozenset[str] = frozenset()  # comparisons that are rules, not observations: never learnt

    def log_classes(self, levels: lv.Levels) -> Floats:
        """Return log2 of share times chance for each pair and class."""
        total = np.tile(np.log2(self.shares), (len(levels), 1))
        logs = np.log2(self.chances)
        for position in range(levels.shape[1]):
            total += logs[:, position, :][:, levels[:, position]].T
        return total

    def weights(self, codes: lv.Codes) -> Floats:
        """Return the match weight of each packed vector in bits."""
        distinct, where = places_of(codes)
        logs = self.log_classes(lv.unpack(distinct, len(self.comparisons)))
        return (logs[:, 0] - _log2_sum(logs[:, 1:]))[where]

    def to_bytes(self) -> bytes:
        """Return everything needed to read scores of this run later."""
        return json.dumps(
            {
                "format": TABLES_FORMAT,
                "classes": self.classes,
                "comparisons": [[c.name, list(c.levels)] for c in self.comparisons],
                "shares": base64.b64encode(self.shares.tobytes()).decode(),
                "chances": base64.b64encode(self.chances.tobytes()).decode(),
            }
        ).encode()


def from_bytes(tables: bytes) -> Model:
    """Read what `to_bytes` wrote. Raises ValueError for anything else."""
    stored = json.loads(tables)
    if not isinstance(stored, dict) or stored.get("format") != TABLES_FORMAT:
        raise ValueError("These score tables were not written by this engine.")
    comparisons = tuple(lv.Comparison(name, tuple(levels)) for name, levels in stored["comparisons"])
    classes = tuple(stored["classes"])
    chances = np.frombuffer(base64.b64decode(stored["chances"])).reshape(len(classes), len(comparisons), WIDTH)
    return Model(classes, np.frombuffer(base64.b64decode(stored["shares"])), chances, comparisons)


def probability(weights: Floats) -> Floats:
    """Return the match probability of weights in bits."""
    return 1.0 / (1.0 + np.exp2(-np.clip(weights, -1000.0, 1000.0)))


def fit(shipped: Model, codes: lv.Codes) -> Model:
    """Return the shipped model bent towards the candidate pairs of this library."""
    if not len(codes):
        return shipped
    distinct, where = places_of(codes)
    counts = np.bincount(where)
    table, learnt = _one_hot(lv.unpack(distinct)), _learnt_levels(shipped)
    levels = table.T.tocsr()
    model = shipped
    for _ in range(ROUNDS):
        # Classes by vectors: few long rows are summed and compared many times as fast as many short ones.
        logs = np.ascontiguousarray((table @ np.log2(model.chances).reshape(len(model.classes), -1).T).T)
        logs += np.log2(model.shares)[:, None]
        membership = np.exp2(logs - logs.max(axis=0))
        membership *= counts / membership.sum(axis=0)
        shares = (membership.sum(axis=1) + shipped.shares * PRIOR_PAIRS) / (counts.sum() + PRIOR_PAIRS)
        moved = float(np.abs(shares - model.shares).max())
        seen = (levels @ np.ascontiguousarray(membership.T)).T.reshape(shipped.chances.shape)
        model = replace(model, shares=shares, chances=_chances(shipped.chances, seen, learnt))
        if moved < SETTLED:
            break
    return model


def _one_hot(levels: lv.Levels) -> sparse.csr_matrix:
    """Return vectors as rows with a one for each level: sums over them are the same on any number of threads."""
    rows, width = levels.shape
    columns = (levels + np.arange(width, dtype=np.int64) * WIDTH).ravel()
    return sparse.csr_matrix((np.ones(rows * width), columns, np.arange(rows + 1) * width), shape=(rows, width * WIDTH))


def _learnt_levels(shipped: Model) -> npt.NDArray[np.bool_]:
    """Tell which levels of which comparisons a library may teach: all but the missing one, and none of a rule."""
    sizes = [0 if each.name in shipped.fixed else len(each.levels) for each in shipped.comparisons]
    level = np.arange(WIDTH)
    learnt: npt.NDArray[np.bool_] = (level > 0) & (level < np.array(sizes)[:, None])
    return learnt


def _chances(shipped: Floats, seen: Floats, learnt: npt.NDArray[np.bool_]) -> Floats:
    """Return level chances up to half as seen by the current class memberships, the rest as shipped.

    A class that hardly anything belongs to has seen too little to change its mind.
    """
    known = np.where(learnt, seen, 0.0)
    total = known.sum(axis=2, keepdims=True)
    trust = (1.0 - ANCHOR) * total / (total + ENOUGH_PAIRS)
    mixed = shipped * (1.0 - trust) + trust * known / np.maximum(total, 1e-12)
    # What is shipped as forbidden stays forbidden, whatever a library shows.
    return np.where(learnt & (shipped >= FLOOR), np.maximum(mixed, FLOOR), shipped)


def _log2_sum(logs: Floats) -> Floats:
    top = logs.max(axis=1)
    summed: Floats = top + np.log2(np.exp2(logs - top[:, None]).sum(axis=1))
    return summed
