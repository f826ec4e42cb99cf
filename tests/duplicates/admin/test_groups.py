"""The list and the page of groups: one analysis at a time, members side by side, evidence in words."""

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.choices import AnalysisStatus
from duplicates.engine.levels import COMPARISONS
from duplicates.engine.settings import EngineSettings
from duplicates.engine.shipped import shipped_model
from duplicates.models import DuplicateAnalysisGroup, DuplicatePreferences, LibraryMark
from duplicates.services.impact import follow_library
from library.changes import current_revision
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import AnalysisFactory, GroupFactory, UserFactory

pytestmark = pytest.mark.django_db

LIST = "admin:duplicates_duplicateanalysisgroup_changelist"
MEMBERS = "admin:duplicates_duplicateanalysistrack_changelist"
PAGE = "admin:duplicates_duplicateanalysisgroup_change"


def page(group: DuplicateAnalysisGroup) -> str:
    return reverse(PAGE, args=[group.pk])


def follow_and_mark() -> None:
    """Let analyses follow the library, and note that they have, which a page leaves to others for a few changes."""
    follow_library(now=timezone.now())
    LibraryMark.objects.update_or_create(pk=1, defaults={"revision": current_revision()})


def shown(client: Client, address: str) -> str:
    return " ".join(client.get(address).content.decode().split())


class TestList:
    @pytest.mark.parametrize(("name", "queries"), [(LIST, 12), (MEMBERS, 9)], ids=["groups", "members"])
    def test_the_number_of_queries_does_not_grow_with_the_rows(
        self, colleague: User, django_assert_num_queries: Any, name: str, queries: int
    ) -> None:
        client, analysis = signed_in(colleague), AnalysisFactory()
        GroupFactory(analysis=analysis)
        follow_and_mark()
        with django_assert_num_queries(queries):
            client.get(reverse(name))

        GroupFactory.create_batch(15, analysis=analysis)
        follow_and_mark()
        with django_assert_num_queries(queries):
            client.get(reverse(name))

    def test_it_shows_the_newest_analysis_unless_told_otherwise(self, colleague: User) -> None:
        older = AnalysisFactory(created_at=timezone.now() - timezone.timedelta(days=1))
        GroupFactory(analysis=older, title="Paper Moons")
        GroupFactory(analysis=AnalysisFactory(), title="Copper Wire")
        client = signed_in(colleague)

        newest, chosen = shown(client, reverse(LIST)), shown(client, f"{reverse(LIST)}?analysis={older.pk}")

        assert ("Copper Wire" in newest, "Paper Moons" in newest) == (True, False)
        assert ("Copper Wire" in chosen, "Paper Moons" in chosen) == (False, True)

    def test_groups_of_a_run_under_way_are_not_shown(self, colleague: User) -> None:
        unfinished = AnalysisFactory(
            status=AnalysisStatus.RUNNING, lease_token=uuid.uuid4(), slot=1, lease_until=timezone.now()
        )
        group = GroupFactory(analysis=unfinished, title="Half written")

        assert "Half written" not in shown(signed_in(colleague), f"{reverse(LIST)}?analysis={unfinished.pk}")
        assert signed_in(colleague).get(page(group)).status_code == 302

    @pytest.mark.parametrize("wanted", ["nonsense", "5f3c1f0e-6f0e-4a35-9a3b-0d9d1d7e8c11"])
    def test_an_unknown_analysis_in_the_address_is_an_empty_list(self, colleague: User, wanted: str) -> None:
        GroupFactory(title="Copper Wire")

        response = signed_in(colleague).get(f"{reverse(LIST)}?analysis={wanted}")

        assert response.status_code == 200
        assert "Copper Wire" not in response.content.decode()

    @pytest.mark.parametrize(
        ("band", "confidence"), [("very_high", 0.96), ("high", 0.92), ("medium", 0.85), ("low", 0.6)]
    )
    def test_bands_hold_what_their_limits_say(self, colleague: User, band: str, confidence: float) -> None:
        analysis = AnalysisFactory()
        for value in (0.96, 0.92, 0.85, 0.6):
            GroupFactory(analysis=analysis, confidence=value, title=f"Song {value}")

        page_of_band = shown(signed_in(colleague), f"{reverse(LIST)}?analysis={analysis.pk}&band={band}")

        assert f"Song {confidence}" in page_of_band
        assert page_of_band.count("Song 0.") == 1

    def test_a_page_is_as_long_as_its_reader_likes(self, colleague: User) -> None:
        analysis = AnalysisFactory()
        GroupFactory.create_batch(8, analysis=analysis)
        DuplicatePreferences.objects.create(user=colleague, groups_per_page=5)

        response = signed_in(colleague).get(reverse(LIST))

        assert len(response.context["cl"].result_list) == 5

    def test_without_any_analysis_it_says_how_to_start(self, colleague: User) -> None:
        assert "No analysis yet. Start one" in shown(signed_in(colleague), reverse(LIST))


