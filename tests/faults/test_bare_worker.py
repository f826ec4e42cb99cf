"""The queue's own worker, `manage.py db_worker`, runs what the admin's actions queued; nothing runs in the request."""

import json
import uuid

import pytest

from tests.faults.support import House

_PRESS = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from duplicates.services import exporting

exporting.WRITTEN_AT_ONCE = 0  # as if it were large
action, analysis_id = sys.argv[1:]
User.objects.filter(username="bare").exists() or User.objects.create_superuser("bare")
browser = Client(headers={"host": "localhost"})
browser.force_login(User.objects.get(username="bare"))
if action == "run":
    answers = {"preset": "recording", "sort_by": "confidence", "min_confidence": "0", "force": "on"}
    answer = browser.post(reverse("admin:duplicates_run_analysis"), answers)
else:
    page = reverse("admin:duplicates_duplicateanalysisresult_change", args=[analysis_id])
    answer = browser.post(page, {"CHANGE_FORM-action": action, "_selected_action": analysis_id})
assert answer.status_code == 302, answer.content
print(answer.url)
"""


def newest_analysis(home: House) -> str:
    """Return the id of the analysis that was asked for last, as the house's methods take it."""
    query = "SELECT analysis_id FROM duplicates_duplicateanalysisresult ORDER BY created_at DESC LIMIT 1"
    return str(uuid.UUID(str(home.rows(query)[0][0])))


def exports_of(home: House, analysis_id: str) -> list[tuple[str, str]]:
    """Return the ids and states of the exports of one analysis: other tests share the house."""
    rows = home.rows("SELECT analysis_id, export_id, status FROM duplicates_duplicateanalysisexport")
    return [
        (uuid.UUID(str(one)).hex, status) for of, one, status in rows if uuid.UUID(str(of)) == uuid.UUID(analysis_id)
    ]


@pytest.mark.usefixtures("undisturbed")
def test_it_runs_the_analysis_and_the_export_that_the_admin_queued(home: House) -> None:
    home.script(_PRESS, "run", "-")
    analysis_id = newest_analysis(home)
    assert home.analysis(analysis_id)["status"] == "queued"
    home.manage("db_worker", "--batch")
    done = home.analysis(analysis_id)
    assert done["status"] == "completed"

    home.script(_PRESS, "export_json", analysis_id)
    ((export_id, status),) = exports_of(home, analysis_id)
    assert status == "pending"
    home.manage("db_worker", "--batch")
    assert exports_of(home, analysis_id) == [(export_id, "completed")]
    (written,) = [path for path in home.files("exports") if path.name.startswith(export_id)]
    assert len(json.loads(written.read_bytes())["groups"]) == done["groups_found"] > 0
