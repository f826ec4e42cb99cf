"""The list of groups as a way into reviewing: sorts, filters, and the queue it becomes."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.forms import model_to_dict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.admin.group_filters import PresetFilter
from duplicates.admin.groups import GroupAdmin
from duplicates.admin.plans import filter_of
from duplicates.choices import Resolution
from duplicates.models import DuplicateAnalysisGroup
from duplicates.services import reviewing, selecting
from duplicates.services.selecting import GroupFilter, undecided_groups
from library.search import with_beginning
from tests.duplicates.admin.conftest import messages_of, signed_in
from tests.duplicates.factories import AnalysisFactory, GroupFactory

pytestmark = pytest.mark.django_db

LIST = "admin:duplicates_duplicateanalysisgroup_changelist"
COLUMNS = ("shown_title", "shown_artist", "tracks", "sure", "plays", "last_played", "added")


@pytest.fixture
def three() -> list[DuplicateAnalysisGroup]:
    """Three groups; in each respect their order is 2, 0, 1."""
    analysis = AnalysisFactory()
    made = []
    for number, place in enumerate((1, 2, 0)):
        group = GroupFactory(
            analysis=analysis,
            position=number + 1,
            title=["almanac", "Bridges", "Copper"][place],
            artist=["ann", "Bea", "Cleo"][place],
            member_count=2 + place,
            confidence=0.7 + place / 10,
            total_plays=place,
        )
        moment = datetime(2020 + place, 1, 1, tzinfo=UTC) if place else None
        group.members.update(last_played_at=moment, added_at=moment)
        made.append(group)
    return made


def sort(client: Client, column: str, sign: str = "") -> str:
    """Return what the header of a column says in the address: Django counts the columns."""
    return f"o={sign}{client.get(reverse(LIST)).context['cl'].list_display.index(column)}"


def listed(client: Client, query: str) -> list[int]:
    return [group.position for group in client.get(f"{reverse(LIST)}?{query}").context["cl"].result_list]


@pytest.mark.parametrize("column", COLUMNS)
def test_it_sorts_by_what_people_sort_by(colleague: User, three: list[DuplicateAnalysisGroup], column: str) -> None:
    client = signed_in(colleague)

    up, down = (listed(client, sort(client, column, sign)) for sign in ("", "-"))

    assert (up, down) == ([3, 1, 2], [2, 1, 3])


@pytest.mark.parametrize("column", COLUMNS)
def test_a_queue_goes_through_it_in_that_order(
    colleague: User, three: list[DuplicateAnalysisGroup], column: str
) -> None:
    client = signed_in(colleague)
    response = client.get(f"{reverse('admin:duplicates_review')}?{sort(client, column, '-')}", follow=True)
    walked = [response.context["original"].position]

    while address := response.context["place"].next_url:
        response = client.get(address)
        walked.append(response.context["original"].position)

    assert walked == [2, 1, 3]
    assert response.context["place"].number == 3


def test_reviewing_begins_with_the_first_open_group(colleague: User, three: list[DuplicateAnalysisGroup]) -> None:
    reviewing.decide(group=three[0], resolution=Resolution.MANUAL_REVIEW, actor=None, now=timezone.now())

    response = signed_in(colleague).get(reverse("admin:duplicates_review"), follow=True)

    assert response.context["original"] == three[1]
    assert (response.context["place"].number, response.context["place"].left) == (2, 2)


def test_reviewing_keeps_the_filter_of_the_list(colleague: User, three: list[DuplicateAnalysisGroup]) -> None:
    client = signed_in(colleague)
    address = client.get(f"{reverse(LIST)}?artist=Bea").context["review_url"]

    response = client.get(address, follow=True)

    assert (response.context["original"].artist, response.context["place"].total) == ("Bea", 1)


def test_nothing_to_review_is_said(colleague: User, three: list[DuplicateAnalysisGroup]) -> None:
    response = signed_in(colleague).get(f"{reverse('admin:duplicates_review')}?band=low&artist=Nobody", follow=True)

    assert messages_of(response) == ["Nothing to review here: no open group matches."]


def test_without_an_analysis_there_is_nothing_to_review(colleague: User) -> None:
    response = signed_in(colleague).get(reverse("admin:duplicates_review"), follow=True)

    assert messages_of(response) == ["Nothing to review here: no open group matches."]
    assert "Review group by group" not in response.content.decode()


def test_the_page_of_a_group_leads_to_the_groups_of_its_artist(colleague: User, three: list[Any]) -> None:
    page = reverse("admin:duplicates_duplicateanalysisgroup_change", args=[three[0].pk])

    shown = signed_in(colleague).get(page).content.decode()

    assert f"?analysis={three[0].analysis_id}&amp;artist=Bea" in shown


class TestPresets:
    def test_a_preset_leads_to_the_newest_analysis_that_asked_so(self, colleague: User) -> None:
        older, song = GroupFactory(analysis__preset="song"), GroupFactory(analysis__preset="song")
        GroupFactory(analysis__preset="recording")

        shown = signed_in(colleague).get(f"{reverse(LIST)}?preset=song").context

        assert shown["of_analysis"] == song.analysis != older.analysis
        assert [group.pk for group in shown["cl"].result_list] == [song.pk]

    def test_only_presets_that_were_asked_are_offered(self, colleague: User) -> None:
        GroupFactory(analysis__preset="song")

        listed = signed_in(colleague).get(reverse(LIST)).context["cl"]

        (spec,) = (one for one in listed.filter_specs if isinstance(one, PresetFilter))
        assert [(one["display"], one["selected"]) for one in spec.choices(listed)] == [
            ("Same song in any version", True)
        ]


class TestSearch:
    @pytest.fixture
    def large(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let every analysis count as large."""
        monkeypatch.setattr(selecting, "SCANNED", 0)

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            pytest.param("BRID", [2], id="a title, whatever its case"),
            pytest.param("cl", [2], id="an artist"),
            pytest.param("bridgey", [], id="more than its first two letters"),
            pytest.param("b", [2], id="one letter"),
            pytest.param("ridges", [], id="the middle is not looked at"),
        ],
    )
    def test_a_large_analysis_is_searched_by_beginnings(
        self, colleague: User, large: None, typed: str, found: list[int]
    ) -> None:
        analysis = AnalysisFactory()
        GroupFactory(analysis=analysis, position=1, title="Almanac", artist="Ann")
        GroupFactory(analysis=analysis, position=2, title="Bridges", artist="Cleo")

        assert listed(signed_in(colleague), f"q={typed}") == found

    def test_any_part_of_a_small_one_is_found(self, colleague: User, three: list[DuplicateAnalysisGroup]) -> None:
        assert listed(signed_in(colleague), "q=ridge ea") == [1]

    @pytest.mark.parametrize("name", ["title", "artist"])
    def test_the_index_answers(self, name: str) -> None:
        analysis = AnalysisFactory()
        values = model_to_dict(GroupFactory(analysis=analysis), exclude=("id", "analysis", "position", "group_key"))
        own = (
            {"position": n, "group_key": f"{n:032}", "title": f"T{n}", "artist": f"A{n}"}
            for n in range(10**6, 10**6 + 500)
        )
        DuplicateAnalysisGroup.objects.bulk_create(
            DuplicateAnalysisGroup(**{**values, **one, "analysis": analysis}) for one in own
        )
        connection.cursor().execute(
            "ANALYZE duplicates_duplicateanalysisgroup"
        )  # or one index seems as good as another
        if connection.vendor == "postgresql":
            connection.cursor().execute("SET LOCAL enable_seqscan = off")

        plan = with_beginning(analysis.groups.all(), "brid").explain()

        assert f"group_{name}_start" in plan


def test_a_plan_over_the_groups_of_an_artist_is_about_no_others(three: list[DuplicateAnalysisGroup]) -> None:
    # The list knew this filter before plans did: a plan over "everything shown" would have taken every group.
    wanted = filter_of({"analysis": str(three[0].analysis_id), "artist": "Bea"})

    assert list(undecided_groups(three[0].analysis, wanted)) == [three[0]]


def test_a_plan_knows_every_filter_of_the_list() -> None:
    named = {getattr(one, "parameter_name", one) for one in GroupAdmin.list_filter}

    assert named - {"analysis", "preset"} <= set(GroupFilter.names())
