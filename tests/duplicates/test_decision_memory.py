"""A decision that two tracks differ is remembered by what they are: rows, files and idle tags may change."""

from typing import Any

import pytest

from duplicates.models import AuditRecord, NotDuplicate
from duplicates.services import decision_review
from duplicates.services.decision_evidence import plain
from duplicates.services.decision_review import look_at_decisions, settle_decisions
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.different import declare_different, take_back
from duplicates.services.options import AnalysisOptions
from duplicates.services.removal import remove_duplicates
from library.models import Track
from tests.duplicates.copies import copy, group_of
from tests.duplicates.test_removal import NOW

pytestmark = pytest.mark.django_db
LIVE = "Harbour Lights (Live)"


def declare(left: Track, right: Track) -> NotDuplicate:
    first, second = group_of(left, right).members.order_by("position")
    declare_different([(first, second)], actor=None, now=NOW)
    return NotDuplicate.objects.latest("pk")


def move(track: Track, **values: Any) -> Track:
    """Let the track come again as a row of its own under another id, as after its file was moved."""
    track.refresh_from_db()
    kept = {field.attname: getattr(track, field.attname) for field in Track._meta.concrete_fields}
    del kept["id"], kept["created_at"]
    track.delete()
    return Track.objects.create(**kept | {"source_track_id": f"moved/{track.source_track_id}"} | values)


def kept_apart() -> list[tuple[int, int]]:
    return look_at_decisions().pairs


class TestWhatItOutlives:
    @pytest.mark.parametrize(
        "values",
        [
            pytest.param({"genre": "Folk", "year": 1999, "track_number": 7, "play_count": 9}, id="other tags"),
            pytest.param({"title": "harbour  LIGHTS", "artist": "The Quiet Tide!"}, id="case, spaces, signs"),
            pytest.param({"duration_ms": 216_900}, id="a length read by another program"),
            pytest.param({"isrc": "GBAYE0601498"}, id="a code that only one of them got"),
            pytest.param({"explicit": False}, id="a mark that was not known"),
            pytest.param({"location": "/elsewhere/1.mp3", "bit_rate_kbps": 320}, id="another file"),
        ],
    )
    def test_re_tagging(self, values: dict[str, Any]) -> None:
        left, right = copy(), copy()
        declare(left, right)

        Track.objects.filter(pk=left.pk).update(**values)
        settle_decisions(now=NOW)

        assert kept_apart() == [(left.pk, right.pk)]

    def test_both_rows_deleted_and_created_anew(self) -> None:
        left, right = copy(), copy()
        declare(left, right)
        keys = [left.source_track_id, right.source_track_id]
        Track.objects.all().delete()

        again = [copy(source_track_id=key) for key in keys]

        assert kept_apart() == [(again[0].pk, again[1].pk)]

    def test_a_moved_file(self) -> None:
        left, right = copy(source_track_id="a/one.flac"), copy(source_track_id="a/two.flac", title=LIVE)
        decision = declare(left, right)

        moved = move(right, source_track_id="b/renamed.flac", location="")
        settle_decisions(now=NOW)

        assert kept_apart() == [(left.pk, moved.pk)]
        decision.refresh_from_db()
        assert "b/renamed.flac" in (
            decision.left_evidence["source_track_id"],
            decision.right_evidence["source_track_id"],
        )

    def test_a_moved_file_of_a_decision_taken_back_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        left, right = copy(), copy(title=LIVE)
        decision = declare(left, right)
        move(right)
        standing = look_at_decisions()
        take_back([decision], actor=None, now=NOW)

        monkeypatch.setattr(decision_review, "look_at_decisions", lambda: standing)
        settle_decisions(now=NOW)

        decision.refresh_from_db()
        assert decision.revoked_at == NOW

    def test_a_moved_folder_of_copies_that_say_the_same(self) -> None:
        """Equal tags: only the names of the files tell who is who, and they went along."""
        tracks = [copy(source_track_id=f"a/{name}.flac") for name in ("one", "two")]
        declare(*tracks)

        moved = [move(track, source_track_id=track.source_track_id.replace("a/", "b/")) for track in tracks]
        settle_decisions(now=NOW)

        assert kept_apart() == [(moved[0].pk, moved[1].pk)]

    def test_a_merge_into_one_of_them(self) -> None:
        kept, other, gone = copy(album=""), copy(title=LIVE), copy(album="Low Water")
        declare(kept, other)

        remove_duplicates(group=group_of(kept, gone), keeper_id=kept.pk, removing=[gone.pk], actor=None, now=NOW)
        settle_decisions(now=NOW)

        kept.refresh_from_db()
        assert kept.album == "Low Water"
        assert kept_apart() == [(kept.pk, other.pk)]

    def test_the_next_run_splits_the_group(self) -> None:
        tracks = [copy() for _ in range(3)]
        declare(tracks[0], tracks[1])
        declare(tracks[0], tracks[2])

        result = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        groups = [set(group.members.values_list("track_id", flat=True)) for group in result.groups.all()]
        assert groups == [{tracks[1].pk, tracks[2].pk}]


