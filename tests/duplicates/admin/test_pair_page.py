"""The page that explains one member of a group step by step."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model
from duplicates.models import DuplicateAnalysisGroup
from library.models import Track
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import GroupFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def group() -> DuplicateAnalysisGroup:
    """A group of two whose second member is misspelt."""
    made = GroupFactory(analysis__learnt_tables=shipped_model(EngineSettings()).to_bytes(), members__evidence=7)
    keeper, other = made.members.order_by("position")
    DuplicateAnalysisGroup.objects.filter(pk=made.pk).update(keeper_track_id=keeper.track_id)
    Track.objects.filter(pk=other.track_id).update(title="Harbuor Lights", year=1999)
    made.refresh_from_db()
    return made


def address(group: DuplicateAnalysisGroup, position: int = 1) -> str:
    track_id = group.members.get(position=position).track_id
    return reverse("admin:duplicates_explain_member", args=[group.pk, track_id])


def test_it_shows_values_differences_bits_sum_and_verdict(colleague: User, group: DuplicateAnalysisGroup) -> None:
    text = " ".join(signed_in(colleague).get(address(group)).content.decode().split())

    assert "They are one group." in text
    assert "Harb<del>ou</del><ins>uo</ins>r Lights" in text
    assert "<td>3:35.000</td>" in text
    assert "year (only the copy has one)" in text
    assert "is new or has changed since this analysis" not in text


def test_the_group_leads_to_it(colleague: User, group: DuplicateAnalysisGroup) -> None:
    page = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[group.pk])

    assert f'href="{address(group)}"' in signed_in(colleague).get(page).content.decode()


def test_a_track_that_is_gone_leads_back_with_a_sentence(colleague: User, group: DuplicateAnalysisGroup) -> None:
    where = address(group)
    Track.objects.filter(pk=group.members.get(position=1).track_id).delete()

    answer = signed_in(colleague).get(where, follow=True)

    assert answer.redirect_chain
    assert "There is no track" in answer.content.decode()


def test_what_one_may_not_see_is_not_there(colleague: User, group: DuplicateAnalysisGroup) -> None:
    foreign = GroupFactory(analysis__user=UserFactory())
    stranger = reverse("admin:duplicates_explain_member", args=[group.pk, foreign.members.all()[0].track_id])

    answers = [signed_in(colleague).get(where).status_code for where in (address(foreign), stranger)]

    assert answers == [404, 404]
    assert signed_in(UserFactory()).get(address(group)).status_code == 403
