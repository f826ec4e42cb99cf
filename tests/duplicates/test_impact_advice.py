"""Advice on one analysis: each rule on both sides of its limit."""

from typing import Any

import pytest
from django.utils import translation

from duplicates.services.impact_advice import get_impact_advice
from duplicates.services.impact_summary import ImpactSummary


def summary(**values: Any) -> ImpactSummary:
    """Return the summary of an analysis of 100 groups of two, all decided as they are."""
    plain: dict[str, Any] = {
        "groups": 100,
        "groups_resolved": 100,
        "groups_partly": 0,
        "groups_open": 0,
        "groups_lost": 0,
        "duplicates": 100,
        "duplicates_eliminated": 0,
        "tracks": 200,
        "tracks_remaining": 200,
        "tracks_gone": 0,
        "keepers_gone": 0,
        "tracks_removed": 0,
        "plays_kept": 0,
        "bytes_freed": 0,
        "sizes_unknown": 0,
        "by_resolution": {},
    }
    return ImpactSummary(**plain | values)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        pytest.param({}, ["good_progress"], id="all decided"),
        pytest.param({"groups_resolved": 50}, ["good_progress"], id="half"),
        pytest.param({"groups_resolved": 49}, ["moderate_progress"], id="less than half"),
        pytest.param({"groups_resolved": 25}, ["moderate_progress"], id="a quarter"),
        pytest.param({"groups_resolved": 24}, ["low_progress"], id="less than a quarter"),
        pytest.param({"groups_open": 3}, ["good_progress", "unresolved_groups"], id="open"),
        pytest.param({"groups_open": 3, "groups_partly": 3}, ["good_progress", "partial_groups"], id="in part"),
        pytest.param({"duplicates_eliminated": 30}, ["good_progress"], id="30 % gone"),
        pytest.param({"duplicates_eliminated": 31}, ["good_progress", "new_analysis"], id="more than 30 % gone"),
        pytest.param({"keepers_gone": 1}, ["good_progress", "keepers_gone"], id="a keeper gone"),
        pytest.param({"groups": 0, "groups_resolved": 0}, [], id="no groups"),
    ],
)
def test_says_what_is_left_to_do(values: dict[str, Any], codes: list[str]) -> None:
    assert [advice.code for advice in get_impact_advice(summary(**values))] == codes


def test_counts_only_untouched_groups_as_waiting() -> None:
    found = get_impact_advice(summary(groups_open=5, groups_partly=2))

    assert [advice.sentence for advice in found[1:]] == [
        "3 groups wait for a decision.",
        "2 groups are cleaned up in part and have more copies to look at.",
    ]


def test_writes_numbers_as_the_reader_does() -> None:
    with translation.override("de"):
        found = get_impact_advice(summary(groups_open=1_234))

    assert "1.234" in found[1].sentence
