"""Every reader of single values survives arbitrary text, and what it returns lies within what the library can hold."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.importers import values

# Arbitrary text, and the pieces that make a reader look closer, in any order.
_WORDS = ("min", "sec", " of ", "Jan", "0:", "19", "T00", "Z", "NaN", "inf", "1e9")
_SIGNS = st.sampled_from([*"0123456789:.,-/' msPTMSHh¼½٣३¹ⅣE+☆★", *_WORDS])
ANY_VALUE = st.one_of(
    st.text(max_size=60), st.lists(_SIGNS, max_size=12).map("".join), st.text("0123456789", max_size=5_000)
)

# What each returns of any text; a reader that is missing here fails the test below.
PROMISES: dict[Callable[..., Any], Callable[[Any], bool]] = {
    values.parse_duration: lambda read: read.ms is None or 0 < read.ms <= values.LONGEST_DURATION_MS,
    values.parse_date: lambda read: read.year is None or 0 <= read.year <= 9999,
    values.parse_moment: lambda read: read.utcoffset().total_seconds() == 0,
    values.parse_whole: lambda read: 0 <= read <= values.LARGEST_NUMBER,
    values.parse_position: lambda read: 0 <= read <= values.LARGEST_TRACK_NUMBER,
    values.parse_flag: lambda read: read in (True, False),
    values.parse_rating: lambda read: 0 <= read <= 100,
    values.parse_isrc: lambda read: len(read) == 12 and read.isascii() and read == read.upper(),
    values.parse_uuid: lambda read: len(read) == 36 and read.isascii() and read == read.lower(),
}
OPTIONS: dict[Callable[..., Any], list[dict[str, Any]]] = {
    values.parse_duration: [{}, {"unit": "ms"}, {"unit": "s"}],
    values.parse_date: [{"this_year": 2026}],
}


def test_no_reader_is_missing() -> None:
    readers = {one for name, one in vars(values).items() if name.startswith("parse_") and callable(one)}

    assert {inspect.unwrap(one) for one in readers} == {inspect.unwrap(one) for one in PROMISES}


@pytest.mark.parametrize("read", PROMISES, ids=lambda read: read.__name__)
@given(text=ANY_VALUE)
def test_any_text_is_read_or_refused(read: Callable[..., Any], text: str) -> None:
    for options in OPTIONS.get(read, [{}]):
        found = read(text, **options)

        assert found is None or PROMISES[read](found)
