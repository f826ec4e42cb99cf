"""The version vocabulary of staff: what they add changes the next analysis, and only that."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from duplicates.choices import VersionMarker
from duplicates.engine.vocabulary import ACCEPTED_MARKERS
from duplicates.exceptions import InvalidOptions
from duplicates.models import AuditRecord, VersionWord
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from duplicates.services.vocabulary import built_in_words, remove_word, save_word, with_current_words
from tests.duplicates.factories import UserFactory
from tests.factories import TrackFactory

pytestmark = pytest.mark.django_db


def teach(phrase: str = "Karaoke Night Cut", marker: str = "own", **options: object) -> VersionWord:
    return save_word(phrase=phrase, marker=marker, actor=None, now=timezone.now(), **options)  # type: ignore[arg-type]


@pytest.fixture
def two_takes() -> None:
    for title in ("I Got", "I Got (Cantina Night Cut)"):
        TrackFactory(title=title, artist="Nina Vale", album="Harbour Lights", duration_ms=200_000)


def groups_found() -> int:
    ran = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())
    return ran.analysis.groups_found


class TestTheNextAnalysis:
    def test_a_version_of_its_own_makes_two_tracks_stay_apart(self, two_takes: None) -> None:
        word = teach("Cantina Night Cut", "neutral")
        assert groups_found() == 1
        teach("Cantina Night Cut", "own", word=word)
        assert groups_found() == 0

    def test_a_result_of_another_vocabulary_is_not_taken_for_an_equal_one(self, two_takes: None) -> None:
        service = DuplicateDetectionService()
        first = service.find_duplicates_with_persistence(AnalysisOptions())
        assert service.find_duplicates_with_persistence(AnalysisOptions()).is_reused
        teach()
        second = service.find_duplicates_with_persistence(AnalysisOptions())
        assert (second.is_reused, second.analysis.pk == first.analysis.pk) == (False, False)

    def test_it_takes_its_words_with_it(self, two_takes: None) -> None:
        teach()
        ran = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())
        ran.analysis.refresh_from_db()
        kept = AnalysisOptions.from_parameters(ran.analysis.parameters)
        assert kept.version_words == (("Karaoke Night Cut", "own"),)

    def test_a_phrase_switched_off_says_nothing(self) -> None:
        teach(is_active=False)
        assert with_current_words(AnalysisOptions()).version_words == ()


class TestTeaching:
    def test_an_unknown_marker_is_refused_with_what_is_accepted(self) -> None:
        with pytest.raises(InvalidOptions, match=r"'party' is no marker\. Choose from live, remix, .*, neutral"):
            teach(marker="party")

    @pytest.mark.parametrize("phrase", ["", "  ", "***", "x" * 61], ids=["empty", "blank", "signs", "too long"])
    def test_a_phrase_of_no_use_is_refused(self, phrase: str) -> None:
        with pytest.raises(InvalidOptions):
            teach(phrase)

    def test_a_phrase_is_said_once_whatever_its_case(self) -> None:
        teach()
        with pytest.raises(InvalidOptions, match="in the vocabulary already"):
            teach("KARAOKE  night cut")

    def test_who_taught_what_is_on_record(self) -> None:
        librarian: User = UserFactory()
        word = save_word(phrase="Bar Mix", marker="remix", actor=librarian, now=timezone.now())
        save_word(phrase="Bar Mix", marker="neutral", word=word, actor=librarian, now=timezone.now())
        remove_word(word, actor=librarian, now=timezone.now())
        trail = AuditRecord.objects.filter(action__startswith="version_word.").order_by("pk")
        assert [(record.action, record.user_name) for record in trail] == [
            (f"version_word.{verb}", librarian.get_username()) for verb in ("added", "changed", "removed")
        ]
        changed = trail[1]
        assert (changed.before or {})["marker"] == "remix"
        assert (changed.after or {})["marker"] == "neutral"


def test_the_markers_offered_are_those_of_the_matcher() -> None:
    assert sorted(VersionMarker.values) == sorted(ACCEPTED_MARKERS)


def test_the_built_in_words_can_be_read() -> None:
    shown = dict(built_in_words())
    assert "live at" in shown["Live"]
    assert "take (number)" in shown["Alternate take"]
