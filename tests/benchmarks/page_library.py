"""The library the pages are measured with: a million tracks and what years of work leave, written by the database.

Every table is filled by one INSERT … SELECT. A column nobody speaks of gets what its model says, else nothing of its
kind.
"""

import uuid
from datetime import timedelta
from typing import Any

from django.db import connection, models
from django.db.models.fields import NOT_PROVIDED
from django.utils import timezone

from tests.benchmarks.history import NUMBERS, fill

COPIES = 3  # of each song in a group
_EMPTY = {"char": "''", "json": "'{}'", "bool": "false", "number": "0"}


def count_up(model: type[models.Model], many: int, **said: str) -> None:
    """Write `many` rows; `said` gives columns as SQL over `i`, which counts from 1."""
    columns = {field.column: _value(field) for field in model._meta.concrete_fields if _is_needed(field)}
    columns |= {model._meta.get_field(name).column: sql for name, sql in said.items()}  # type: ignore[union-attr]
    names = ", ".join(f'"{name}"' for name in columns)
    rows = NUMBERS[connection.vendor].format(many, ", ".join(columns.values()))
    with connection.cursor() as cursor:
        cursor.execute(f'INSERT INTO "{model._meta.db_table}" ({names}) {rows}')


def _is_needed(field: Any) -> bool:
    return not field.null and not field.primary_key and field.db_default is NOT_PROVIDED


def _value(field: Any) -> str:
    if isinstance(field, models.JSONField):
        return "'[]'" if field.default is list else _EMPTY["json"]
    if isinstance(field, models.BooleanField):
        return "true" if field.default is True else "false"
    if isinstance(field, models.DateTimeField):
        return ago("i")
    if isinstance(field, models.CharField | models.TextField):
        return f"'{field.default if field.default is not NOT_PROVIDED else ''}'"
    return "0"


def ago(seconds: str) -> str:
    """Return SQL for a moment so many seconds ago."""
    if connection.vendor == "postgresql":
        return f"now() - ({seconds}) * interval '1 second'"
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', printf('%+d seconds', -({seconds})))"


def word(number: str) -> str:
    """Return SQL for one of a thousand words, told apart by their first letters."""
    letters = [f"substr('bdfgklmnprstvz', 1 + ({number}) / {place} % 14, 1)" for place in (1, 14, 196)]
    return "a".join(("", *letters)).replace("a", " || 'a' || ").removeprefix(" || 'a' || ")


