"""Which copy is kept, and the sentence that says why: as a librarian would say it, with the margin."""

import numpy as np
import polars as pl
import pytest

from duplicates.engine.keeper import PROFILES, choose, span
from tests.engine.support import keeper_columns

DAY = 86_400
YEAR = 31_557_600


def chosen(
    *copies: dict[str, object], profile: str = "keep_canonical", titles: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Return the keeper's id and the reason; copies are numbered from 1."""
    columns = keeper_columns(*({**copy, "track_id": n} for n, copy in enumerate(copies, 1)))
    ids, offsets = np.arange(1, len(copies) + 1), np.array([0, len(copies)])
    choice = choose(ids, offsets, pl.Series(titles or ["I Got"] * len(copies)), columns, profile=profile)
    return int(ids[choice.rows[0]]), choice.reasons[0]


@pytest.mark.parametrize(
    ("copies", "titles", "reason"),
    [
        pytest.param(
            [{"play_count": 3}, {"play_count": 33}],
            (),
            "Kept because played 33 times, 30 more than the next copy; ahead by 36 points",
            id="plays",
        ),
        pytest.param(
            [{"play_count": 0}, {"play_count": 1}],
            (),
            "Kept because played once, the next copy never; ahead by 40 points",
            id="never played",
        ),
        pytest.param(
            [{"added_at": YEAR * 10}, {"added_at": YEAR * 5 + 100 * DAY}],
            (),
            "Kept because added 4 years 8 months earlier than the next copy; ahead by 10 points",
            id="added",
        ),
        pytest.param(
            [{"last_played_at": 5 * DAY + 7_200}, {"last_played_at": 3 * DAY}],
            (),
            "Kept because last played 2 days 2 hours after the next copy; ahead by 20 points",
            id="played lately",
        ),
        pytest.param(
            [{"last_played_at": 5 * DAY}, {}],
            (),
            "Kept because it has been played at a known time and the next copy has not; ahead by 20 points",
            id="no moment to compare with",
        ),
        pytest.param(
            [{}, {}],
            ("I Got (Album Version)", "I Got"),
            "Kept because its title is 16 letters shorter than the next copy's; ahead by 23 points",
            id="title",
        ),
        pytest.param(
            [{"last_played_at": 9 * DAY, "play_count": 10}, {"last_played_at": 1 * DAY, "play_count": 16}],
            (),
            "Kept because last played 8 days after the next copy; ahead by 5 points (last played +20, plays −15)",
            id="for and against",
        ),
        pytest.param(
            [{}, {}],
            (),
            "Kept because it came into the library first; nothing else tells the copies apart",
            id="nothing",
        ),
    ],
)
def test_the_canonical_keeper_says_why(copies: list[dict[str, object]], titles: tuple[str, ...], reason: str) -> None:
    assert chosen(*copies, titles=titles)[1] == reason


@pytest.mark.parametrize(
    ("profile", "copies", "reason"),
    [
        pytest.param(
            "keep_best_quality",
            [{"lossless": False}, {"lossless": True}],
            "Kept because it is lossless and the next copy is not",
            id="lossless",
        ),
        pytest.param(
            "keep_best_quality",
            [{"lossless": True, "bit_rate_kbps": 900}, {"lossless": True, "bit_rate_kbps": 1_411}],
            "Kept because it has 1,411 kbit/s, 511 more than the next copy; equal in being lossless",
            id="bit rate",
        ),
        pytest.param(
            "keep_best_quality",
            [{"size_bytes": 9_400_000}, {"size_bytes": 8_200_000}],
            "Kept because its file is 1.2 MB larger than the next copy's; equal in being lossless and bit rate",
            id="size",
        ),
        pytest.param(
            "keep_oldest",
            [{"added_at": YEAR}, {}],
            "Kept because it says when it was added and the next copy does not",
            id="no date on the other",
        ),
    ],
)
def test_ordered_rules_say_which_decided_and_which_were_equal(
    profile: str, copies: list[dict[str, object]], reason: str
) -> None:
    assert chosen(*copies, profile=profile)[1] == reason


@pytest.mark.parametrize("profile", PROFILES)
def test_of_equal_copies_the_first_in_the_library_is_kept(profile: str) -> None:
    assert chosen({}, {}, {}, profile=profile)[0] == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "a moment"),
        (59, "a moment"),
        (60, "1 minute"),
        (3_661, "1 hour 1 minute"),
        (DAY + 60, "1 day"),
        (45 * DAY, "1 month 14 days"),
        (YEAR * 4.75, "4 years 9 months"),
        (YEAR + DAY, "1 year"),
    ],
)
def test_stretches_of_time_are_told_in_two_units(seconds: float, text: str) -> None:
    assert span(seconds) == text