class TestVisibility:
    @pytest.mark.parametrize("name", [LIST, MEMBERS], ids=["groups", "members"])
    def test_foreign_rows_are_not_listed(self, colleague: User, name: str) -> None:
        foreign = GroupFactory(analysis__user=UserFactory(), title="Secret")

        assert "Secret" not in shown(signed_in(colleague), f"{reverse(name)}?analysis={foreign.analysis_id}")

    def test_foreign_pages_are_as_good_as_none(self, colleague: User) -> None:
        foreign = GroupFactory(analysis__user=UserFactory())
        member = foreign.members.first()
        assert member is not None

        of_member = reverse("admin:duplicates_duplicateanalysistrack_change", args=[member.pk])
        answers = [signed_in(colleague).get(address) for address in (page(foreign), of_member)]

        assert [(answer.status_code, answer.url) for answer in answers] == [(302, reverse("admin:index"))] * 2


class TestPage:
    def test_the_keeper_comes_first_and_differences_are_marked(self, colleague: User) -> None:
        group = GroupFactory()
        keeper, other = group.members.order_by("position")
        type(other).objects.filter(pk=other.pk).update(title="Harbour Lights (Remastered)", duration_ms=217_000)

        text = shown(signed_in(colleague), page(group))

        assert text.index(f"Track {keeper.track_id}") < text.index(f"Track {other.track_id}")
        assert '<span class="marked" aria-hidden="true">Harbour Lights<ins> (Remastered)</ins></span>' in text
        assert "Harbour Lights (Remastered). Against the keeper “ (Remastered)” is added." in text
        assert '3:37 <span class="aside">+2.0 s</span>' in text
        assert "<td>The Quiet Tide</td>" in text

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            pytest.param("Harbuor Lights", "Harb<del>ou</del><ins>uo</ins>r Lights</span>", id="replaced"),
            pytest.param("Harbour", "Harbour<del> Lights</del></span>", id="missing"),
            pytest.param("Copper Wire", '<td class="differs">Copper Wire</td>', id="another title is not marked"),
            pytest.param("<b>Harbour Lights", "<ins>&lt;b&gt;</ins>Harbour Lights</span>", id="markup in a title"),
            pytest.param("x" * 10_000, f'<td class="differs">{"x" * 10_000}</td>', id="ten thousand letters"),
        ],
    )
    def test_differences_are_marked_letter_by_letter(self, colleague: User, title: str, expected: str) -> None:
        group = GroupFactory()
        group.members.filter(position=1).update(title=title)

        assert expected in shown(signed_in(colleague), page(group))

    def test_letters_that_only_look_equal_are_pointed_out(self, colleague: User) -> None:
        group = GroupFactory()
        group.members.filter(position=0).update(artist="Caf\u00e9")
        group.members.filter(position=1).update(artist="Cafe\u0301")

        assert "the same letters, stored differently" in shown(signed_in(colleague), page(group))

    def test_an_identifier_that_agrees_where_the_music_does_not_is_pointed_out(self, colleague: User) -> None:
        names = [comparison.name for comparison in COMPARISONS]
        levels = {"title": "unlike", "identifier": "equal", "grounds": "titles compared"}
        code = sum(
            COMPARISONS[names.index(name)].levels.index(level) << 4 * names.index(name)
            for name, level in levels.items()
        )
        tables = shipped_model(EngineSettings()).to_bytes()
        group = GroupFactory(analysis__learnt_tables=tables, members__evidence=code)

        text = shown(signed_in(colleague), page(group))

        assert "The identifier is equal, but the music differs (title unlike)" in text
        assert "Nothing to compare: artist, album, length" in text
        assert "titles compared" not in text

    def test_evidence_is_told_in_words(self, colleague: User) -> None:
        title = COMPARISONS[0]
        level = title.levels.index("equal")
        group = GroupFactory(
            analysis__learnt_tables=shipped_model(EngineSettings()).to_bytes(), members__evidence=level
        )

        text = shown(signed_in(colleague), page(group))

        assert f"{title.name.capitalize()} <em>equal</em>" in text

    def test_evidence_of_another_engine_does_no_harm(self, colleague: User) -> None:
        group = GroupFactory(analysis__learnt_tables=b"{}")

        assert "Not kept by this analysis" in shown(signed_in(colleague), page(group))

    def test_it_leads_to_the_groups_before_and_after(self, colleague: User) -> None:
        analysis = AnalysisFactory()
        first, second, third = (GroupFactory(analysis=analysis, position=place) for place in (1, 2, 3))
        client = signed_in(colleague)

        middle, end = client.get(page(second)), client.get(page(third))

        around = [(one.context["place"].previous_url, one.context["place"].next_url) for one in (middle, end)]
        assert around == [(page(first), page(third)), (page(second), "")]

    def test_it_takes_few_queries_however_many_members(self, colleague: User, django_assert_num_queries: Any) -> None:
        client = signed_in(colleague)
        small, large = GroupFactory(member_count=2), GroupFactory(member_count=20)
        follow_and_mark()
        client.get(page(small))  # the first request fills Django's memory of content types

        for group in (small, large):
            with django_assert_num_queries(22):
                client.get(page(group))

    def test_a_member_without_direct_match_is_pointed_out(self, colleague: User) -> None:
        group = GroupFactory(members__matches_keeper=False)

        assert "Only through other members" in shown(signed_in(colleague), page(group))
