"""Posting lists: who has which feature, the same however the records and the hashes are cut."""

from collections import Counter

import numpy as np
import pytest

from duplicates.engine.candidates import POSTINGS_BUDGET, allowed_bands, propose
from duplicates.engine.features import features
from duplicates.engine.normalise import Records, normalise
from duplicates.engine.postings import CAPS, ROW_BITS, Postings, build_postings, packed_features, squares_of
from duplicates.engine.settings import EngineSettings
from tests.benchmarks.invented import library

COUNT = 600


@pytest.fixture(scope="module")
def records() -> Records:
    return normalise(library(COUNT)[0], EngineSettings())


def postings_of(records: Records, threads: int = 1) -> Postings:
    rows = np.arange(len(records))
    return build_postings(records, rows, rows, lambda done: None, threads)


class TestPostingLists:
    def test_a_list_holds_every_record_with_the_feature_in_order(self, records: Records) -> None:
        values, rows = features(records, 0, COUNT)
        having: dict[int, set[int]] = {}
        for value, row in zip((values >> np.uint64(ROW_BITS)).tolist(), rows.tolist(), strict=True):
            having.setdefault(value, set()).add(row)
        expected = [tuple(sorted(having[value])) for value in sorted(having) if 1 < len(having[value]) <= CAPS[-1]]

        postings = postings_of(records)
        found = np.split(postings.by_feature.indices, postings.by_feature.indptr[1:-1])

        assert [tuple(rows.tolist()) for rows in found] == expected
        assert postings.frequency.tolist() == [len(rows) for rows in expected]

    def test_records_know_whether_they_hold_something_of_their_own(self, records: Records) -> None:
        packed = packed_features(records, np.arange(COUNT), lambda done: None, 1)
        often = Counter((packed >> np.uint64(ROW_BITS)).tolist())
        alone = {int(entry) & ((1 << ROW_BITS) - 1) for entry in packed.tolist() if often[entry >> ROW_BITS] == 1}
        assert set(np.flatnonzero(postings_of(records).lonely).tolist()) == alone

    @pytest.mark.parametrize(("chunk", "entries"), [(13, 200), (100, 3_000)])
    def test_cutting_records_and_hashes_elsewhere_changes_nothing(
        self, records: Records, chunk: int, entries: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings, everyone = EngineSettings(threads=2), np.arange(COUNT)
        whole = propose(records, everyone, lambda done: None, settings)
        monkeypatch.setattr("duplicates.engine.postings.CHUNK_LETTERS", chunk * 150)
        monkeypatch.setattr("duplicates.engine.postings.RANGE_ENTRIES", entries)
        cut = propose(records, everyone, lambda done: None, settings)
        for name in ("left", "right", "share"):
            np.testing.assert_array_equal(getattr(cut, name), getattr(whole, name))

    def test_sums_of_squares_are_equal_in_any_order(self) -> None:
        squares = squares_of(np.arange(1, 400), 1_000_000)
        assert float(np.cumsum(squares)[-1]) == float(np.cumsum(squares[::-1])[-1])

    def test_more_records_than_can_be_named_are_refused(
        self, records: Records, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Their rows would run into the hashes, and every candidate be a wrong one."""
        monkeypatch.setattr("duplicates.engine.postings.MOST_RECORDS", COUNT)
        postings_of(records)
        monkeypatch.setattr("duplicates.engine.postings.MOST_RECORDS", COUNT - 1)
        with pytest.raises(ValueError, match="One run takes 599 tracks at most, not 600"):
            postings_of(records)


class TestBudget:
    def test_rare_features_are_free_and_the_rest_is_read_while_the_budget_lasts(self) -> None:
        readings = np.zeros((len(CAPS), 3))
        readings[0] = 1000  # the rarest band costs nothing
        readings[8, 1] = POSTINGS_BUDGET
        readings[8, 2] = POSTINGS_BUDGET + 1
        allowed, cost = allowed_bands(readings, 3)
        assert allowed.tolist() == [len(CAPS), len(CAPS), 8]
        assert cost.tolist() == [1000, 1000 + POSTINGS_BUDGET, 1000]

    def test_progress_is_told_from_every_range(self, records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
        """The features of a whole library used to be sorted in one step, deaf to a cancel."""
        monkeypatch.setattr("duplicates.engine.postings.RANGE_ENTRIES", 500)
        told: list[int] = []
        build_postings(records, np.arange(COUNT), np.arange(COUNT), told.append, 1)
        assert len(set(told)) > COUNT * 20 // 500 / 2
        assert told == sorted(told)
        assert told[-1] == 2 * COUNT
