"""The banner on an analysis, the list's line about changes, "ignore for now", filters, preferences and time zones."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from duplicates.models import AuditRecord, DuplicateAnalysisResult, DuplicatePreferences
from library.changes import current_revision
from library.models import Track
from tests.duplicates.factories import VIEWS, AnalysisFactory, GroupFactory, MemberFactory, TrackFactory, UserFactory

pytestmark = pytest.mark.django_db
LIST = reverse("admin:duplicates_duplicateanalysisresult_changelist")
GROUPS = reverse("admin:duplicates_duplicateanalysisgroup_changelist")


@pytest.fixture
def person() -> User:
    return UserFactory(permissions=(*VIEWS, "duplicates.run_analysis"))


@pytest.fixture
def browser(person: User, client: Client) -> Client:
    client.force_login(person)
    return client


def page_of(analysis: DuplicateAnalysisResult) -> str:
    return reverse("admin:duplicates_duplicateanalysisresult_change", args=[analysis.pk])


def press(browser: Client, analysis: DuplicateAnalysisResult, action: str) -> Any:
    return browser.post(page_of(analysis), {"CHANGE_FORM-action": action, "_selected_action": [str(analysis.pk)]})


def seen(now: bool = True, **age: float) -> DuplicateAnalysisResult:
    at = timezone.now() - timedelta(**age)
    return AnalysisFactory(created_at=at, started_at=at, library_revision=current_revision(), library_track_count=100)


class TestBanner:
    def test_a_young_result_of_an_unchanged_library_has_none(self, browser: Client) -> None:
        assert "Does this result still hold?" not in browser.get(page_of(seen(minutes=5))).content.decode()

    def test_it_says_what_changed_and_which_groups_that_touches(self, browser: Client) -> None:
        analysis = seen(minutes=5)
        touched, _ = GroupFactory.create_batch(2, analysis=analysis)
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())
        Track.objects.filter(pk=touched.members.get(position=1).track_id).update(title="Renamed")

        page = browser.get(page_of(analysis)).content.decode()

        assert "1 track edited since." in page
        assert f"analysis={analysis.pk}&amp;touched=yes" in page
        assert "1 group is touched" in page

    def test_a_stale_one_offers_the_way_out(self, browser: Client) -> None:
        page = browser.get(page_of(seen(days=2))).content.decode()

        assert "This result is from 2\xa0days ago" in page
        assert "Refresh it. Urgency: medium." in page

    def test_who_may_not_run_analyses_sees_no_button_for_it(self, client: Client) -> None:
        client.force_login(UserFactory(permissions=VIEWS))

        page = client.get(page_of(seen(days=2))).content.decode()

        assert 'value="refresh"' not in page
        assert "New analysis" not in page

    def test_ignoring_lasts_for_the_session_and_for_this_analysis(self, browser: Client, person: User) -> None:
        first, second = seen(minutes=5), seen(minutes=5)
        TrackFactory()

        press(browser, first, "ignore_changes")

        assert "1 track added since." not in browser.get(page_of(first)).content.decode()
        assert "1 track added since." in browser.get(page_of(second)).content.decode()
        again = Client()
        again.force_login(person)
        assert "1 track added since." in again.get(page_of(first)).content.decode()

    def test_what_is_ignored_is_suggested_nowhere_else(self, browser: Client) -> None:
        analysis = seen(minutes=5)
        TrackFactory.create_batch(11)
        overview = reverse("admin:index")
        assert "Refresh it to be sure." in browser.get(overview).content.decode()
        assert "Refresh: medium urgency" in browser.get(LIST).content.decode()

        press(browser, analysis, "ignore_changes")

        assert "Refresh it to be sure." not in browser.get(overview).content.decode()
        page = browser.get(LIST).content.decode()
        assert "urgency" not in page
        assert "11 tracks added since." in page

    def test_who_wants_no_suggestion_gets_none(self, browser: Client, person: User) -> None:
        DuplicatePreferences.objects.create(user=person, suggest_refresh=False)
        analysis = seen(days=8)

        pages = [browser.get(url).content.decode() for url in (reverse("admin:index"), LIST, page_of(analysis))]

        assert not any("Refresh it" in page or "urgency" in page.lower() for page in pages)
        assert "This result is from" in pages[-1]

    def test_the_page_takes_a_constant_number_of_queries(
        self, browser: Client, django_assert_max_num_queries: Any
    ) -> None:
        older, analysis = seen(days=9), seen(days=8)
        DuplicateAnalysisResult.objects.filter(pk=analysis.pk).update(predecessor=older)
        GroupFactory.create_batch(5, analysis=analysis)
        TrackFactory.create_batch(20)

        with django_assert_max_num_queries(18):
            browser.get(page_of(analysis))


class TestList:
    def test_it_shows_changes_and_advice(self, browser: Client) -> None:
        seen(days=8)
        TrackFactory.create_batch(3)

        page = browser.get(LIST).content.decode()

        assert "3 tracks added since." in page
        assert "Refresh: high urgency" in page

    def test_queries_do_not_grow_with_the_rows(self, browser: Client, django_assert_num_queries: Any) -> None:
        seen(days=8)
        browser.get(LIST)
        with django_assert_num_queries(9):
            browser.get(LIST)
        for _ in range(20):
            seen(days=8)

        with django_assert_num_queries(9):
            browser.get(LIST)


class TestGroups:
    def test_touched_ones_can_be_listed_alone(self, browser: Client) -> None:
        analysis = seen(minutes=5)
        touched, other = GroupFactory(analysis=analysis, title="Gale"), GroupFactory(analysis=analysis, title="Calm")
        DuplicateAnalysisResult.objects.update(library_revision=current_revision())
        Track.objects.filter(pk=touched.members.get(position=0).track_id).delete()

        changed = browser.get(f"{GROUPS}?analysis={analysis.pk}&touched=yes").content.decode()
        unchanged = browser.get(f"{GROUPS}?analysis={analysis.pk}&touched=no").content.decode()

        assert touched.title in changed
        assert other.title not in changed
        assert other.title in unchanged
        assert touched.title not in unchanged

    def test_what_became_of_groups_is_counted_and_listed(self, browser: Client) -> None:
        older, newer = seen(days=1), seen(minutes=1)
        DuplicateAnalysisResult.objects.filter(pk=newer.pk).update(predecessor=older)
        before = GroupFactory(analysis=older, title="Gale")
        after = GroupFactory(analysis=newer, title="Gale", member_count=3)
        after.members.all().delete()
        tracks = [member.track for member in before.members.order_by("position")]
        for place, track in enumerate([*tracks, TrackFactory()]):
            MemberFactory(group=after, track=track, position=place)
        GroupFactory(analysis=newer, title="Calm")

        page = browser.get(page_of(newer)).content.decode()
        grown = browser.get(f"{GROUPS}?analysis={newer.pk}&since=grown").content.decode()

        assert "Since the analysis before" in page
        assert f"analysis={newer.pk}&amp;since=new" in page
        assert "Gale" in grown
        assert "Calm" not in grown


class TestPreferences:
    def test_a_person_sets_their_own_limits(self, browser: Client, person: User) -> None:
        person.user_permissions.set(_all_of_preferences())
        values = {
            "default_preset": "recording",
            "export_format": "json",
            "groups_per_page": 50,
            "stale_after_hours": 72,
        }

        browser.post(reverse("admin:duplicates_duplicatepreferences_add"), values)

        mine = DuplicatePreferences.objects.get(user=person)
        assert (mine.stale_after_hours, mine.warn_of_age) == (72, False)
        assert AuditRecord.objects.get(action="preferences.changed").user_name == person.get_username()

    def test_somebody_else_can_help_and_the_trail_says_who(self, client: Client, person: User) -> None:
        theirs = DuplicatePreferences.objects.create(user=person, stale_after_hours=72)
        helper = UserFactory(is_superuser=True)
        client.force_login(helper)
        page = reverse("admin:duplicates_duplicatepreferences_change", args=[theirs.pk])
        values = {"default_preset": "song", "export_format": "json", "groups_per_page": 50, "stale_after_hours": 72}

        client.post(page, values)

        theirs.refresh_from_db()
        assert (theirs.default_preset, theirs.user) == ("song", person)
        record = AuditRecord.objects.get(action="preferences.changed")
        assert (record.user_name, record.after["default_preset"]) == (helper.get_username(), "song")
        assert "stale_after_hours" not in record.after

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("groups_per_page", 1000),
            ("significant_percent", 101),
            ("stale_after_hours", 0.5),
            ("time_zone", "Moon"),
            ("export_format", "xml"),
        ],
    )
    def test_a_wrong_value_is_refused(self, browser: Client, person: User, field: str, value: object) -> None:
        person.user_permissions.set(_all_of_preferences())
        values = {"default_preset": "recording", "export_format": "json", "groups_per_page": 50, field: value}

        page = browser.post(reverse("admin:duplicates_duplicatepreferences_add"), values)

        assert field in page.context["adminform"].form.errors
        assert not DuplicatePreferences.objects.exists()

    def test_they_can_be_reset(self, browser: Client, person: User) -> None:
        person.user_permissions.set(_all_of_preferences())
        mine = DuplicatePreferences.objects.create(user=person, stale_after_hours=72, warn_of_age=False)
        page = reverse("admin:duplicates_duplicatepreferences_change", args=[mine.pk])

        browser.post(page, {"CHANGE_FORM-action": "reset", "_selected_action": [str(mine.pk)]})

        mine.refresh_from_db()
        assert (mine.stale_after_hours, mine.warn_of_age) == (None, True)
        assert AuditRecord.objects.filter(action="preferences.reset").count() == 1

    def test_times_are_shown_in_their_zone(self, client: Client, person: User) -> None:
        DuplicatePreferences.objects.create(user=person, time_zone="Asia/Tokyo")
        analysis = seen(minutes=5)
        client.force_login(person)

        page = client.get(page_of(analysis)).content.decode()

        tokyo = timezone.localtime(analysis.started_at, timezone=DuplicatePreferences.objects.get().zone)
        assert f"{tokyo:%H:%M}</time>" in page


def _all_of_preferences() -> Any:
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    return Permission.objects.filter(codename__endswith="duplicatepreferences")
