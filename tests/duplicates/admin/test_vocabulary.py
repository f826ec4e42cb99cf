"""The page of the version vocabulary: phrases to edit, the built-in ones to read."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from duplicates.models import AuditRecord, VersionWord
from tests.duplicates.admin.conftest import signed_in
from tests.duplicates.factories import UserFactory

LIST = reverse("admin:duplicates_versionword_changelist")
ADD = reverse("admin:duplicates_versionword_add")


@pytest.fixture
def librarian(db: None) -> User:
    return UserFactory(permissions=[f"duplicates.{verb}_versionword" for verb in ("view", "add", "change", "delete")])


class TestThePage:
    def test_the_built_in_vocabulary_is_shown_even_before_there_is_a_word(self, librarian: User) -> None:
        shown = signed_in(librarian).get(LIST).content.decode()
        assert "No words of your own yet" in shown
        assert "What the matcher knows by itself" in shown
        assert "sped up" in shown

    def test_a_phrase_can_be_added(self, librarian: User) -> None:
        signed_in(librarian).post(ADD, {"phrase": " Karaoke  Night Cut", "marker": "own", "is_active": "on"})
        word = VersionWord.objects.get()
        assert (word.phrase, word.marker, word.user) == ("Karaoke Night Cut", "own", librarian)
        assert AuditRecord.objects.filter(action="version_word.added").count() == 1

    def test_a_phrase_can_be_changed_and_forgotten(self, librarian: User) -> None:
        client = signed_in(librarian)
        client.post(ADD, {"phrase": "Bar Mix", "marker": "remix", "is_active": "on"})
        word = VersionWord.objects.get()
        client.post(
            reverse("admin:duplicates_versionword_change", args=[word.pk]), {"phrase": "Bar Mix", "marker": "own"}
        )
        word.refresh_from_db()
        assert (word.marker, word.is_active) == ("own", False)
        client.post(reverse("admin:duplicates_versionword_delete", args=[word.pk]), {"post": "yes"})
        assert not VersionWord.objects.exists()

    @pytest.mark.parametrize(
        ("wish", "told"),
        [
            ({"phrase": "Bar Mix", "marker": "party"}, "Select a valid choice"),
            ({"phrase": "***", "marker": "own"}, "at least one letter or digit"),
            ({"phrase": "CLUB night", "marker": "own"}, "in the vocabulary already"),
        ],
        ids=["unknown marker", "no letter", "twice"],
    )
    def test_what_is_of_no_use_is_refused_with_a_sentence(
        self, librarian: User, wish: dict[str, str], told: str
    ) -> None:
        client = signed_in(librarian)
        client.post(ADD, {"phrase": "Club Night", "marker": "own"})
        assert told in client.post(ADD, wish).content.decode()
        assert VersionWord.objects.count() == 1

    def test_without_the_permission_nothing_can_be_added(self, viewer: User) -> None:
        assert signed_in(viewer).post(ADD, {"phrase": "Bar Mix", "marker": "own"}).status_code == 403
