"""The client in the documentation does what it says, against a live server."""

import runpy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from duplicates.models import CleanupPlan
from duplicates.services.tokens import create_token
from tests.duplicates.library_of import SONG_COUNT, make_library

CLIENT = Path(__file__).parents[3] / "docs" / "api-client.py"


@pytest.mark.django_db(transaction=True)
def test_the_client_runs_an_analysis_and_plans_the_sure_groups(
    live_server: object,
    somebody: Callable[..., User],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_library()
    user, now = somebody("Administrator"), timezone.now()
    made = create_token(
        user=user,
        name="client",
        scopes=["read", "run", "review", "remove"],
        expires_at=now + timedelta(days=1),
        actor=user,
        now=now,
    )
    monkeypatch.setenv("REPRISE_URL", str(live_server))
    monkeypatch.setenv("REPRISE_TOKEN", made.secret)

    runpy.run_path(str(CLIENT), run_name="__main__")

    printed = capsys.readouterr().out
    plan = CleanupPlan.objects.get()
    assert printed.count(" copies of ") == SONG_COUNT + 1
    assert plan.state == "planned"
    assert f"The plan removes {plan.track_count} copies of {plan.group_count} groups." in printed
