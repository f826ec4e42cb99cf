"""Deleting tracks by hand: the last of their kind only on a confirmation of their own, and every analysis follows."""

import pytest
from django.utils import translation

from duplicates.exceptions import InvalidOptions, LastCopy, TrackNotFound, TrackProtected
from duplicates.models import AuditRecord
from duplicates.services.deleting import delete_tracks, what_would_go_last
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.factories import UserFactory
from tests.duplicates.test_impact import state_of
from tests.duplicates.test_removal import NOW, remove

pytestmark = pytest.mark.django_db


def delete(*tracks: Track, **options: object) -> int:
    return delete_tracks(track_ids=[track.pk for track in tracks], actor=None, now=NOW, **options)


def test_goes_and_every_analysis_follows() -> None:
    kept, gone, third = copy(), copy(), copy()
    one, other = group_of(kept, gone), group_of(kept, gone, third)

    assert delete(gone) == 1

    assert (state_of(one), state_of(other)) == ((1, "deleted"), (2, ""))


class TestTheLastOfItsKind:
    def test_of_a_group_is_named_and_stays(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)

        with pytest.raises(LastCopy, match=f"Track {kept.pk} is the last copy of #1 Harbour Lights") as refused:
            delete(kept, gone)

        assert list(refused.value.facts["copies"]) == [kept.pk]
        assert state_of(group) == (2, "")

    def test_is_named_in_the_language_of_who_asks(self) -> None:
        kept, gone = copy(), copy()
        group_of(kept, gone)
        remove(group_of(stands_in := copy(), removed := copy()), removed)

        with translation.override("de"):
            said = what_would_go_last([kept.pk, gone.pk, stands_in.pk])

        assert said[kept.pk].startswith(f"Titel {kept.pk} ist die letzte Kopie von ")
        assert said[stands_in.pk].endswith(" ist von 2 Kopien übrig; die anderen sind entfernt.")

    def test_goes_when_that_is_confirmed(self) -> None:
        kept, gone = copy(), copy()
        group = group_of(kept, gone)

        assert delete(kept, gone, confirmed_last_copies=[kept.pk]) == 2

        assert state_of(group) == (0, "")
        assert group.lost_at == NOW

    def test_a_confirmation_is_of_that_track_alone(self) -> None:
        first, second = copy(), copy()
        group_of(first, copy())
        remove(group_of(second, gone := copy()), gone)

        with pytest.raises(LastCopy):
            delete(second, confirmed_last_copies=[first.pk])

    def test_stands_in_for_removed_copies(self) -> None:
        kept, gone = copy(), copy()
        remove(group_of(kept, gone), gone)

        assert list(what_would_go_last([kept.pk])) == [kept.pk]

    def test_is_nobody_in_a_group_with_copies_left(self) -> None:
        kept, gone = copy(), copy()
        group_of(kept, gone)

        assert what_would_go_last([gone.pk]) == {}


class TestRefusals:
    def test_of_a_protected_track(self) -> None:
        with pytest.raises(TrackProtected, match="Harbour Lights"):
            delete(copy(is_protected=True))

    def test_of_one_that_is_not_there(self) -> None:
        with pytest.raises(TrackNotFound, match="no track 4711"):
            delete_tracks(track_ids=[4711], actor=None, now=NOW)

    def test_of_one_in_quarantine(self) -> None:
        kept, gone = copy(), copy()
        remove(group_of(kept, gone), gone)

        with pytest.raises(InvalidOptions, match="In quarantine"):
            delete(gone)

    def test_are_recorded_and_nothing_went(self) -> None:
        track = copy()

        with pytest.raises(TrackProtected):
            delete(track, copy(is_protected=True))

        assert Track.objects.filter(pk=track.pk).exists()
        assert AuditRecord.objects.get(action="tracks.deleted").after == {"code": "TRACK_PROTECTED"}


def test_the_record_names_what_went_and_who_did_it() -> None:
    actor = UserFactory.create()

    delete_tracks(track_ids=[copy(play_count=9).pk], actor=actor, now=NOW)

    record = AuditRecord.objects.get(action="tracks.deleted")
    assert record.before == {"tracks": ["Harbour Lights by The Quiet Tide"]}
    assert (record.user_name, record.track_count, record.play_count) == (actor.username, 1, 9)
