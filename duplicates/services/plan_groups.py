"""Works out, for some groups at once, what a plan is to do with each: its keeper, the copies that go, or why not.

The guards are those of a removal, asked beforehand. The facts are those of now: tracks as the library has them, not as
the analysis saw them. A few queries a part, however many groups it has.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Max

from duplicates.choices import ITunesMatch, PlanItemState, Resolution
from duplicates.engine.keeper_rules import Wish
from duplicates.exceptions import (
    CannotExplain,
    DeclaredDifferent,
    DuplicatesError,
    InvalidOptions,
    LastCopy,
    MemberGone,
)
from duplicates.models import CleanupPlanItem, DuplicateAnalysisGroup, DuplicateAnalysisResult, DuplicateAnalysisTrack
from duplicates.services import guards
from duplicates.services.different import MOST_MEMBERS, in_force, key_of
from duplicates.services.evidence import verdict_of, verdicts_against
from library.models import PlaylistEntry, Track

# Fewer tracks are a single; nobody misses its completeness.
LEAST_ALBUM = 4
type Album = tuple[str, str, str, int | None]


@dataclass(slots=True)
class Prospect:
    """One group on its way into a plan."""

    group: DuplicateAnalysisGroup
    members: list[DuplicateAnalysisTrack]
    present: list[DuplicateAnalysisTrack] = field(default_factory=list)
    keeper_id: int = 0
    rule: str = ""
    reason: str = ""
    refused: DuplicatesError | None = None

    @property
    def removing(self) -> list[int]:
        """The copies beside the keeper, in the group's order."""
        return [member.track_id for member in self.present if member.track_id != self.keeper_id]


