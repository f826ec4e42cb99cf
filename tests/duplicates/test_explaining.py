"""Why two tracks are, or are not, duplicates: the service, and the command that prints it."""

import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from duplicates.admin.evidence_view import evidence_of
from duplicates.engine.evidence import called, decode_evidence
from duplicates.engine.explain import Outcome
from duplicates.exceptions import CannotExplain, InvalidOptions, TrackNotFound
from duplicates.models import DuplicateAnalysisResult, DuplicateAnalysisTrack, NotDuplicate
from duplicates.models.records import identity_key
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.explaining import explain_tracks, find_track
from duplicates.services.options import AnalysisOptions
from library.models import Track
from tests.duplicates.library_of import make_library, make_track

pytestmark = pytest.mark.django_db


def analysed(**options: object) -> DuplicateAnalysisResult:
    """Find the duplicates of the library as it stands."""
    service = DuplicateDetectionService()
    return service.find_duplicates_with_persistence(AnalysisOptions(**options), force=True).analysis  # type: ignore[arg-type]


def declare_different(left: Track, right: Track, **fields: object) -> None:
    keys = sorted(identity_key(track.source, track.source_track_id) for track in (left, right))
    values = {"left_key": keys[0], "right_key": keys[1], "created_at": timezone.now() - timedelta(hours=1)}
    NotDuplicate.objects.create(**(values | fields))


@pytest.fixture
def library() -> list[Track]:
    """Five songs held twice; the first is `library[0]` and `library[5]`."""
    return make_library()


class TestFindingTracks:
    @pytest.mark.parametrize(
        ("source", "number"),
        [("test", "7"), ("spotify", "spotify:track:7"), ("file:///music", "a:b"), ("Ω", "7")],
    )
    def test_by_source_and_id_whatever_colons_they_hold(self, source: str, number: str) -> None:
        track = make_track(1, title="I Got", artist="Nina Vale")
        Track.objects.filter(pk=track.pk).update(source=source, source_track_id=number)

        assert find_track(f"{source}:{number}") == find_track(str(track.pk)) == track

    def test_a_name_of_two_tracks_is_refused_with_their_ids(self) -> None:
        tracks = [make_track(number, title="I Got", artist="Nina Vale") for number in range(2)]
        for track, (source, number) in zip(tracks, [("a", "b:c"), ("a:b", "c")], strict=True):
            Track.objects.filter(pk=track.pk).update(source=source, source_track_id=number)

        with pytest.raises(TrackNotFound, match=f"{tracks[0].pk} and {tracks[1].pk}"):
            find_track("a:b:c")

    @pytest.mark.parametrize(
        "name", ["7", "test:7", "", ":", "-1", "٣", "9" * 40, "a\0:b", "\udcff:\udcff", "a" + ":b" * 5000]
    )
    def test_an_unknown_one_is_said(self, name: str) -> None:
        with pytest.raises(TrackNotFound, match="There is no track"):
            find_track(name)


