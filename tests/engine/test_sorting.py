"""Sorting long columns: what comes out is what the slow obvious way gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from duplicates.engine.sorting import distinct, first_places, ordered, places_of

ANY_INTEGERS = arrays(np.int64, st.integers(0, 40))
FEW_INTEGERS = arrays(np.int64, st.integers(0, 40), elements=st.integers(-3, 3))


@given(arrays(np.uint64, st.integers(0, 40)))
def test_hashes_are_put_in_order_and_the_column_given_is_left_alone(hashes: np.ndarray) -> None:
    before = hashes.copy()
    assert ordered(hashes).tolist() == sorted(before.tolist())
    assert (hashes == before).all()


@given(FEW_INTEGERS | ANY_INTEGERS)
def test_each_number_is_kept_once(values: np.ndarray) -> None:
    assert distinct(values).tolist() == sorted(set(values.tolist()))


@given(FEW_INTEGERS | ANY_INTEGERS)
def test_each_value_is_found_at_its_place_among_the_distinct_ones(values: np.ndarray) -> None:
    few, place = places_of(values)
    assert few.tolist() == sorted(set(values.tolist()))
    assert few[place].tolist() == values.tolist()


@given(arrays(np.uint64, st.integers(0, 40), elements=st.integers(0, 5) | st.integers(1 << 62, (1 << 62) + 5)))
def test_each_hash_is_led_to_a_place_where_it_stands(hashes: np.ndarray) -> None:
    """Whatever their lowest bits, which are cut off while sorting."""
    once, where = first_places(hashes)
    assert (hashes[once[where]] == hashes).all()
    assert len(where) == len(hashes)
    assert set(once.tolist()) >= {hashes.tolist().index(value) for value in hashes.tolist()}