class GroupPlanner:
    """Plans groups of one analysis part by part; it remembers which copies other saved groups have left."""

    def __init__(self, analysis: DuplicateAnalysisResult, resolution: Resolution, wishes: Sequence[Wish]) -> None:
        self._analysis, self._resolution, self._wishes = analysis, resolution, tuple(wishes)
        self._left: dict[int, int] = {}
        self._albums = _complete_albums(analysis) if any(one.rule == "complete_album" for one in wishes) else set()

    def plan(self, groups: Sequence[DuplicateAnalysisGroup]) -> list[CleanupPlanItem]:
        """Return one unsaved item for each group, in order."""
        prospects, tracks = self._look_at(groups)
        self._choose_keepers([one for one in prospects if one.refused is None], tracks)
        self._judge([one for one in prospects if one.refused is None])
        if self._resolution == Resolution.DELETED:
            self._ask_the_guards([one for one in prospects if one.refused is None], tracks)
            self._keep_last_copies([one for one in prospects if one.refused is None])
        places = self._places_of(prospects)
        return [self._item(one, tracks, places) for one in prospects]

    def _look_at(self, groups: Sequence[DuplicateAnalysisGroup]) -> tuple[list[Prospect], guards.Tracks]:
        by_group: dict[int, list[DuplicateAnalysisTrack]] = defaultdict(list)
        for member in DuplicateAnalysisTrack.objects.filter(group__in=groups).order_by("group_id", "position"):
            by_group[member.group_id].append(member)
        ids = [member.track_id for members in by_group.values() for member in members]
        tracks = {pk: track for pk, track in Track.objects.in_bulk(ids).items() if track.quarantined_at is None}
        prospects = [Prospect(group, by_group[group.pk]) for group in groups]
        for one in prospects:
            one.present = [member for member in one.members if member.track_id in tracks]
            one.keeper_id = one.group.keeper_track_id
            if len(one.present) < 2:
                one.refused = MemberGone(f"Fewer than two copies of {one.group} are in the library.")
            elif self._resolution == Resolution.NOT_DUPLICATES and len(one.members) > MOST_MEMBERS:
                one.refused = InvalidOptions(f"{one.group} has more than {MOST_MEMBERS} members.")
        return prospects, tracks

    def _choose_keepers(self, prospects: list[Prospect], tracks: guards.Tracks) -> None:
        if self._wishes and prospects:
            self._apply_rules(prospects, tracks)
        for one in prospects:
            if one.keeper_id not in tracks and self._resolution in (Resolution.DELETED, Resolution.KEPT_CANONICAL):
                one.refused = MemberGone(f"The keeper of {one.group} is no longer in the library.")

    def _apply_rules(self, prospects: list[Prospect], tracks: guards.Tracks) -> None:
        # Loads the matcher's libraries, which a plan with the groups' own keepers does without.
        import numpy as np  # noqa: PLC0415
        import polars as pl  # noqa: PLC0415

        from duplicates.engine.keeper import choose  # noqa: PLC0415
        from duplicates.engine.records import PROFILE_SCHEMA  # noqa: PLC0415
        from duplicates.services.loading import load_members  # noqa: PLC0415

        members = [member for one in prospects for member in one.present]
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
        offsets = np.concatenate([[0], np.cumsum([len(one.present) for one in prospects])])
        titles = pl.Series([tracks[member.track_id].title for member in members], dtype=pl.String)
        choice = choose(ids, offsets, titles, frame.join(known, on="track_id"), wishes=self._wishes)
        for one, row, rule, reason in zip(prospects, choice.rows.tolist(), choice.rules, choice.reasons, strict=True):
            one.keeper_id, one.rule, one.reason = int(ids[row]), rule, reason

    def _judge(self, prospects: list[Prospect]) -> None:
        """Judge members against a keeper that is not their group's; the rows are not written."""
        other = [one for one in prospects if one.keeper_id != one.group.keeper_track_id]
        try:
            verdicts = verdicts_against(self._analysis, [(one.group, one.present, one.keeper_id) for one in other])
        except CannotExplain as error:
            verdicts = {}
            for one in other:
                if len(one.present) > 2 or one.group.keeper_track_id not in {m.track_id for m in one.present}:
                    one.refused = error
                else:
                    verdicts |= verdicts_against(self._analysis, [(one.group, one.present, one.keeper_id)])
        for one in other:
            for member in one.present:
                found = verdicts.get((one.keeper_id, member.track_id), verdict_of(member))
                member.matches_keeper = found.matches_keeper

    def _ask_the_guards(self, prospects: list[Prospect], tracks: guards.Tracks) -> None:
        members = {member.track_id: member for one in prospects for member in one.present}
        changed = guards.changed_fields(prospects[0].group, members, tracks, list(members)) if prospects else {}
        apart = self._declared_apart(prospects)
        for one in prospects:
            try:
                guards.require_removable(members, tracks, one.removing)
                if one.group.pk in apart:
                    raise DeclaredDifferent
                guards.refuse_changed(
                    members, {m.track_id: changed[m.track_id] for m in one.present if m.track_id in changed}
                )
            except DuplicatesError as refused:
                one.refused = refused

    def _declared_apart(self, prospects: list[Prospect]) -> set[int]:
        """Return the groups of which a copy was declared different from the keeper."""
        keys = {member.track_id: key_of(member) for one in prospects for member in one.present}
        pairs = {
            (min(pair), max(pair)): one.group.pk
            for one in prospects
            for pair in ((keys[one.keeper_id], keys[pk]) for pk in one.removing)
        }
        return {pairs[pair] for pair in in_force(pairs)}

    def _keep_last_copies(self, prospects: list[Prospect]) -> None:
        """Refuse what would leave a saved group of any other analysis without a copy."""
        removing = [pk for one in prospects for pk in one.removing]
        elsewhere: dict[int, list[int]] = defaultdict(list)
        others = DuplicateAnalysisTrack.objects.filter(track_id__in=removing, still_exists=True)
        others = others.exclude(group__analysis=self._analysis)
        for track_id, group_id, left in others.values_list("track_id", "group_id", "group__remaining_count"):
            elsewhere[track_id].append(group_id)
            self._left.setdefault(group_id, left)
        for one in prospects:
            taken: dict[int, int] = defaultdict(int)
            for group_id in (group_id for pk in one.removing for group_id in elsewhere[pk]):
                taken[group_id] += 1
            if any(self._left[group_id] - many < 1 for group_id, many in taken.items()):
                one.refused = LastCopy(f"Another saved group would lose its last copy with {one.group}.")
                continue
            for group_id, many in taken.items():
                self._left[group_id] -= many

    def _places_of(self, prospects: list[Prospect]) -> dict[int, int]:
        """Return how many playlist places each copy that goes holds."""
        if self._resolution != Resolution.DELETED:
            return {}
        ids = [pk for one in prospects if one.refused is None for pk in one.removing]
        entries = PlaylistEntry.objects.filter(track_id__in=ids).values("track_id").annotate(many=Count("pk"))
        return dict(entries.values_list("track_id", "many"))

    def _item(self, one: Prospect, tracks: guards.Tracks, places: dict[int, int]) -> CleanupPlanItem:
        is_other = one.keeper_id != one.group.keeper_track_id
        item = CleanupPlanItem(
            group_id=one.group.pk,
            label=str(one.group),
            version=one.group.version,
            keeper_track_id=one.keeper_id,
            keeper_rule=one.rule if is_other else "",
            keeper_reason=one.reason if is_other else "",
        )
        if one.refused is not None:
            item.state, item.code, item.message = PlanItemState.REFUSED, one.refused.code, one.refused.sentence
        elif self._resolution == Resolution.DELETED:
            copies = [tracks[pk] for pk in one.removing]
            sizes = [copy.size_bytes for copy in copies if copy.size_bytes is not None]
            item.removing = one.removing
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
