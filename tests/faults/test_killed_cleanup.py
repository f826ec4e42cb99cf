"""A clean-up killed midway and run again: what it had taken is gone whole, and the next one takes the rest."""

import json

import pytest

from tests.faults.support import House

ANALYSES, KEPT = 12, 3
# Old analyses with groups, checkpoints and export files each.
_MAKE = """
import sys
from datetime import timedelta
import django
django.setup()
from django.utils import timezone
from duplicates.models import DuplicateAnalysisExport, DuplicateAnalysisGroup, DuplicateAnalysisResult
from duplicates.models import DuplicateAnalysisTrack
from duplicates.services import exporting, work_folder
from library.folders import private_folder
from library.models import Track

now, tracks = timezone.now(), list(Track.objects.order_by("pk")[:40])
for number in range(int(sys.argv[1])):
    analysis = DuplicateAnalysisResult.objects.create(
        created_at=now - timedelta(hours=number), status="completed", parameters_fingerprint=str(number),
        groups_found=20, duplicates_found=20,
    )
    for place in range(20):
        group = DuplicateAnalysisGroup.objects.create(
            analysis=analysis, position=place + 1, group_key=f"{place:032x}", identity=f"{place:032x}", member_count=2,
            duplicate_count=1, remaining_count=2, confidence=0.9, average_similarity=0.9, cohesion=1.0,
            keeper_track_id=tracks[place].pk,
        )
        for position, track in enumerate(tracks[2 * place : 2 * place + 2]):
            DuplicateAnalysisTrack.objects.create(group=group, track_id=track.pk, position=position, similarity=0.9,
                match_weight=1.0, evidence=0, matches_keeper=True, is_canonical=not position)
    (private_folder(work_folder.checkpoint_folder(analysis.pk)) / "x.checkpoint").write_bytes(b"x" * 100)
    export = DuplicateAnalysisExport.objects.create(
        analysis=analysis, format="csv", status="completed", created_at=now, expires_at=now + timedelta(days=1)
    )
    private_folder(exporting.exports_folder())
    exporting.export_path(export).write_bytes(b"x" * 10)
"""


def books(home: House) -> dict[str, int]:
    """Count what is there, and what the trail says of what went."""
    queries = {
        "analyses": "SELECT count(*) FROM duplicates_duplicateanalysisresult WHERE deleting_at IS NULL",
        "half deleted": "SELECT count(*) FROM duplicates_duplicateanalysisresult WHERE deleting_at IS NOT NULL",
        "groups": "SELECT count(*) FROM duplicates_duplicateanalysisgroup",
        "members": "SELECT count(*) FROM duplicates_duplicateanalysistrack",
        "exports": "SELECT count(*) FROM duplicates_duplicateanalysisexport",
        "remembered": "SELECT count(*) FROM duplicates_auditrecord WHERE action = 'analysis.forgotten'",
        "records": "SELECT count(*) FROM duplicates_auditrecord WHERE action = 'cleanup.analyses'",
    }
    return {name: int(home.rows(query)[0][0]) for name, query in queries.items()}


@pytest.mark.parametrize(
    ("place", "call", "left"),
    [
        # Within the transaction of the fourth analysis: three are gone.
        pytest.param("duplicates.services.retention:_remember", 4, ANALYSES - 3, id="amid an analysis"),
        # Nobody sees the third any more, but its groups are still there.
        pytest.param("duplicates.services.discarding:_delete_block", 3, ANALYSES - 3, id="amid its groups"),
        # The rows of the third are gone, its files are not.
        pytest.param("duplicates.services.retention:discard_checkpoints", 3, ANALYSES - 3, id="before its files"),
        pytest.param("duplicates.services.retention:_remove_leftovers", 3, KEPT, id="among what is left over"),
    ],
)
def test_a_clean_up_killed_midway_is_finished_by_the_next(
    house_to_clean: House, place: str, call: int, left: int
) -> None:
    home = house_to_clean
    home.make_library(40)
    home.script(_MAKE, str(ANALYSES))
    keep = ("cleanup_analyses", "--keep-per-user", str(KEPT))
    killed = home.paused_before(place, call, *keep)
    is_amid_a_transaction = place.endswith("_remember")  # which on SQLite keeps every writer waiting
    refused = None if is_amid_a_transaction else home.manage(*keep, check=False)
    killed.kill()
    killed.wait(20)

    found = books(home)
    assert refused is None or "Another clean-up is at work" in refused.stderr
    assert found["analyses"] == found["exports"] == left
    assert found["groups"] * 2 == found["members"] == (left + found["half deleted"]) * 40
    assert found["half deleted"] == place.endswith("_delete_block")
    assert (found["remembered"], found["records"]) == (ANALYSES - left, 0)

    home.wait_until(lambda: home.manage(*keep, check=False).returncode, lambda code: code == 0, 60)
    again = json.loads(home.manage(*keep, "--output", "json").stdout)

    assert books(home) == {
        "analyses": KEPT,
        "half deleted": 0,
        "groups": KEPT * 20,
        "members": KEPT * 40,
        "exports": KEPT,
        "remembered": ANALYSES - KEPT,
        "records": 2,
    }
    assert len(home.files("exports")) == KEPT
    assert home.files("checkpoints") == []
    assert (again["deleted"], again["bytes"], again["errors"]) == (0, 0, [])
