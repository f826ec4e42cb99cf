"""No request, however odd, is answered with a 500 or with something the schema does not say.

The small form asks each operation a few times in process; the full one sends 10,000 requests to a live server:
`uv run pytest -m slow -n 0 -s tests/fuzz`.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.utils import timezone

from duplicates import roles
from duplicates.choices import TokenScope
from duplicates.services.tokens import create_token
from tests.duplicates.factories import UserFactory
from tests.fuzz.requests import Outcome, ask_everything

FULL = 10_000
OPERATIONS = 60  # about as many as there are
SEED = 20_260_101


# Whoever asks so oddly leaves downloads unread.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def no_limits(settings: Any, db: None) -> None:
    """A limit would answer 429 to nearly everything; what waits for a worker waits."""
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 1_000_000
    settings.ANALYSES_PER_HOUR = settings.EXPORTS_PER_HOUR = 1_000_000
    cache.clear()


@pytest.fixture
def anybody_may() -> Callable[[], tuple[User, dict[str, str]]]:
    """Return an administrator, and the headers of a token with all scopes."""

    def make() -> tuple[User, dict[str, str]]:
        roles.create_roles(apps, "default")
        user = UserFactory()
        user.groups.add(Group.objects.get(name="Administrator"))
        now = timezone.now()
        made = create_token(
            user=user, name="fuzz", scopes=TokenScope.values, expires_at=now + timedelta(days=1), actor=user, now=now
        )
        return user, {"Authorization": f"Bearer {made.secret}"}

    return make


@pytest.fixture
def one_connection() -> Iterator[None]:
    """Keep the server in this process on the connection of the test, and so within its transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def require_sound(outcome: Outcome) -> None:
    assert not outcome.faults, str(outcome)
    assert max(outcome.statuses) < 500
    assert outcome.statuses[429] < 0.01 * outcome.cases


@pytest.mark.django_db
def test_a_few_odd_requests_to_everything_are_answered_as_the_schema_says(
    anybody_may: Any, one_connection: None
) -> None:
    from project.wsgi import application  # noqa: PLC0415 (reads the settings)

    user, headers = anybody_may()

    outcome = ask_everything(application, headers, user, each=4, seed=SEED)

    require_sound(outcome)
    assert len(outcome.by_operation) > OPERATIONS


@pytest.mark.slow
def test_ten_thousand_odd_requests_are_answered_as_the_schema_says(anybody_may: Any, live_server: Any) -> None:
    user, headers = anybody_may()
    outcome = Outcome()

    # In rounds, so that a run that is cut short has asked everything, too.
    for round_number in range(FULL):
        ask_everything(live_server.url, headers, user, each=3, seed=SEED + round_number, outcome=outcome)
        print(outcome, flush=True)
        if outcome.cases >= FULL:
            break

    require_sound(outcome)
