"""What the audit trail keeps of imports, the refused ones too. A dry run changes nothing and leaves its own report."""

from duplicates.services import audit
from library.models import ImportStatus, LibraryImport


def note_import(row: LibraryImport) -> None:
    """Write the record of an import that has ended, by whichever process."""
    if row.is_dry_run:
        return
    audit.record(
        "library.imported",
        actor=row.user,
        now=row.completed_at or row.started_at,
        subject=row,
        was_successful=row.status != ImportStatus.FAILED,
        message=row.error_message,
        after={"source": row.source, "format": row.format},
        counts={
            "entries": row.seen_count,
            "added": row.added_count,
            "changed": row.changed_count,
            "unchanged": row.unchanged_count,
            "skipped": row.skipped_count,
            "pruned": row.pruned_count,
            "playlists": row.playlist_count,
        },
    )
