"""Who may work on a plan: a lease on its row that is proved by every transaction and runs out when its holder dies.

The lease is renewed by the work itself: a transaction lasts about a second, so no thread has to keep it alive.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import F
from django.utils.translation import gettext as _

from duplicates.choices import PlanState
from duplicates.exceptions import DuplicatesError
from duplicates.models import CleanupPlan
from library.changes import recording

# A plan taken up so often without getting anywhere is not taken up again.
MOST_ATTEMPTS = 3
RELEASED: dict[str, Any] = {"lease_token": None, "lease_until": None}
type Report = Callable[[CleanupPlan], None]


class LeaseLost(Exception):
    """The plan was cancelled, or belongs to another process now."""


@dataclass(frozen=True, slots=True)
class Work:
    """One process's right to work on a plan."""

    plan_id: uuid.UUID
    token: uuid.UUID
    now: Callable[[], datetime]
    report: Report

    def renew(self, **changes: Any) -> CleanupPlan:
        """Prove the lease, extend it, write `changes` with it and return the plan; LeaseLost when it is gone.

        Call it first in a transaction: its lock keeps a cancel waiting until all of it is written.
        """
        until = self.now() + timedelta(seconds=settings.LEASE_SECONDS)
        mine = CleanupPlan.objects.filter(pk=self.plan_id, lease_token=self.token)
        if not mine.update(**{"lease_until": until, **changes}):
            raise LeaseLost
        plans = CleanupPlan.objects.select_related("analysis", "confirmed_by").defer("analysis__learnt_tables")
        return plans.get(pk=self.plan_id)


def waiting_plans(*, now: datetime) -> list[uuid.UUID]:
    """Return the plans with work to do that nobody is at, the oldest first."""
    return list(CleanupPlan.objects.waiting(now).order_by("created_at").values_list("pk", flat=True))


def take_up(plan_id: uuid.UUID, *, now: Callable[[], datetime], report: Report) -> Work | None:
    """Take the lease of a plan that waits; None where there is nothing to do or another process is at it."""
    work = Work(plan_id, uuid.uuid4(), now, report)
    until = now() + timedelta(seconds=settings.LEASE_SECONDS)
    waiting = CleanupPlan.objects.waiting(now()).filter(pk=plan_id)
    if waiting.filter(attempt__gte=MOST_ATTEMPTS).update(
        state=PlanState.FAILED,
        failed_state=F("state"),
        error_message=_("Its workers died before they got anywhere."),
        ended_at=now(),
    ):
        return None
    return work if waiting.update(lease_token=work.token, lease_until=until, attempt=F("attempt") + 1) else None


def fail(work: Work, plan: CleanupPlan, error: Exception) -> None:
    """Write a failure on the plan, which can be continued."""
    # What a database says may name its host, its user or a file; that is for the log.
    broke_off = _("It broke off (%(kind)s). The log says why.") % {"kind": type(error).__name__}
    message = error.sentence if isinstance(error, DuplicatesError) else broke_off
    CleanupPlan.objects.filter(pk=plan.pk, lease_token=work.token).update(
        state=PlanState.FAILED,
        failed_state=plan.state,
        error_message=message,
        ended_at=work.now(),
        **RELEASED,
    )


@contextmanager
def step(work: Work) -> Iterator[CleanupPlan]:
    """One transaction of a plan: it waits for writers of the library, then proves the lease."""
    with recording(f"plan:{work.plan_id}"):
        yield work.renew()