class TestWithAnAnalysis:
    def test_the_two_of_a_group_are_linked(self, library: list[Track]) -> None:
        found = explain_tracks(library[0], library[5], analysis=analysed())

        assert (found.pair.outcome, found.verdict, found.notes) == (Outcome.LINKED, "They are one group.", ())

    def test_stored_evidence_and_page_say_what_a_fresh_explanation_says(self, library: list[Track]) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbuor Lights (Remastered)", album="", year=1999)
        make_track(900, title="Copper Wire (feat. Zoe Lund)", artist="Foundry Row", seconds=199)
        analysis = analysed()
        tables = bytes(analysis.learnt_tables or b"")
        judged = 0

        for group in analysis.groups.prefetch_related("members__track"):
            keeper, *others = sorted(group.members.all(), key=lambda member: member.position)
            for member in others:
                pair = explain_tracks(keeper.track, member.track, analysis=analysis).pair
                fresh = {(part.comparison, part.level, part.bits) for part in pair.contributions}
                stored = {(p.comparison, p.level, p.bits) for p in decode_evidence(member.evidence, tables)}
                shown = {(called(part.comparison), part.level) for part in evidence_of(member, tables)}
                judged += 1
                assert stored == fresh
                assert shown <= {(called(name), level) for name, level, _ in fresh}
                assert pair.match_weight == pytest.approx(member.match_weight)
                assert pair.probability == pytest.approx(member.similarity)
        assert judged >= 6

    def test_other_songs_are_not_a_group(self, library: list[Track]) -> None:
        found = explain_tracks(library[0], library[1], analysis=analysed())

        assert (found.verdict, found.pair.is_linked) == ("They are not a group.", False)

    def test_a_decision_that_stood_then_outweighs_the_evidence(self, library: list[Track]) -> None:
        declare_different(library[0], library[5])

        assert explain_tracks(library[0], library[5], analysis=analysed()).pair.outcome == Outcome.DECLARED_DIFFERENT

    def test_a_revoked_decision_counts_for_nothing(self, library: list[Track]) -> None:
        declare_different(library[0], library[5], revoked_at=timezone.now() - timedelta(minutes=5))

        assert explain_tracks(library[0], library[5], analysis=analysed()).pair.outcome == Outcome.LINKED
        assert explain_tracks(library[0], library[5]).pair.outcome == Outcome.LINKED

    def test_a_later_decision_is_a_note(self, library: list[Track]) -> None:
        analysis = analysed()
        declare_different(library[0], library[5], created_at=timezone.now())

        found = explain_tracks(library[0], library[5], analysis=analysis)

        assert (found.pair.outcome, "declared different after" in found.notes[0]) == (Outcome.LINKED, True)

    def test_tracks_that_changed_since_or_are_removed_are_noted(self, library: list[Track]) -> None:
        analysis = analysed()
        Track.objects.filter(pk=library[0].pk).update(title="Harbor Lights")
        Track.objects.filter(pk=library[5].pk).update(quarantined_at=timezone.now())

        notes = explain_tracks(library[0], Track.objects.get(pk=library[5].pk), analysis=analysis).notes

        assert f"Track {library[5].pk} was removed" in notes[0]
        assert f"Track {library[0].pk} is new or has changed" in notes[1]
        assert len(notes) == 2

    def test_an_analysis_of_a_search_does_not_tell_of_groups_it_did_not_keep(self, library: list[Track]) -> None:
        found = explain_tracks(library[0], library[5], analysis=analysed(search="moons"))

        assert found.pair.outcome == Outcome.LINKED

    def test_two_that_agree_and_share_no_group_are_looked_up_in_the_library(self, library: list[Track]) -> None:
        analysis = analysed()
        DuplicateAnalysisTrack.objects.filter(track=library[5]).delete()

        assert explain_tracks(library[0], library[5], analysis=analysis).pair.outcome == Outcome.CUT_AS_WEAK

    def test_in_a_large_library_it_is_said_that_nobody_looked(self, library: list[Track], monkeypatch) -> None:
        """Running the candidate stage over a million tracks to explain one pair would keep people waiting."""
        monkeypatch.setattr("duplicates.services.explaining.MOST_SEARCHED", len(library) - 1)
        analysis = analysed()
        DuplicateAnalysisTrack.objects.filter(track=library[5]).delete()

        found = explain_tracks(library[0], library[5], analysis=analysis).pair

        assert found.outcome == Outcome.CUT_OR_NEVER_COMPARED
        assert "or the two were never compared" in found.reason

    def test_a_removed_track_is_not_looked_for(self, library: list[Track]) -> None:
        analysis = analysed()
        DuplicateAnalysisTrack.objects.filter(track=library[5]).delete()
        Track.objects.filter(pk=library[5].pk).update(quarantined_at=timezone.now())

        found = explain_tracks(library[0], Track.objects.get(pk=library[5].pk), analysis=analysis)

        assert found.pair.outcome == Outcome.CUT_OR_NEVER_COMPARED

    def test_its_own_preset_and_settings_judge(self, library: list[Track]) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbour Lights (Live)")

        assert explain_tracks(library[0], library[5], analysis=analysed(preset="song")).pair.is_linked
        assert explain_tracks(library[0], library[5]).pair.outcome == Outcome.FORBIDDEN

    @pytest.mark.parametrize("tables", [None, b"{}", b"[]"])
    def test_one_without_readable_weights_is_said(self, library: list[Track], tables: bytes | None) -> None:
        analysis = analysed()
        analysis.learnt_tables = tables

        with pytest.raises(CannotExplain):
            explain_tracks(library[0], library[5], analysis=analysis)


