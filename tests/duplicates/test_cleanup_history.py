"""`manage.py cleanup_history` tells what page and API tell, in words and as JSON."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from duplicates.services.removal import remove_duplicates
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import AnalysisFactory

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("cleanup_history", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def cleaned() -> Any:
    """An analysis of two groups, of which one is cleaned up now."""
    analysis = AnalysisFactory.create(
        completed_at=timezone.now() - timedelta(hours=1), duplicates_found=2, library_track_count=4
    )
    group_of(copy(), copy(), analysis=analysis)
    group = group_of(kept := copy(play_count=3), gone := copy(play_count=4), analysis=analysis)
    remove_duplicates(group=group, keeper_id=kept.pk, removing=[gone.pk], actor=None, now=timezone.now())
    return analysis


def test_tells_a_period_in_words(cleaned: Any) -> None:
    shown = said("--days", "7")

    assert "Clean-up of the last 7 days" in shown
    assert "groups decided: 1 of 2, 50.0 % on average" in shown
    assert "duplicates gone: 1 of 2" in shown
    assert f"best: {cleaned}, 50.0 %; worst: -" in shown
    assert "100 % of the actions succeed." in shown


def test_tells_an_analysis_in_words(cleaned: Any) -> None:
    shown = said("--analysis", "latest")

    assert "Groups decided: 1 of 2, 50.0 %" in shown
    assert "New analysis: recommended, confidence high" in shown
    assert "It finds about 5 new duplicates, as a rule of thumb." in shown
    assert "1 group waits for a decision." in shown


def test_prints_what_the_api_answers(cleaned: Any, admin_client: Any) -> None:
    of_period, of_analysis = (
        json.loads(said("--output", "json")),
        json.loads(said("--analysis", str(cleaned.pk), "--output", "json")),
    )

    answered = admin_client.get("/api/v1/cleanup-history/").json()
    assert of_period["outcomes"] == answered["outcomes"]
    assert of_period["effectiveness"]["single_removals"] == answered["effectiveness"]["single_removals"] == 1
    assert of_period["recommendations"] == answered["recommendations"]
    assert of_analysis == admin_client.get(f"/api/v1/analyses/{cleaned.pk}/impact/").json()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--days", "0"], "1 to 3,650 days"), (["--analysis", "nonsense"], "nonsense"), (["--analysis", "latest"], "yet")],
)
def test_refuses_what_cannot_be_told(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        said(*arguments)
