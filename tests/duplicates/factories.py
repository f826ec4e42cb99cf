"""Makes analyses, groups, members, exports and people, each complete with as little as a test wants to say."""

from datetime import timedelta
from typing import Any

import factory
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from duplicates.choices import AnalysisStatus, ExportFormat, ExportStatus
from duplicates.models import (
    DuplicateAnalysisExport,
    DuplicateAnalysisGroup,
    DuplicateAnalysisResult,
    DuplicateAnalysisTrack,
)
from duplicates.services.options import AnalysisOptions
from library.models import Track

VIEWS = (
    "duplicates.view_duplicateanalysisresult",
    "duplicates.view_duplicateanalysisgroup",
    "duplicates.view_duplicateanalysistrack",
    "duplicates.view_duplicateanalysisexport",
    "duplicates.view_auditrecord",
    "library.view_track",
)


class UserFactory(factory.django.DjangoModelFactory[User]):
    """A staff user without permissions; `permissions` names those to give."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"person{n}")
    is_staff = True

    @factory.post_generation
    def permissions(self: User, create: bool, extracted: Any, **kwargs: Any) -> None:
        for name in extracted or ():
            app, codename = name.split(".")
            self.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


class AnalysisFactory(factory.django.DjangoModelFactory[DuplicateAnalysisResult]):
    """A completed analysis of the system, one minute old. Each has a preset-like search of its own."""

    class Meta:
        model = DuplicateAnalysisResult

    search_term = factory.Sequence(lambda n: f"search {n}")
    parameters = factory.LazyAttribute(lambda row: AnalysisOptions(search=row.search_term).as_parameters())
    parameters_fingerprint = factory.LazyAttribute(lambda row: AnalysisOptions(search=row.search_term).fingerprint())
    status = AnalysisStatus.COMPLETED
    created_at = factory.LazyFunction(lambda: timezone.now() - timedelta(minutes=1))
    started_at = factory.SelfAttribute("created_at")
    completed_at = factory.LazyFunction(timezone.now)
    library_track_count = 100
    library_revision = 100
    tracks_analyzed = 100
    groups_found = 3
    duplicates_found = 4
    average_similarity = 0.97
    processing_seconds = 2.5


class TrackFactory(factory.django.DjangoModelFactory[Track]):
    """A track of the source "test"."""

    class Meta:
        model = Track

    source = "test"
    source_track_id = factory.Sequence(str)
    title = "Harbour Lights"
    artist = "The Quiet Tide"
    album = "Low Water"
    duration_ms = 215_000


class GroupFactory(factory.django.DjangoModelFactory[DuplicateAnalysisGroup]):
    """A group of two members with tracks of their own, unless `members` says how many."""

    class Meta:
        model = DuplicateAnalysisGroup
        skip_postgeneration_save = True

    analysis = factory.SubFactory(AnalysisFactory)
    position = factory.Sequence(lambda n: n + 1)
    group_key = factory.Sequence(lambda n: f"{n:032x}")
    identity = factory.SelfAttribute("group_key")
    title = "Harbour Lights"
    artist = "The Quiet Tide"
    member_count = 2
    duplicate_count = factory.LazyAttribute(lambda row: row.member_count - 1)
    remaining_count = factory.SelfAttribute("member_count")
    confidence = 0.97
    average_similarity = 0.97
    cohesion = 1.0
    keeper_track_id = 0
    keeper_rule = "most_played"
    keeper_reason = "Kept because played 36 times, 14 more than the next copy"

    @factory.post_generation
    def members(self: DuplicateAnalysisGroup, create: bool, extracted: Any, **kwargs: Any) -> None:
        made = [MemberFactory(group=self, position=place, **kwargs) for place in range(self.member_count)]
        if made and not self.keeper_track_id:
            self.keeper_track_id = made[0].track_id
            self.save(update_fields=["keeper_track_id"])


class MemberFactory(factory.django.DjangoModelFactory[DuplicateAnalysisTrack]):
    """One member with a track of its own; the one at place 0 is the keeper."""

    class Meta:
        model = DuplicateAnalysisTrack

    track = factory.SubFactory(TrackFactory)
    position = 0
    source = "test"
    source_track_id = factory.Sequence(str)
    title = "Harbour Lights"
    artist = "The Quiet Tide"
    album = "Low Water"
    duration_ms = 215_000
    is_canonical = factory.LazyAttribute(lambda row: row.position == 0)
    similarity = 0.97
    match_weight = 5.0
    evidence = 0
    matches_keeper = True


class ExportFactory(factory.django.DjangoModelFactory[DuplicateAnalysisExport]):
    """A finished export that can be fetched for a day; its file is the test's to write."""

    class Meta:
        model = DuplicateAnalysisExport

    analysis = factory.SubFactory(AnalysisFactory)
    format = ExportFormat.JSON
    status = ExportStatus.COMPLETED
    file_name = "duplicates.json"
    size_bytes = 12
    row_count = 2
    created_at = factory.LazyFunction(timezone.now)
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))