class TestByPreset:
    def test_it_says_what_would_be(self, library: list[Track]) -> None:
        assert explain_tracks(library[0], library[5]).verdict == "They would be one group."
        assert explain_tracks(library[0], library[1]).verdict == "They would not be a group."

    def test_a_decision_counts(self, library: list[Track]) -> None:
        declare_different(library[0], library[5])

        assert explain_tracks(library[0], library[5]).pair.outcome == Outcome.DECLARED_DIFFERENT

    def test_a_track_with_itself_is_refused(self, library: list[Track]) -> None:
        with pytest.raises(InvalidOptions, match="itself"):
            explain_tracks(library[0], library[0])

    def test_the_running_sum_ends_at_the_weight(self, library: list[Track]) -> None:
        found = explain_tracks(library[0], library[5])

        assert list(found.steps())[-1].running == pytest.approx(found.pair.match_weight, abs=0.1)

    def test_what_is_missing_is_said_of_each_side(self, library: list[Track]) -> None:
        Track.objects.filter(pk=library[0].pk).update(year=1999, isrc="GBAYE0601498")
        Track.objects.filter(pk=library[5].pk).update(explicit=True, artist="-")

        levels = {step.comparison: step.level for step in explain_tracks(library[0], library[5]).steps()}

        assert levels["year"] == "only the first has one"
        assert levels["explicit"] == "only the second has one"
        assert levels["track number"] == "neither has one"
        assert levels["artist"] == "one of them says nothing"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("explain_pair", *arguments)
    return capsys.readouterr().out


class TestCommand:
    def test_it_draws_each_comparison_with_both_values_bits_and_sum(
        self, library: list[Track], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbuor Lights")

        lines = printed(capsys, str(library[0].pk), f"test:{library[5].source_track_id}").splitlines()

        assert lines[0].startswith("1  Harbour Lights by The Quiet Tide")
        assert any(
            line.split()[:3] == ["title", "a", "letter"] or "alike" in line or "nearly" in line for line in lines
        )
        assert "1  Harb[ou]r Lights" in lines[7]
        assert "2  Harb[uo]r Lights" in lines[8]
        assert any(line.startswith("length") and line.endswith("+") for line in lines)
        assert any(line.startswith("Nothing to compare: ") for line in lines)
        assert lines[-1].startswith("They would be one group.")

    def test_json_holds_the_spans(self, library: list[Track], capsys: pytest.CaptureFixture[str]) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbour Lights (Live)")

        found = json.loads(printed(capsys, str(library[0].pk), str(library[5].pk), "--output", "json"))

        title = next(step for step in found["steps"] if step["comparison"] == "title")
        assert title["differences"][-1] == {"kind": "inserted", "left": "", "right": " (Live)"}
        assert (found["outcome"], found["is_linked"], found["preset"]) == ("forbidden", False, "recording")
        assert found["left"]["source_track_id"] == library[0].source_track_id

    def test_it_explains_what_the_latest_analysis_did(
        self, library: list[Track], capsys: pytest.CaptureFixture[str]
    ) -> None:
        analysis = analysed()

        text = printed(capsys, str(library[0].pk), str(library[5].pk), "--analysis", "latest")

        assert str(analysis.pk) in text
        assert "They are one group." in text

    def test_colours_mark_differences_on_a_terminal(
        self, library: list[Track], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbuor Lights")

        text = printed(capsys, str(library[0].pk), str(library[5].pk), "--force-color")

        assert "Harb\x1b[1;4;33muo\x1b[0mr Lights" in text

    def test_a_title_cannot_steer_the_terminal_nor_fill_it(
        self, library: list[Track], capsys: pytest.CaptureFixture[str]
    ) -> None:
        Track.objects.filter(pk=library[5].pk).update(title="Harbour \x1b]0;owned\x07 Lights" + "x" * 10_000)

        text = printed(capsys, str(library[0].pk), str(library[5].pk))

        assert "\x1b" not in text
        assert max(len(line) for line in text.splitlines()) < 400

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (("1", "nope"), "There is no track"),
            (("{0}", "{0}"), "not a pair with itself"),
            (("{0}", "{1}", "--analysis", "latest"), "no completed analysis yet"),
            (("{0}", "{1}", "--analysis", "nonsense"), "There is no analysis 'nonsense'"),
            (("{0}", "{1}", "--analysis", "latest", "--preset", "song"), "not both"),
        ],
    )
    def test_what_cannot_be_explained_is_said(
        self, library: list[Track], arguments: tuple[str, ...], said: str
    ) -> None:
        named = [argument.format(library[0].pk, library[5].pk) for argument in arguments]

        with pytest.raises(CommandError, match=said):
            call_command("explain_pair", *named)
