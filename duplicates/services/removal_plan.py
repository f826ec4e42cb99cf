"""The removal plan for files: what people who own the disks may delete after a clean-up, to be read before it is run.

Reprise deletes no file. It writes a CSV that says everything, an M3U to listen to, and a POSIX shell script that is dry
unless told otherwise. The script leaves a file alone when the one that is kept is not there, when both are one file, or
when it is no longer as large as the library says.
"""

import csv
import io
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import IO, TYPE_CHECKING

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from duplicates.choices import LedgerKind
from duplicates.exceptions import InvalidOptions
from duplicates.models import DuplicateAnalysisResult, LedgerEntry
from duplicates.services import audit
from duplicates.services.csv_cells import as_cell
from duplicates.services.file_paths import as_one_file, path_of, playlist_line, quoted_for_shell, readable
from library.models import Merge, Track
from library.quarantine import root_keeper

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

TRACKS_A_STEP = 1_000
CSV_NAME, M3U_NAME, SCRIPT_NAME = "removal-plan.csv", "removal-plan.m3u8", "removal-plan.sh"
COLUMNS = (
    "track_id",
    "source",
    "source_track_id",
    "title",
    "artist",
    "album",
    "path",
    "size_bytes",
    "removed_at",
    "kept_track_id",
    "kept_title",
    "kept_artist",
    "kept_path",
    "in_script",
    "why_not",
)
NO_FILE = gettext_lazy("its source names no file with a path of this system")
NO_KEEPER = gettext_lazy("the track that was kept is not in the library any more")
NO_KEPT_FILE = gettext_lazy("the file of the track that was kept is not known")
SAME_FILE = gettext_lazy("it is the file of the track that was kept")
STILL_USED = gettext_lazy("another track of the library is this file")


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One removed copy: its file, the one kept instead, and why the script leaves it out, if it does."""

    track: Track
    keeper: Track | None
    path: bytes | None
    kept_path: bytes | None
    why_not: str


@dataclass(slots=True)
class RemovalPlan:
    """What was written."""

    tracks: int = 0
    in_script: int = 0
    bytes_in_script: int = 0  # of those whose size is known
    left_out: dict[str, int] = field(default_factory=dict)  # how many, by reason


@audit.recorded("removal_plan.exported", subject="analysis")
def export_removal_plan(
    folder: Path,
    *,
    actor: "AbstractBaseUser | None",
    now: datetime,
    analysis: DuplicateAnalysisResult | None = None,
    batch_id: uuid.UUID | None = None,
    source: str = "",
) -> RemovalPlan:
    """Write the plan of what is in quarantine, or of one analysis, batch or source, into a folder; return its counts.

    Each file appears when it is complete. Raises InvalidOptions when there is nothing to plan for.
    """
    plan = RemovalPlan()
    removed = _removed(analysis, batch_id, source)
    if not removed.exists():
        raise InvalidOptions(_("Nothing is in quarantine that was chosen; there is no file to plan for."))
    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / name for name in (CSV_NAME, M3U_NAME, SCRIPT_NAME)]
    parts = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in names]
    try:
        with parts[0].open("wb") as table, parts[1].open("wb") as playlist, parts[2].open("wb") as script:
            _write(_planned(removed), plan, table, playlist, script, now=now)
        for part, path in zip(parts, names, strict=True):
            part.chmod(0o600)
            part.replace(path)
    finally:
        for part in parts:
            part.unlink(missing_ok=True)
    audit.record(
        "removal_plan.exported",
        actor=actor,
        now=now,
        subject=analysis,
        after={"batch": str(batch_id or ""), "source": source, "left_out": plan.left_out},
        counts={"tracks": plan.tracks, "files": plan.in_script, "bytes": plan.bytes_in_script},
    )
    return plan


# --- What is planned --------------------------------------------------------------------------------------------------


def _removed(analysis: DuplicateAnalysisResult | None, batch_id: uuid.UUID | None, source: str) -> QuerySet[Track]:
    tracks = Track.objects.quarantined()
    if source:
        tracks = tracks.filter(source=source)
    entries = LedgerEntry.objects.filter(kind=LedgerKind.TRACK)
    if analysis is not None:
        tracks = tracks.filter(pk__in=entries.filter(action__analysis=analysis).values("track_id"))
    if batch_id is not None:
        tracks = tracks.filter(pk__in=entries.filter(action__batch_id=batch_id).values("track_id"))
    return tracks.order_by("pk")


def _planned(removed: QuerySet[Track]) -> Iterator[PlannedFile]:
    used = _still_used(removed)
    for part in batched(removed.iterator(chunk_size=TRACKS_A_STEP), TRACKS_A_STEP):
        keepers = _keepers_of(part)
        for track in part:
            yield _one(track, keepers.get(track.pk), used)


def _keepers_of(tracks: Iterable[Track]) -> dict[int, Track]:
    """Return who stands in for each removed copy, as far as it is in the library."""
    rows = Merge.objects.filter(track_id__in=[track.pk for track in tracks]).values_list("track_id", "keeper_id")
    kept_by = dict(rows)
    here = Track.objects.active().in_bulk(list(kept_by.values()))
    found = {}
    for track_id, keeper_id in kept_by.items():
        # A keeper that was itself removed later has another one in its place.
        root = keeper_id if keeper_id in here else root_keeper(track_id)
        keeper = here.get(root) if root in here else Track.objects.filter(pk=root).first() if root else None
        if keeper is not None:
            found[track_id] = keeper
    return found


def _still_used(removed: QuerySet[Track]) -> set[bytes]:
    """Return the files of removed copies that a track in the library also is, as `as_one_file` tells them.

    Reads all locations: two sources write the path of one file in two ways, and no index knows both.
    """
    gone = set(_files_of(removed))
    return {file for file in _files_of(Track.objects.active().exclude(location="")) if file in gone}


def _files_of(tracks: QuerySet[Track]) -> Iterator[bytes]:
    for location in tracks.order_by().values_list("location", flat=True).iterator(chunk_size=TRACKS_A_STEP):
        if (path := path_of(location)) is not None:
            yield as_one_file(path)


def _one(track: Track, keeper: Track | None, used: set[bytes]) -> PlannedFile:
    path = path_of(track.location)
    kept_path = path_of(keeper.location) if keeper else None
    reasons = (
        (path is None, NO_FILE),
        (keeper is None, NO_KEEPER),
        (kept_path is None, NO_KEPT_FILE),
        (path == kept_path, SAME_FILE),
        (path is not None and as_one_file(path) in used, STILL_USED),
    )
    why_not = next((str(reason) for is_so, reason in reasons if is_so), "")
    return PlannedFile(track, keeper, path, kept_path, why_not)


# --- What is written --------------------------------------------------------------------------------------------------


def _write(
    files: Iterable[PlannedFile],
    plan: RemovalPlan,
    table: IO[bytes],
    playlist: IO[bytes],
    script: IO[bytes],
    *,
    now: datetime,
) -> None:
    table.write(_csv_line(COLUMNS))
    playlist.write(b"#EXTM3U\n")
    script.write(_SCRIPT_HEAD.replace(b"{now}", now.isoformat(timespec="seconds").encode()))
    for one in files:
        plan.tracks += 1
        table.write(_csv_line(_cells(one)))
        if one.path is not None:
            playlist.write(_playlist_entry(one.track, one.path))
        if one.why_not:
            plan.left_out[one.why_not] = plan.left_out.get(one.why_not, 0) + 1
        elif one.path is not None and one.kept_path is not None:
            plan.in_script += 1
            plan.bytes_in_script += one.track.size_bytes or 0
            size = str(one.track.size_bytes or "").encode()
            words = (b"copy", quoted_for_shell(one.path), quoted_for_shell(one.kept_path), quoted_for_shell(size))
            script.write(b" ".join(words) + b"\n")
    script.write(_SCRIPT_TAIL)


def _cells(one: PlannedFile) -> list[object]:
    track, keeper = one.track, one.keeper
    kept = (keeper.pk, keeper.title, keeper.artist) if keeper else ("", "", "")
    return [
        track.pk,
        track.source,
        track.source_track_id,
        track.title,
        track.artist,
        track.album,
        "" if one.path is None else readable(one.path),
        "" if track.size_bytes is None else track.size_bytes,
        track.quarantined_at,
        *kept,
        "" if one.kept_path is None else readable(one.kept_path),
        not one.why_not,
        one.why_not,
    ]


def _csv_line(values: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([as_cell(value) for value in values])
    return text.getvalue().encode()


def _playlist_entry(track: Track, path: bytes) -> bytes:
    seconds = -1 if track.duration_ms is None else round(track.duration_ms / 1000)
    name = " ".join(f"{track.artist or 'Unknown artist'} - {track.title or 'Untitled'}".split())
    return f"#EXTINF:{seconds},{name}\n".encode() + playlist_line(path) + b"\n"


_SCRIPT_HEAD = rb"""#!/bin/sh
# Files of tracks that were removed as duplicates, as of {now}. Read it before you run it.
#
#   sh removal-plan.sh             say what would be deleted; changes nothing
#   sh removal-plan.sh --delete    delete
#
# Each line below is: copy FILE KEPT-FILE BYTES. A file is left alone when the one that is kept is not there, when both
# are one file, and when it is not as large as the library says (BYTES may be blank). Take lines out as you like.
set -u
LC_ALL=C
export LC_ALL
mode=dry
case "${1-}" in
    '') ;;
    --delete) mode=delete ;;
    *) echo "Usage: sh removal-plan.sh [--delete]" >&2; exit 2 ;;
