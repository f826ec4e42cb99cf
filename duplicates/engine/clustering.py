"""From scored pairs to clusters without chains.

Links above the threshold form components; a component in which every pair is a link is a cluster as it stands. Every
other one is built up by average linkage: the two groups that agree best over all their pairs merge first, and merging
stops when agreement on average falls below the threshold. A pair nobody proposed counts against merging, and a pair
that people declared different forbids it.
"""

import heapq
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import csgraph

from duplicates.engine.hashing import Ints

Floats = npt.NDArray[np.float64]

STRONGEST = 11.5  # bits; one very sure pair may not outvote many doubtful ones
NEVER_PROPOSED = -3.0  # bits of a pair that no feature brought together
FORBIDDEN = -1e9


@dataclass(frozen=True, slots=True)
class Links:
    """Scored pairs of record rows, left < right, ordered, with their match weights in bits."""

    left: Ints
    right: Ints
    weight: Floats


def cluster(count: int, links: Links, threshold_bits: float, forbidden: Ints) -> Ints:
    """Return a cluster label for each of `count` records, -1 for those without one; labels are names, not an order."""
    linked = links.weight >= threshold_bits
    component = components(count, links.left[linked], links.right[linked])
    sizes = np.bincount(component)
    inside = component[links.left] == component[links.right]
    pairs_of = np.bincount(component[links.left[inside & linked]], minlength=len(sizes))
    marked = np.zeros(len(sizes), np.bool_)
    same = component[forbidden[:, 0]] == component[forbidden[:, 1]]
    marked[component[forbidden[same, 0]]] = True
    whole = (pairs_of == sizes * (sizes - 1) // 2) & ~marked & (sizes > 1)
    label = np.where(whole[component], component, -1).astype(np.int64)
    doubtful = np.flatnonzero(~whole & (sizes > 1))
    found = _untangle(doubtful, component, links, threshold_bits, forbidden[same])
    for name, rows in enumerate(found, len(sizes)):
        label[rows] = name
    return label


def components(count: int, left: Ints, right: Ints) -> npt.NDArray[np.int32]:
    """Return a number for each of `count` records, equal where pairs join them, over however many others."""
    graph = sparse.csr_matrix((np.ones(len(left), np.int8), (left, right)), (count, count))
    _, component = csgraph.connected_components(graph, directed=False)
    found: npt.NDArray[np.int32] = component
    return found


def in_order(label: Ints) -> tuple[Ints, Ints]:
    """Return the clustered rows, cluster by cluster, and the sizes: ascending inside, clusters by their first row."""
    rows = np.flatnonzero(label >= 0)
    rows = rows[np.argsort(label[rows], kind="stable")]
    names = label[rows]
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])) if len(rows) else rows
    sizes = np.diff(np.append(starts, len(rows)))
    order = np.argsort(np.repeat(rows[starts], sizes), kind="stable")
    return rows[order], sizes[np.argsort(rows[starts], kind="stable")]


def _untangle(
    doubtful: Ints, component: npt.NDArray[np.int32], links: Links, threshold_bits: float, forbidden: Ints
) -> list[Ints]:
    """Average-link the components that are not cliques."""
    everyone = np.flatnonzero(np.isin(component, doubtful))
    everyone = everyone[np.argsort(component[everyone], kind="stable")]
    members = np.split(everyone, np.flatnonzero(np.diff(component[everyone])) + 1)
    wanted = np.isin(component[links.left], doubtful) & (component[links.left] == component[links.right])
    rows = np.flatnonzero(wanted)
    rows = rows[np.argsort(component[links.left[rows]], kind="stable")]
    first = np.searchsorted(component[links.left[rows]], doubtful, side="left")
    last = np.searchsorted(component[links.left[rows]], doubtful, side="right")
    banned: dict[int, list[tuple[int, int]]] = {}
    for left, right in forbidden.tolist():
        banned.setdefault(int(component[left]), []).append((left, right))
    found = []
    for label, rows_of, start, stop in zip(doubtful.tolist(), members, first.tolist(), last.tolist(), strict=False):
        picked = rows[start:stop]
        inside = Links(links.left[picked], links.right[picked], links.weight[picked])
        found += average_link(rows_of, inside, threshold_bits, banned.get(label, []))
    return found


def average_link(members: Ints, links: Links, threshold_bits: float, forbidden: list[tuple[int, int]]) -> list[Ints]:
    """Merge the members of one component as long as groups agree on average; return groups of two or more.

    Sums of weights between groups are kept per neighbour, absent pairs count NEVER_PROPOSED, ties go to the group with
    the lowest member, so the result does not depend on the order of anything.
    """
    place = {int(row): n for n, row in enumerate(members.tolist())}
    size = [1] * len(members)
    groups: list[list[int] | None] = [[int(row)] for row in members.tolist()]
    near: list[dict[int, tuple[float, int]]] = [{} for _ in groups]
    clipped = np.clip(links.weight, -STRONGEST, STRONGEST).tolist()
    for left, right, weight in zip(links.left.tolist(), links.right.tolist(), clipped, strict=True):
        near[place[left]][place[right]] = near[place[right]][place[left]] = (weight, 1)
    for left, right in forbidden:
        near[place[left]][place[right]] = near[place[right]][place[left]] = (FORBIDDEN, 1)

    def mean(one: int, other: int) -> float:
        total, known = near[one][other]
        pairs = size[one] * size[other]
        return (total + (pairs - known) * NEVER_PROPOSED) / pairs

    heap = [(-mean(a, b), a, b, 1, 1) for a in range(len(groups)) for b in near[a] if a < b]
    heapq.heapify(heap)
    while heap:
        negative, a, b, size_a, size_b = heapq.heappop(heap)
        if -negative < threshold_bits:
            break
        if groups[a] is None or groups[b] is None or size[a] != size_a or size[b] != size_b:
            continue
        groups[a] = sorted([*(groups[a] or []), *(groups[b] or [])])
        groups[b] = None
        size[a] += size[b]
        for other, (total, known) in near[b].items():
            if other != a:
                mine = near[a].get(other, (0.0, 0))
                near[a][other] = near[other][a] = (mine[0] + total, mine[1] + known)
                near[other].pop(b, None)
        near[a].pop(b, None)
        near[b] = {}
        for other in near[a]:
            one, two = min(a, other), max(a, other)
            heapq.heappush(heap, (-mean(one, two), one, two, size[one], size[two]))
    return [np.array(group, np.int64) for group in groups if group is not None and len(group) > 1]
