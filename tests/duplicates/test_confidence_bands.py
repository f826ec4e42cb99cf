"""One set of limits for the confidence bands: model, filter of the list and documentation agree at each limit."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import RequestFactory

from duplicates.admin.groups import BandFilter
from duplicates.choices import ConfidenceBand
from duplicates.models import DuplicateAnalysisGroup
from duplicates.models.groups import band_of
from tests.duplicates.factories import GroupFactory

DOCUMENTED = Path(__file__).parent.parent.parent / "docs" / "settings.md"
LIMITS = ("VERY_HIGH", "HIGH", "MEDIUM")


@pytest.mark.parametrize("limit", LIMITS)
def test_the_documented_limits_are_those_in_force(limit: str) -> None:
    found = re.search(rf"`REPRISE_CONFIDENCE_{limit}` \| number \| probability \| `([\d.]+)`", DOCUMENTED.read_text())
    assert found
    assert float(found[1]) == getattr(settings, f"CONFIDENCE_{limit}")


@pytest.mark.django_db
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("beside", [-0.0001, 0.0, 0.0001])
def test_the_list_filters_by_the_band_a_group_is_shown_with(limit: str, beside: float) -> None:
    group = GroupFactory(confidence=getattr(settings, f"CONFIDENCE_{limit}") + beside)
    shown = {band for band in ConfidenceBand if group in filtered_by(band)}
    assert shown == {band_of(group.confidence)}


def filtered_by(band: ConfidenceBand) -> list[DuplicateAnalysisGroup]:
    model_admin = SimpleNamespace(model=DuplicateAnalysisGroup, admin_site=admin.site)
    chosen = BandFilter(RequestFactory().get("/"), {"band": [band.value]}, DuplicateAnalysisGroup, model_admin)  # type: ignore[arg-type]
    return list(chosen.queryset(RequestFactory().get("/"), DuplicateAnalysisGroup.objects.all()))
