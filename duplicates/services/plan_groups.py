"""Works out, for some groups at once, what a plan is to do with each: its keeper, the copies that go, or why not.

The guards are those of a removal, asked beforehand. The facts are those of now: tracks as the library has them, not as
the analysis saw them. A few queries a part, however many groups it has.
"""

from collections.abc import Sequence

from django.db.models import Count, Max
from django.utils.translation import gettext as _

from duplicates.choices import ITunesMatch, PlanItemState, Resolution
from duplicates.engine.keeper_rules import Wish
from duplicates.exceptions import MemberGone
from duplicates.models import CleanupPlanItem, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import guards
from duplicates.services.cases import Case, CopiesLeft, Wanted, allowed, ask, judge_removals, members_of
from duplicates.services.different import require_few_members
from duplicates.services.evidence import verdict_of, verdicts_against
from duplicates.services.stored_words import as_stored
from library.models import PlaylistEntry, Track

# Fewer tracks are a single; nobody misses its completeness.
LEAST_ALBUM = 4
type Album = tuple[str, str, str, int | None]


class GroupPlanner:
    """Plans groups of one analysis part by part; it remembers which copies other saved groups have left."""

    def __init__(self, analysis: DuplicateAnalysisResult, resolution: Resolution, wishes: Sequence[Wish]) -> None:
        self._analysis, self._resolution, self._wishes = analysis, resolution, tuple(wishes)
        self._left = CopiesLeft()
        self._albums = _complete_albums(analysis) if any(one.rule == "complete_album" for one in wishes) else set()

    def plan(self, groups: Sequence[DuplicateAnalysisGroup]) -> list[CleanupPlanItem]:
        """Return one unsaved item for each group, in order."""
        cases, tracks = self._look_at(groups)
        self._choose_keepers(allowed(cases), tracks)
        self._judge(allowed(cases))
        if self._resolution == Resolution.DELETED:
            for case in cases:
                case.removing = [pk for pk in case.members if pk != case.keeper_id]
            judge_removals(cases, tracks, self._left)
        places = self._places_of(allowed(cases))
        return [self._item(case, tracks, places) for case in cases]

    def _look_at(self, groups: Sequence[DuplicateAnalysisGroup]) -> tuple[list[Case], guards.Tracks]:
        """Return a case for each group with those of its members that are in the library, and their tracks."""
        members = members_of(group.pk for group in groups)
        found = Track.objects.in_bulk([pk for named in members.values() for pk in named])
        tracks = {pk: track for pk, track in found.items() if track.quarantined_at is None}
        cases = []
        for group in groups:
            here = {pk: member for pk, member in members[group.pk].items() if pk in tracks}
            case = Case(Wanted(group.pk, group.keeper_track_id, str(group)), group, here, group.keeper_track_id)
            cases.append(case)
            if len(here) < 2:
                case.refused = MemberGone(
                    _("Fewer than two copies of %(group)s are in the library.") % {"group": group}
                )
            elif self._resolution == Resolution.NOT_DUPLICATES:
                ask([case], lambda case: require_few_members(case.group, len(members[case.group.pk])))
        return cases, tracks

    def _choose_keepers(self, cases: list[Case], tracks: guards.Tracks) -> None:
        if self._wishes and cases:
            self._apply_rules(cases, tracks)
        for case in cases:
            if case.keeper_id not in tracks and self._resolution in (Resolution.DELETED, Resolution.KEPT_CANONICAL):
                case.refused = MemberGone(
                    _("The keeper of %(group)s is no longer in the library.") % {"group": case.group}
                )

    def _apply_rules(self, cases: list[Case], tracks: guards.Tracks) -> None:
        # Loads the matcher's libraries, which a plan with the groups' own keepers does without.
        import numpy as np  # noqa: PLC0415
        import polars as pl  # noqa: PLC0415

        from duplicates.engine.keeper import choose  # noqa: PLC0415
        from duplicates.engine.records import PROFILE_SCHEMA  # noqa: PLC0415
        from duplicates.services.loading import load_members  # noqa: PLC0415

        members = [member for case in cases for member in case.members.values()]
        ids = np.array([member.track_id for member in members], np.int64)
        own = ("track_id", "in_itunes", "in_complete_album")
        frame = load_members(ids, {name: kind for name, kind in PROFILE_SCHEMA.items() if name not in own})
        known = pl.DataFrame(
            {
                "track_id": ids,
                "in_itunes": [member.itunes_match == ITunesMatch.EXACT for member in members],
                "in_complete_album": [_album_of(tracks[member.track_id]) in self._albums for member in members],
            }
        )
        offsets = np.concatenate([[0], np.cumsum([len(case.members) for case in cases])])
        titles = pl.Series([tracks[member.track_id].title for member in members], dtype=pl.String)
        choice = choose(ids, offsets, titles, frame.join(known, on="track_id"), wishes=self._wishes)
        for case, row, rule, reason in zip(cases, choice.rows.tolist(), choice.rules, choice.reasons, strict=True):
            case.keeper_id, case.rule, case.reason = int(ids[row]), rule, reason

    def _judge(self, cases: list[Case]) -> None:
        """Judge members against a keeper that is not their group's; the rows are not written."""
        other = [case for case in cases if case.keeper_id != case.group.keeper_track_id]
        wanted = [(case.group, list(case.members.values()), case.keeper_id) for case in other]
        verdicts, unjudged = verdicts_against(self._analysis, wanted)
        for case in other:
            case.refused = unjudged.get(case.group.pk)
            for member in case.members.values():
                found = verdicts.get((case.keeper_id, member.track_id), verdict_of(member))
                member.matches_keeper = found.matches_keeper

    def _places_of(self, cases: list[Case]) -> dict[int, int]:
        """Return how many playlist places each copy that goes holds."""
        ids = [pk for case in cases for pk in case.removing]
        entries = PlaylistEntry.objects.filter(track_id__in=ids).values("track_id").annotate(many=Count("pk"))
        return dict(entries.values_list("track_id", "many"))

    def _item(self, case: Case, tracks: guards.Tracks, places: dict[int, int]) -> CleanupPlanItem:
        is_other = case.keeper_id != case.group.keeper_track_id
        item = CleanupPlanItem(
            group_id=case.group.pk,
            label=as_stored(case.group),
            version=case.group.version,
            keeper_track_id=case.keeper_id,
            keeper_rule=case.rule if is_other else "",
            keeper_reason=case.reason if is_other else "",
        )
        if case.refused is not None:
            item.state, item.code, item.message = PlanItemState.REFUSED, case.refused.code, case.refused.sentence
        elif self._resolution == Resolution.DELETED:
            copies = [tracks[pk] for pk in case.removing]
            sizes = [copy.size_bytes for copy in copies if copy.size_bytes is not None]
            item.removing = case.removing
            item.play_count = sum(copy.play_count for copy in copies)
            item.place_count = sum(places.get(copy.pk, 0) for copy in copies)
            item.byte_count, item.sizeless_count = sum(sizes), len(copies) - len(sizes)
        return item


def _album_of(track: Track) -> Album:
    return (track.source, track.album, track.album_artist, track.disc_number)


def _complete_albums(analysis: DuplicateAnalysisResult) -> set[Album]:
    """Return the discs with members in this analysis of which the library has every number up to the highest."""
    members = DuplicateAnalysisTrack.objects.filter(group__analysis=analysis)
    albums = Track.objects.filter(pk__in=members.values("track_id")).exclude(album="").values("album")
    discs = (
        Track.objects.active()
        .filter(album__in=albums, track_number__gte=1)
        .values("source", "album", "album_artist", "disc_number")
        .annotate(numbers=Count("track_number", distinct=True), highest=Max("track_number"))
        .filter(numbers__gte=LEAST_ALBUM)
        .order_by()
    )
    found = discs.values_list("source", "album", "album_artist", "disc_number", "numbers", "highest")
    return {
        (source, album, artist, disc) for source, album, artist, disc, numbers, highest in found if numbers == highest
    }