def build(tracks: int, groups: int) -> Any:
    """Write everything; return the analysis the pages are about."""
    from library import models as library  # noqa: PLC0415 (needs Django to be set up)
    from library.changes import current_revision, recording  # noqa: PLC0415

    count_up(library.LibraryImport, 500, import_id=_key("i"), source="'benchmark'", format="'csv'",
             file_name="'tracks.csv'", status="'completed'")  # fmt: skip
    song = f"((i - 1) / {COPIES})"
    with recording("import:benchmark"):
        count_up(
            library.Track, tracks, source="'benchmark'", source_track_id="CAST(i AS text)",
            title=f"{word(song)} || ' ' || {word(f'{song} / 7')} || ' ' || {song}", artist=word(f"{song} / 20"),
            album=word(f"{song} / 10"), duration_ms="180000 + i % 90000", format="'mp3'", year="1960 + i % 60",
            availability="CASE i % 4 WHEN 0 THEN 'local' WHEN 1 THEN 'cloud' WHEN 2 THEN 'missing' ELSE 'unknown' END",
            play_count="i % 50", last_played_at=ago("i * 60"), added_at=ago("i * 90"), bit_rate_kbps="320",
        )  # fmt: skip
    count_up(library.Playlist, 2_000, source="'benchmark'", source_playlist_id="CAST(i AS text)", name=word("i"))
    count_up(library.PlaylistEntry, tracks // 5, playlist_id="1 + i % 2000", track_id="i", position="i / 2000")
    count_up(library.ITunesTrack, tracks // 5, persistent_id="CAST(i AS text)", catalog="'iTunes'", title=word("i"),
             artist=word("i / 9"))  # fmt: skip
    analyses = [_analysis(number, tracks, groups, current_revision()) for number in (2, 1)]
    analyses[1].predecessor = analyses[0]
    analyses[1].save(update_fields=["predecessor"])
    _work(analyses[1], tracks, groups)
    library.Track.objects.filter(pk__gt=tracks - 300).update(genre="Edited")
    library.Track.objects.filter(pk__lte=300, pk__gt=200).update(title="Edited meanwhile")
    fill(tracks // 10)  # ten records for each group
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    return analyses[1]


def _key(number: str, prefix: int = 0) -> str:
    """Return SQL for a key that is the number."""
    if connection.vendor == "sqlite":
        return f"printf('{prefix:08x}%024x', {number})"
    return f"CAST('{prefix:08x}' || lpad(to_hex(({number})), 24, '0') AS uuid)"


def _analysis(days: int, tracks: int, groups: int, revision: int) -> Any:
    """Write one analysis that found every song of three copies at the start of the library."""
    from duplicates.engine.settings import EngineSettings  # noqa: PLC0415 (needs Django to be set up)
    from duplicates.engine.shipped import shipped_model  # noqa: PLC0415
    from duplicates.models import DuplicateAnalysisGroup, DuplicateAnalysisResult  # noqa: PLC0415
    from duplicates.services.options import AnalysisOptions  # noqa: PLC0415

    then, options = timezone.now() - timedelta(days=days), AnalysisOptions()
    analysis = DuplicateAnalysisResult.objects.create(
        analysis_id=uuid.uuid4(), parameters=options.as_parameters(), parameters_fingerprint=options.fingerprint(),
        status="completed", created_at=then, started_at=then, completed_at=then, library_track_count=tracks,
        library_revision=revision, tracks_analyzed=tracks, groups_found=groups, duplicates_found=groups * (COPIES - 1),
        average_similarity=0.95, processing_seconds=60, learnt_tables=shipped_model(EngineSettings()).to_bytes(),
    )  # fmt: skip
    first = (DuplicateAnalysisGroup.objects.aggregate(models.Max("pk"))["pk__max"] or 0) + 1
    named = f"'{analysis.pk.hex if connection.vendor == 'sqlite' else analysis.pk}'"
    count_up(
        DuplicateAnalysisGroup, groups, analysis=named, position="i", group_key="CAST(i AS text)",
        identity="CAST(i AS text)", title=f"{word('(i - 1)')} || ' ' || {word('(i - 1) / 7')} || ' ' || (i - 1)",
        artist=word("(i - 1) / 20"), member_count=str(COPIES), duplicate_count=str(COPIES - 1),
        remaining_count=str(COPIES), total_plays="i % 300", confidence="0.7 + (i % 30) / 100.0",
        average_similarity="0.95", cohesion="1", keeper_track_id=f"(i - 1) * {COPIES} + 1",
        keeper_rule="'most_played'", itunes_match="CASE i % 3 WHEN 0 THEN 'exact' ELSE 'none' END",
        is_resolved="i % 2 = 0", resolution="CASE WHEN i % 2 = 0 THEN 'manual_review' ELSE '' END",
    )  # fmt: skip
    _members(first, groups)
    return analysis


def _members(first: int, groups: int) -> None:
    from duplicates.models import DuplicateAnalysisTrack  # noqa: PLC0415 (needs Django to be set up)

    place = f"(i - 1) % {COPIES}"
    count_up(
        DuplicateAnalysisTrack, groups * COPIES, group=f"{first} + (i - 1) / {COPIES}", track="i", position=place,
        source="'benchmark'", source_track_id="CAST(i AS text)", title=word(f"(i - 1) / {COPIES}"),
        artist=word(f"(i - 1) / {COPIES * 20}"), duration_ms="180000 + i % 90000", is_canonical=f"{place} = 0",
        similarity="0.97", match_weight="5", evidence="7", matches_keeper="true", last_played_at=ago("i * 60"),
        added_at=ago("i * 90"), play_count="i % 50",
    )  # fmt: skip


def _work(analysis: Any, tracks: int, groups: int) -> None:
    """Write decisions, removals, plans and exports as years of work leave them."""
    from duplicates import models as duplicates  # noqa: PLC0415 (needs Django to be set up)
    from library.changes import recording  # noqa: PLC0415
    from library.merged import Merge  # noqa: PLC0415
    from library.models import Track  # noqa: PLC0415

    named = f"'{analysis.pk.hex if connection.vendor == 'sqlite' else analysis.pk}'"
    gone = f"{tracks // 2} + i"
    count_up(duplicates.NotDuplicate, 50_000, left_key="'a' || CAST(i AS text)", right_key="'b' || CAST(i AS text)",
             left_label=word("i"), right_label=word("i + 1"))  # fmt: skip
    count_up(
        duplicates.CleanupAction, groups, action_id=_key("i", 1), batch_id=_key("i / 500", 2), analysis=named,
        label=word("i"), keeper_track_id="i", state="'done'", removed_count="1", expires_at=ago("-86400 - i"),
    )  # fmt: skip
    count_up(duplicates.LedgerEntry, groups, action=_key("i", 1), kind="'track'", track_id=gone)
    count_up(Merge, groups, source="'benchmark'", source_track_id=gone, track_id=gone, keeper_id="i")
    with recording(f"analysis:{analysis.pk}"):
        removed = Track.objects.filter(pk__gt=tracks // 2, pk__lte=tracks // 2 + groups)
        removed.update(quarantined_at=timezone.now())
    count_up(duplicates.DuplicateAnalysisExport, 500, export_id=_key("i", 3), analysis=named, format="'csv'",
             status="'completed'", file_name="'duplicates.csv'", size_bytes="1000")  # fmt: skip
    count_up(duplicates.CleanupPlan, 100, plan_id=_key("i", 4), analysis=named, resolution="'deleted'",
             state="'completed'")  # fmt: skip