esac
gone=0 left=0 failed=0

say() { printf '%s: ' "$1"; printf '%s' "$2" | tr '\000-\037\177' '?'; printf '\n'; }
leave() { left=$((left + 1)); say "left alone, $1" "$2"; }

copy() {
    if [ -h "$1" ] || [ ! -f "$1" ]; then leave "it is not there" "$1"; return; fi
    if [ ! -f "$2" ]; then leave "the file to keep is not there" "$1"; return; fi
    if [ "$1" -ef "$2" ]; then leave "it is the file to keep" "$1"; return; fi
    if [ -n "$3" ] && [ "$(($(wc -c <"$1")))" -ne "$3" ]; then leave "it has another size" "$1"; return; fi
    if [ "$mode" = dry ]; then gone=$((gone + 1)); say "would delete" "$1"; return; fi
    if rm -f -- "$1" && [ ! -e "$1" ]; then gone=$((gone + 1)); say "deleted" "$1"
    else failed=$((failed + 1)); say "could not delete" "$1" >&2; fi
}

"""
_SCRIPT_TAIL = rb"""
if [ "$mode" = dry ]; then
    echo "$gone would be deleted, $left left alone. Nothing was changed; --delete deletes."
else
    echo "$gone deleted, $left left alone, $failed failed."
fi
[ "$failed" -eq 0 ]
"""
