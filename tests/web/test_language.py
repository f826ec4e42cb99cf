"""Pages and answers speak the reader's language: the browser's, or the one chosen in the preferences."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from duplicates.exceptions import AnalysisNotFound
from duplicates.models import DuplicateAnalysisGroup, DuplicatePreferences
from duplicates.services.stored_words import as_stored
from duplicates.told import told, told_reason
from library.moments import absolute, relative
from library.numbers import number
from tests.duplicates.factories import GroupFactory

GERMAN = {"Accept-Language": "de-AT,de;q=0.9"}
LISTS = ["track", "playlist", "libraryimport", "librarychange"]
OF_DUPLICATES = ["duplicateanalysisresult", "duplicateanalysisgroup", "cleanupaction", "auditrecord", "notduplicate"]
PAGES = [
    "admin:index",
    "admin:duplicates_run_analysis",
    *(f"admin:library_{name}_changelist" for name in LISTS),
    *(f"admin:duplicates_{name}_changelist" for name in OF_DUPLICATES),
]
ENGLISH = re.compile(r"\b(the|this|from|since|group|groups|tracks|keeper|settings|duplicates|analysis|search)\b")
GERMAN_WORDS = re.compile(r"\b(der|die|das|und|nicht|Gruppen|Dubletten|Haupttitel|Einstellungen|Suchen)\b")


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """Django ends a request with its language still active; here the next line would speak it."""
    yield
    translation.activate("en")


@pytest.fixture
def group(db: None) -> DuplicateAnalysisGroup:
    """A group of two copies whose names hold no word of either language."""
    return GroupFactory(title="Zzyx", artist="Qorl", analysis__search_term="Zzyx")


def text_of(page: bytes) -> str:
    """Return what a page shows, without what is code: styles, scripts and commands to type."""
    shown = re.sub(r"<(script|style|svg|code|kbd)\b.*?</\1>", " ", page.decode(), flags=re.DOTALL)
    return re.sub(r"uv run [^<]*|<[^>]+>", " ", shown)


@pytest.mark.django_db
class TestPages:
    @pytest.mark.parametrize("name", PAGES)
    def test_a_german_page_holds_no_english(
        self, name: str, admin_client: Client, group: DuplicateAnalysisGroup
    ) -> None:
        shown = text_of(admin_client.get(reverse(name), headers=GERMAN).content)

        assert GERMAN_WORDS.search(shown)
        assert ENGLISH.findall(shown) == []

    @pytest.mark.parametrize("name", PAGES)
    def test_an_english_page_holds_no_german(
        self, name: str, admin_client: Client, group: DuplicateAnalysisGroup
    ) -> None:
        assert GERMAN_WORDS.findall(text_of(admin_client.get(reverse(name)).content)) == []

    def test_whoever_has_not_logged_in_yet_reads_the_browsers_language(self, client: Client) -> None:
        answer = client.get(reverse("admin:login"), headers=GERMAN)

        assert answer.headers["Content-Language"] == "de"
        assert "Anmelden" in answer.content.decode()

    def test_a_language_nobody_speaks_here_is_answered_in_english(self, client: Client) -> None:
        assert client.get(reverse("admin:login"), headers={"Accept-Language": "fr"}).headers["Content-Language"] == "en"


@pytest.mark.django_db
class TestPreference:
    def test_what_a_person_chose_wins_over_the_browser(self, client: Client, admin_user: User) -> None:
        DuplicatePreferences.objects.create(user=admin_user, language="de")
        client.force_login(admin_user)

        answer = client.get(reverse("admin:index"), headers={"Accept-Language": "en"})

        assert answer.headers["Content-Language"] == "de"

    def test_a_choice_holds_from_the_next_page_on(self, admin_client: Client, admin_user: User) -> None:
        mine = DuplicatePreferences.objects.create(user=admin_user)
        page = reverse("admin:duplicates_duplicatepreferences_change", args=[mine.pk])
        form = admin_client.get(page).context["adminform"].form
        chosen = {name: form[name].value() or "" for name in form.fields} | {"language": "de"}

        admin_client.post(page, {name: value for name, value in chosen.items() if value not in (False, "")})

        assert admin_client.get(reverse("admin:index")).headers["Content-Language"] == "de"


@pytest.mark.django_db
def test_the_api_keeps_its_codes_and_translates_its_sentences(admin_client: Client) -> None:
    path = "/api/v1/analyses/00000000-0000-0000-0000-000000000000/"

    english, german = admin_client.get(path).json(), admin_client.get(path, headers=GERMAN).json()

    assert english["code"] == german["code"]
    assert english["message"] != german["message"]


def test_an_error_speaks_the_language_it_is_raised_in() -> None:
    with translation.override("de"):
        german = AnalysisNotFound()

    assert str(german) == "Diese Analyse gibt es nicht."
    assert str(AnalysisNotFound()) == "There is no such analysis."


@pytest.mark.django_db
def test_what_is_written_down_is_english_whoever_writes_it(group: DuplicateAnalysisGroup) -> None:
    with translation.override("de"):
        assert as_stored(group) == f"#{group.position} Zzyx by Qorl"
        assert str(group) == f"#{group.position} Zzyx von Qorl"


class TestNumbersAndTimes:
    def test_thousands_and_decimals_follow_the_language(self) -> None:
        with translation.override("de"):
            assert number(1234.5, 1) == "1.234,5"

        assert number(1234.5, 1) == "1,234.5"

    @pytest.mark.parametrize(
        ("days", "said"), [pytest.param(1, "vor 1 Tag", id="one"), pytest.param(3, "vor 3 Tagen", id="more")]
    )
    def test_an_age_has_the_ending_that_german_wants(self, days: int, said: str) -> None:
        now = timezone.now()

        with translation.override("de"):
            assert relative(now - timedelta(days=days), now).replace("\xa0", " ") == said

    def test_a_date_has_the_dot_that_german_wants(self) -> None:
        with translation.override("de"):
            assert re.fullmatch(r"\d+\. \w+\.? \d{4}, \d\d:\d\d", absolute(timezone.now()))


class TestTold:
    @pytest.mark.parametrize(
        ("english", "german"),
        [
            pytest.param(
                "played 1,234 times, the next copy never", "1.234-mal gespielt, die nächste Kopie nie", id="n"
            ),
            pytest.param(
                "last played 4 years 1 month after the next copy",
                "zuletzt gespielt 4 Jahre 1 Monat nach der nächsten Kopie",
                id="time",
            ),
            pytest.param("within 0.6 s", "innerhalb von 0,6 s", id="as it stands"),
            pytest.param(
                "The evidence for the same song is too weak: under 0.1 % where 92.5 % is needed.",
                "Die Belege für dasselbe Stück sind zu schwach: unter 0,1 %, nötig sind 92,5 %.",
                id="shares",
            ),
            pytest.param("Something a plug-in said 3 times", "Something a plug-in said 3 times", id="unknown"),
        ],
    )
    def test_a_sentence_is_found_whatever_its_numbers(self, english: str, german: str) -> None:
        with translation.override("de"):
            assert told(english) == german

        assert told(english) == english

    def test_the_reason_for_a_keeper_is_told_part_by_part(self) -> None:
        with translation.override("de"):
            said = told_reason("Kept because its format loses nothing; equal in plays and bit rate")

        assert said == "Behalten: sein Format verliert nichts; gleich: Wiedergaben, Bitrate"
