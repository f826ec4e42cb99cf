"""Intermediate data is freed between the stages: what is saved is all that is left while it is saved."""

import gc
from typing import Any

import pytest

from duplicates.engine.candidates import CandidatePairs
from duplicates.engine.normalise import Records
from duplicates.services import loading, saving
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from tests.duplicates.library_of import SONG_COUNT, make_library


@pytest.mark.django_db
def test_library_records_and_pairs_are_gone_when_the_result_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    make_library()
    original, alive = saving.save_groups, []

    def look_and_save(*args: Any, **kwargs: Any) -> saving.Saved:
        gc.collect()
        alive.extend(type(one).__name__ for one in gc.get_objects() if type(one) in HEAVY)
        return original(*args, **kwargs)

    monkeypatch.setattr(saving, "save_groups", look_and_save)
    analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

    assert analysis.groups_found == SONG_COUNT
    assert alive == []


HEAVY = (loading.Library, Records, CandidatePairs)