class TestWhatItDoesNotTakeOver:
    def test_a_new_copy_that_says_the_same_as_both(self) -> None:
        """Nobody knows which of the two it is, so the evidence decides."""
        left, right = copy(source_track_id="one"), copy(source_track_id="two")
        declare(left, right)
        right.delete()

        copy(source_track_id="three")

        assert kept_apart() == []

    def test_a_track_with_decisions_of_its_own(self) -> None:
        left, right, third = copy(), copy(title=LIVE), copy(title=LIVE)
        declare(left, right)
        declare(left, third)
        right.delete()

        assert kept_apart() == [(left.pk, third.pk)]

    def test_what_is_in_quarantine_is_no_pair_and_not_gone(self) -> None:
        left, right = copy(), copy(title=LIVE)
        declare(left, right)
        Track.objects.filter(pk=right.pk).update(quarantined_at=NOW)
        copy(title=LIVE)

        assert kept_apart() == []
        assert look_at_decisions().moved == []


class TestReopening:
    @pytest.mark.parametrize(
        ("values", "says"),
        [
            pytest.param(
                {"title": "Low Tide"}, "title of “Harbour Lights” was “Harbour Lights”, is “Low Tide”", id="title"
            ),
            pytest.param({"artist": "Ines Calder"}, "is “Ines Calder”", id="artist"),
            pytest.param({"album": "Best Of"}, "is “Best Of”", id="album"),
            pytest.param({"duration_ms": 260_000}, "duration of", id="length"),
        ],
    )
    def test_evidence_that_changed_reopens_and_says_what(self, values: dict[str, Any], says: str) -> None:
        left, right = copy(), copy()
        decision = declare(left, right)
        Track.objects.filter(pk=left.pk).update(**values)

        settle_decisions(now=NOW)

        decision.refresh_from_db()
        assert decision.revoked_at == NOW
        assert says in decision.reopened_because
        assert AuditRecord.objects.get(action="pairs.reopened").counts == {"pairs": 1}

    def test_a_code_both_share_now(self) -> None:
        decision = declare(copy(), copy())
        Track.objects.update(isrc="GBAYE0601498")

        settle_decisions(now=NOW)

        decision.refresh_from_db()
        assert decision.reopened_because == "both have the ISRC GBAYE0601498 now"

    def test_a_run_does_it_by_itself_and_finds_the_pair_again(self) -> None:
        left, right = copy(), copy()
        decision = declare(left, right)
        Track.objects.update(title="Low Tide")

        result = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis

        decision.refresh_from_db()
        assert decision.reopened_because
        assert result.groups_found == 1

    def test_looking_changes_nothing(self) -> None:
        declare(copy(), copy())
        Track.objects.update(title="Low Tide")
        before = list(NotDuplicate.objects.values())

        assert len(look_at_decisions().changed) == 1

        assert list(NotDuplicate.objects.values()) == before

    def test_it_can_be_decided_again(self) -> None:
        left, right = copy(), copy()
        declare(left, right)
        Track.objects.update(title="Low Tide")
        settle_decisions(now=NOW)

        declare(left, right)

        assert kept_apart() == [(left.pk, right.pk)]


def test_a_decision_from_before_evidence_was_kept_gets_that_of_today() -> None:
    left, right = copy(), copy()
    decision = declare(left, right)
    NotDuplicate.objects.update(left_evidence={}, right_evidence={})

    settle_decisions(now=NOW)

    decision.refresh_from_db()
    assert {decision.left_evidence["source_track_id"], decision.right_evidence["source_track_id"]} == {
        left.source_track_id,
        right.source_track_id,
    }
    assert kept_apart() == [(left.pk, right.pk)]


def test_looking_takes_as_many_queries_for_many_decisions_as_for_one(django_assert_num_queries: Any) -> None:
    declare(copy(), copy())
    with django_assert_num_queries(3):
        look_at_decisions()

    for _ in range(10):
        declare(copy(), copy())
    with django_assert_num_queries(3):
        look_at_decisions()


@pytest.mark.parametrize("text", ["???", "!!!", "…", "かい", "नमस्ते", "שלום"])
def test_no_text_becomes_nothing(text: str) -> None:
    assert plain(text)


def test_vowel_signs_tell_words_apart() -> None:
    assert plain("कि") != plain("का")
