"""The columns written past the ORM are exactly those of the models."""

import pytest
from django.db import DataError, connection, models

from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisTrack
from duplicates.services import bulk_rows
from duplicates.services.detection import DuplicateDetectionService
from duplicates.services.options import AnalysisOptions
from library.copying import copy_rows
from library.models import Track
from tests.duplicates.library_of import make_track


def columns_of(model: type[models.Model]) -> set[str]:
    return {field.column for field in model._meta.concrete_fields if not field.primary_key}


def test_every_column_of_a_group_is_written_or_null_at_first() -> None:
    assert set(bulk_rows.GROUP_COLUMNS) | (bulk_rows.NULL_AT_FIRST & columns_of(DuplicateAnalysisGroup)) == columns_of(
        DuplicateAnalysisGroup
    )


def test_every_column_of_a_member_is_written_or_null_at_first() -> None:
    written = set(bulk_rows.MEMBER_COLUMNS) | set(bulk_rows.SNAPSHOT_COLUMNS)

    assert written | (bulk_rows.NULL_AT_FIRST & columns_of(DuplicateAnalysisTrack)) == columns_of(
        DuplicateAnalysisTrack
    )


def test_every_column_of_a_snapshot_is_one_of_the_track() -> None:
    assert set(bulk_rows.SNAPSHOT_COLUMNS) <= columns_of(Track)


def test_what_may_be_null_at_first_allows_null() -> None:
    nullable = {
        field.column
        for model in (DuplicateAnalysisGroup, DuplicateAnalysisTrack)
        for field in model._meta.concrete_fields
        if field.null
    }

    assert nullable >= bulk_rows.NULL_AT_FIRST


@pytest.mark.django_db
def test_the_snapshot_is_the_track_as_it_was() -> None:
    for number in range(2):
        make_track(
            number,
            title="Über “Quotes”, tabs\t and \\ 東京",
            artist="Ines Calder",
            album="Almanac",
            explicit=True,
            lossless=False,
            loved=True,
            rating=80,
            format="flac",
            size_bytes=12_345_678_901,
            isrc="GBAYE0601498",
        )
    DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions())

    for member in DuplicateAnalysisTrack.objects.all():
        track = Track.objects.get(pk=member.track_id)
        for name in bulk_rows.SNAPSHOT_COLUMNS:
            assert getattr(member, name) == getattr(track, name), name


@pytest.mark.django_db
def test_ids_reserved_in_bulk_do_not_collide_with_the_next_insert() -> None:
    for number in range(2):
        make_track(number, title="Paper Moons", artist="Ines Calder", album="Almanac")
    analysis = DuplicateDetectionService().find_duplicates_with_persistence(AnalysisOptions()).analysis
    group = analysis.groups.get()

    group.pk, group.position = None, 99
    group.save()

    assert analysis.groups.count() == 2


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="only PostgreSQL has COPY")
def test_trouble_amid_a_copy_is_djangos() -> None:
    # The driver's own errors passed by the one who retries, and a lost connection ended the run.
    with pytest.raises(DataError):
        copy_rows(
            "library_playlist", ("source", "source_playlist_id", "name", "is_smart"), [("a" * 101, "", "", False)]
        )
