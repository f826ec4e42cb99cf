"""Clusters without chains, checked against a slow and obvious oracle on random graphs."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from duplicates.engine import clustering
from duplicates.engine.clustering import Links, cluster, in_order

NONE = np.empty((0, 2), np.int64)


def links(*weighted: tuple[int, int, float]) -> Links:
    rows = sorted(weighted)
    return Links(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
    )


def clusters(count: int, found: Links, forbidden: np.ndarray = NONE, threshold: float = 0.0) -> list[list[int]]:
    rows, sizes = in_order(cluster(count, found, threshold, forbidden))
    return [part.tolist() for part in np.split(rows, np.cumsum(sizes)[:-1]) if len(part)]


def oracle(count: int, weighted: dict[tuple[int, int], float], forbidden: set[tuple[int, int]]) -> list[list[int]]:
    """Merge the two groups of highest mean weight, over and over, inside each component of links."""
    groups = [[row] for row in range(count)]

    def mean(one: list[int], other: list[int]) -> float:
        pairs = [tuple(sorted(pair)) for pair in itertools.product(one, other)]
        if any(pair in forbidden for pair in pairs):
            return -1e9
        if not any(pair in weighted for pair in pairs):
            return -1e9
        clip = clustering.STRONGEST
        total = sum(np.clip(weighted.get(pair, clustering.NEVER_PROPOSED), -clip, clip) for pair in pairs)
        return total / len(pairs)

    while True:
        ranked = [(-mean(a, b), a[0], b[0], a, b) for a, b in itertools.combinations(groups, 2)]
        if not ranked or -min(ranked)[0] < 0:
            return sorted(group for group in groups if len(group) > 1)
        _, _, _, a, b = min(ranked)
        groups = sorted([group for group in groups if group not in (a, b)] + [sorted(a + b)])


graphs = st.dictionaries(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] < pair[1]),
    st.integers(-40, 40).map(lambda tenths: tenths / 4 + 0.01),
    max_size=20,
)


class TestAgainstTheOracle:
    @given(graphs, st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda p: p[0] < p[1]), max_size=3))
    def test_same_clusters_as_merging_by_hand(self, weighted: dict, forbidden: set) -> None:
        found = clusters(
            8,
            links(*[(a, b, w) for (a, b), w in weighted.items()]),
            np.array(sorted(forbidden), np.int64).reshape(-1, 2),
        )
        expected = oracle(8, weighted, forbidden)
        if not _has_ties(weighted):
            assert found == expected

    @given(graphs)
    def test_no_record_is_in_two_clusters(self, weighted: dict) -> None:
        rows = list(itertools.chain(*clusters(8, links(*[(a, b, w) for (a, b), w in weighted.items()]))))
        assert len(rows) == len(set(rows))

    @given(graphs, st.permutations(range(8)))
    def test_names_of_the_records_do_not_matter(self, weighted: dict, names: list[int]) -> None:
        if _has_ties(weighted):
            return
        plain = clusters(8, links(*[(a, b, w) for (a, b), w in weighted.items()]))
        renamed = {tuple(sorted((names[a], names[b]))): w for (a, b), w in weighted.items()}
        found = clusters(8, links(*[(a, b, w) for (a, b), w in renamed.items()]))
        assert sorted(sorted(names[row] for row in group) for group in plain) == found


def _has_ties(weighted: dict) -> bool:
    return len({round(weight, 6) for weight in weighted.values()}) < len(weighted)


class TestChains:
    def test_a_weak_middle_does_not_glue_strangers(self) -> None:
        chain = links((0, 1, 9.0), (1, 2, 0.5), (2, 3, 9.0), (0, 2, -6.0), (1, 3, -6.0), (0, 3, -8.0))
        assert clusters(4, chain) == [[0, 1], [2, 3]]

    def test_everything_linked_is_one_cluster(self) -> None:
        assert clusters(3, links((0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0))) == [[0, 1, 2]]

    def test_a_forbidden_pair_splits_even_a_clique(self) -> None:
        found = clusters(3, links((0, 1, 9.0), (0, 2, 5.0), (1, 2, 4.0)), np.array([[0, 1]]))
        assert found == [[0, 2]]

    def test_a_long_chain_of_strangers_stays_short(self) -> None:
        chain = links(*[(n, n + 1, 2.0) for n in range(300)])
        assert max(len(group) for group in clusters(301, chain)) <= 3
