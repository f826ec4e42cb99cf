"""Twenty people at once: nothing lost, nothing doubled, nothing crossed."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from duplicates.choices import AnalysisStatus, Trigger
from duplicates.models import AuditRecord, DuplicateAnalysisResult
from duplicates.services import claims, lifecycle, running
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import SONG_COUNT, make_library

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PEOPLE = 20


def all_at_once(work: Callable[[int], None]) -> list[BaseException]:
    """Run the work in many threads that begin together; return what they raised."""
    raised: list[BaseException] = []
    ready = threading.Barrier(PEOPLE)

    def run(number: int) -> None:
        try:
            ready.wait(30)
            work(number)
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return raised


def test_twenty_people_start_analyses_at_once_and_each_gets_their_own() -> None:
    make_library()
    people = [get_user_model().objects.create_user(f"person{number}") for number in range(PEOPLE)]

    def start(number: int) -> None:
        lifecycle.queue_analysis(AnalysisOptions(), actor=people[number], trigger=Trigger.API, now=NOW)

    assert all_at_once(start) == []
    assert DuplicateAnalysisResult.objects.values("user").distinct().count() == PEOPLE
    assert running.run_waiting() == PEOPLE
    for analysis in DuplicateAnalysisResult.objects.all():
        assert (analysis.status, analysis.groups_found) == (AnalysisStatus.COMPLETED, SONG_COUNT)
        actions = AuditRecord.objects.filter(subject_id=str(analysis.pk)).order_by("id")
        assert [(r.action, r.user_name) for r in actions] == [
            ("analysis.queued", analysis.user.username),
            ("analysis.completed", analysis.user.username),
        ]


def test_twenty_workers_claim_at_once_and_no_more_run_than_may() -> None:
    for number in range(PEOPLE):
        lifecycle.queue_analysis(
            AnalysisOptions(search=str(number)), actor=None, trigger=Trigger.COMMAND, now=NOW, force=True
        )
    taken: list[claims.Claim] = []

    def claim(number: int) -> None:
        claimed = claims.claim_next(now=NOW, worker=f"w{number}")
        if claimed is not None:
            taken.append(claimed)

    assert all_at_once(claim) == []
    assert len(taken) == len({claimed.analysis_id for claimed in taken}) == 2
    running_now = DuplicateAnalysisResult.objects.filter(status=AnalysisStatus.RUNNING)
    assert sorted(running_now.values_list("slot", flat=True)) == [1, 2]
