"""What the page of one group shows: its members side by side, the keeper first, what can be done and what it does."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from duplicates.admin.comparison import Cell, Row, rows_of
from duplicates.admin.evidence_view import Waterfall, evidence_of, waterfall_of
from duplicates.admin.removal_view import RemovalView
from duplicates.admin.review_queue import ReviewQueue
from duplicates.admin.shared import band_badge, itunes_badge
from duplicates.admin.version_badges import Words
from duplicates.choices import ITunesMatch, Resolution
from duplicates.engine.evidence import contradiction
from duplicates.exceptions import DeclaredDifferent, MemberGone
from duplicates.models import (
    CleanupAction,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
)
from duplicates.services import permissions
from duplicates.services.guards import is_decided
from duplicates.services.preview import RemovalPreview, preview_removal
from duplicates.told import told, told_reason
from library import admin_pages as pages
from library import listening
from library.models import PlaylistEntry, Track

# More columns than this are not compared by eye; the rest is a link to the list of members.
MEMBERS_SHOWN = 24
PLAYLISTS_NAMED = 3
KEYS = 9  # the digits that choose a keeper

Member = DuplicateAnalysisTrack


@dataclass(frozen=True, slots=True)
class Column:
    """The head of one member, the reasons it is here, and what can be done with it."""

    member: Member
    number: int
    track_url: str
    similarity: str
    itunes: SafeString | str
    itunes_differences: list[dict[str, str]]
    waterfall: Waterfall | None
    missing: str  # comparisons that had nothing to compare
    contradiction: str  # an identifier that agrees where the music does not
    steps_url: str  # the page that explains this member step by step; empty where a track is gone
    obstacle: str = ""  # why it cannot be removed, with the way out
    is_apart: bool = False  # declared different from the keeper
    is_ticked: bool = False
    listen_url: str = ""  # where it can be heard; empty where it cannot

    @property
    def may_go(self) -> bool:
        return not self.obstacle and not self.member.is_canonical and self.member.still_exists

    @property
    def may_stay(self) -> bool:
        """Could it be the keeper?"""
        return not self.member.is_canonical and self.member.still_exists

    @property
    def key(self) -> str:
        """The digit that makes it the keeper."""
        return str(self.number) if self.number <= KEYS else ""


@dataclass(frozen=True, slots=True)
class GroupPage:
    """One group as one person sees it at one moment."""

    group: DuplicateAnalysisGroup
    user: Any
    now: datetime
    queue: ReviewQueue
    members: list[Member] = field(default_factory=list)
    audible: set[int] = field(default_factory=set)

    def context(self) -> dict[str, Any]:
        """Return everything the template needs."""
        group, analysis = self.group, self.group.analysis
        self.members.extend(shown_members(group))
        self.audible.update(audible_tracks(self.user, [member.track_id for member in self.members]))
        preview = preview_removal(group, self.members)
        tables = bytes(analysis.learnt_tables or b"")
        rows = rows_of(self.members, self._own_words())
        if playlists := self._playlists():
            rows.append(playlists)
        return {
            "title": group.title or _("Untitled"),
            "subtitle": group.artist or _("Unknown artist"),
            "artist_url": f"{_groups_url()}?{urlencode({'analysis': analysis.pk, 'artist': group.artist})}",
            "analysis": analysis,
            "analysis_age": pages.moment(analysis.age_anchor, self.now),
            "confidence": band_badge(group.confidence, group.band),
            "cohesion": pages.percent(group.cohesion),
            "keeper_reason": told_reason(group.keeper_reason) or group.keeper_rule.replace("_", " "),
            "resolved": pages.moment(group.resolved_at, self.now) if group.is_resolved else "",
            "columns": [self._column(place, member, preview, tables) for place, member in enumerate(self.members, 1)],
            "rows": rows,
            "more_members": max(0, group.member_count - len(self.members)),
            "members_url": f"{_members_url()}?analysis={analysis.pk}&group__id__exact={group.pk}",
            "queue": self.queue,
            "place": self.queue.place_of(group),
            "decide_url": f"{reverse('admin:duplicates_decide', args=[group.pk])}{self.queue.query}",
            "preview_url": reverse("admin:duplicates_preview_removal", args=[group.pk]),
            "pair_url": reverse("admin:duplicates_explain_pair"),
            "preview": RemovalView(preview),
            "newer_url": self._newer_url(),
            **self._verbs(preview),
        }

    def _newer_url(self) -> str:
        """Return where the newest refresh of this result is: what is decided here does not go over to it any more."""
        refreshed = DuplicateAnalysisResult.objects.visible_to(self.user).completed()
        found = refreshed.filter(predecessor=self.group.analysis_id).order_by("-created_at").values_list("pk").first()
        return reverse("admin:duplicates_duplicateanalysisresult_change", args=found) if found else ""

    def _verbs(self, preview: RemovalPreview) -> dict[str, Any]:
        """Return what this person may do with the group as it is."""
        group, decided = self.group, is_decided(self.group)
        may_review = permissions.may_review(self.user, group)
        may_remove = permissions.may_remove(self.user, group)
        removal = self._removal() if may_remove else None
        return {
            "may_review": may_review and not decided,
            "may_remove": may_remove and not decided and preview.refused is None,
            "may_set_aside": may_review and not group.is_resolved,
            "may_split": may_review and not decided and len(self.members) > 2,
            "may_reopen": may_review and group.is_resolved and group.remaining_count > 1,
            "removal": removal,
            "is_set_aside": group.resolution == Resolution.MANUAL_REVIEW,
            "is_decided": decided,
        }

    def _removal(self) -> CleanupAction | None:
        """Return the newest removal from this group that can be undone by this person."""
        if self.group.remaining_count == self.group.member_count:
            return None
        done: QuerySet[CleanupAction] = CleanupAction.objects.done().filter(group=self.group)
        newest = done.select_related("analysis").defer("analysis__learnt_tables").order_by("-created_at", "pk").first()
        return newest if newest is not None and permissions.may_undo(self.user, newest) else None

    def _column(self, number: int, member: Member, preview: RemovalPreview, tables: bytes) -> Column:
        here = member.still_exists
        found = member.itunes_match != ITunesMatch.NONE
        parts = [] if member.is_canonical else evidence_of(member, tables)
        obstacle = preview.obstacles.get(member.track_id)
        explain = reverse("admin:duplicates_explain_member", args=[self.group.pk, member.track_id])
        return Column(
            member,
            number,
            reverse("admin:library_track_change", args=[member.track_id]) if here else "",
            pages.percent(member.similarity),
            itunes_badge(member.itunes_match) if found else pages.UNKNOWN,
            list(member.itunes_differences),
            waterfall_of(parts, tables),
            ", ".join(told(part.comparison) for part in parts if part.missing),
            contradiction(parts),
            explain if parts and here else "",
            obstacle.sentence if obstacle and not isinstance(obstacle, MemberGone) else "",
            isinstance(obstacle, DeclaredDifferent),
            member.track_id in preview.removing,
            reverse("admin:library_listen", args=[member.track_id]) if member.track_id in self.audible else "",
        )

    def _own_words(self) -> Words:
        asked = self.group.analysis.parameters.get("version_words", [])
        return tuple((str(phrase), str(marker)) for phrase, marker in asked)

    def _playlists(self) -> Row | None:
        """Return the playlists each member stands in now: what is at stake when it goes."""
        names: dict[int, list[str]] = {}
        entries = PlaylistEntry.objects.filter(track_id__in=[member.track_id for member in self.members])
        listed = entries.order_by("playlist__name", "position").values_list("track_id", "playlist__name", "position")
        for track_id, name, position in listed:
            place = _("%(playlist)s, place %(place)s") % {"playlist": name, "place": pages.number(position + 1)}
            names.setdefault(track_id, []).append(place)
        if not names:
            return None
        return Row("playlists", _("Playlists"), [_named(names.get(one.track_id, [])) for one in self.members])


def audible_tracks(user: Any, track_ids: Iterable[int]) -> list[int]:
    """Return those of the tracks whose files this person may hear here."""
    if not listening.is_switched_on() or not permissions.may_listen(user):
        return []
    tracks = Track.objects.filter(pk__in=list(track_ids))
    return [pk for pk, location in tracks.values_list("pk", "location") if listening.audio_file(location)]


def shown_members(group: DuplicateAnalysisGroup) -> list[Member]:
    """Return the members to set side by side: the keeper, those in the library, those that went."""
    return list(group.members.order_by("-is_canonical", "-still_exists", "position")[:MEMBERS_SHOWN])


def _named(places: list[str]) -> Cell:
    if len(places) <= PLAYLISTS_NAMED:
        return Cell("; ".join(places) or pages.UNKNOWN)
    more = _("%(count)s more") % {"count": pages.number(len(places) - PLAYLISTS_NAMED)}
    return Cell("; ".join(places[:PLAYLISTS_NAMED]), remark=more)


def _groups_url() -> str:
    return reverse("admin:duplicates_duplicateanalysisgroup_changelist")


def _members_url() -> str:
    return reverse("admin:duplicates_duplicateanalysistrack_changelist")
