"""The reconciliation of an import: what was seen, what became of it, and why the rest was left out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from library.importers.records import (
    SKIP_SENTENCES,
    ImportedTrack,
    ImportProblem,
    SkippedEntry,
    SkippedPlaylist,
    SkipReason,
)
from library.models import LibraryImport

EXAMPLES = 5
LONGEST_EXAMPLE = 200
MOST_WARNINGS = 50


@dataclass(slots=True)
class Tally:
    """Counts what a reader yields, in memory that does not grow with it."""

    seen: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    skip_examples: dict[SkipReason, list[dict[str, Any]]] = field(default_factory=dict)
    availability: Counter[str] = field(default_factory=Counter)
    unparsed: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)
    playlists: Counter[str] = field(default_factory=Counter)
    warnings: list[dict[str, Any]] = field(default_factory=list)

    @property
    def skipped_total(self) -> int:
        return self.skipped.total()

    def track(self, track: ImportedTrack) -> None:
        self.seen += 1
        self.availability[track.availability] += 1
        for name, text in track.unparsed.items():
            _count_value(self.unparsed, name, text, track)
        for name, text in track.left_out.items():
            _count_value(self.left_out, name, text, track)

    def repeated(self, track: ImportedTrack) -> None:
        """Count a track whose key was there before; `track` was not called for it."""
        self.skip(
            SkippedEntry(track.entry, SkipReason.REPEATED_ID, track.title, track.line, detail=track.source_track_id)
        )

    def skip(self, entry: SkippedEntry) -> None:
        self.seen += 1
        self.skipped[entry.reason] += 1
        examples = self.skip_examples.setdefault(entry.reason, [])
        if len(examples) < EXAMPLES:
            facts = {"entry": entry.entry, "line": entry.line, "name": entry.name, "detail": entry.detail}
            examples.append({name: _short(value) for name, value in facts.items() if value})

    def skip_playlist(self, playlist: SkippedPlaylist) -> None:
        self.playlists["left_out"] += 1

    def warn(self, problem: ImportProblem) -> None:
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append({"code": problem.code, "message": problem.sentence, "line": problem.line})

    def as_report(self) -> dict[str, Any]:
        """Return the part of the report that is known once the source was read."""
        return {
            "skipped": {
                reason.value: {
                    "count": count,
                    "reason": SKIP_SENTENCES[reason],
                    "examples": self.skip_examples[reason],
                }
                for reason, count in self.skipped.most_common()
            },
            "availability": {name: count for name, count in sorted(self.availability.items()) if name != "unknown"},
            "unparsed": _most_first(self.unparsed),
            "left_out": _most_first(self.left_out),
            "playlists": dict(self.playlists),
            "changed_fields": {},
            "vanished": [],
            "vanished_playlists": [],
            "warnings": self.warnings,
        }


def _count_value(counted: dict[str, dict[str, Any]], name: str, text: str, track: ImportedTrack) -> None:
    """Count a value that could not be read, with the place of the first one and examples."""
    first = {"line": track.line} if track.line else {"entry": track.entry}
    facts = counted.setdefault(name, {"count": 0, "examples": [], "first": first})
    facts["count"] += 1
    if len(facts["examples"]) < EXAMPLES and text[:LONGEST_EXAMPLE] not in facts["examples"]:
        facts["examples"].append(text[:LONGEST_EXAMPLE])


def _most_first(counted: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return dict(sorted(counted.items(), key=lambda item: -item[1]["count"]))


def as_json(row: LibraryImport) -> dict[str, Any]:
    """Return a run as data for a machine: every number of the row, and its report."""
    return {
        "import_id": str(row.pk),
        "dry_run": row.is_dry_run,
        "status": row.status,
        "source": row.source,
        "format": row.format,
        "file_name": row.file_name,
        "catalog": row.is_catalog,
        "seen": row.seen_count,
        "added": row.added_count,
        "changed": row.changed_count,
        "unchanged": row.unchanged_count,
        "skipped": row.skipped_count,
        "vanished": row.vanished_count,
        "pruned": row.pruned_count,
        "playlists": row.playlist_count,
        "error": row.error_message,
        "report": row.report,
    }


def report_lines(row: LibraryImport) -> Iterator[str]:
    """Yield the reconciliation of a run as lines for a person."""
    entries = "entry" if row.seen_count == 1 else "entries"
    what = f"catalogue {entries}" if row.is_catalog else entries
    yield f"{'Would import' if row.is_dry_run else 'Imported'} {row.file_name} ({row.format}) as “{row.source}”."
    yield f"  {row.seen_count:>10,} {what} seen ="
    for count, name in (
        (row.added_count, "added"),
        (row.changed_count, "changed"),
        (row.unchanged_count, "unchanged"),
        (row.skipped_count, "skipped"),
    ):
        yield f"  {count:>10,} {name}"
    report = row.report
    if returned := report.get("returned"):
        yield f"             {returned:,} of the added were removed as duplicates and purged; they stay in quarantine"
    for code, facts in report.get("skipped", {}).items():
        yield f"             {facts['count']:,} {code}: {facts['reason']}"
        yield from (f"               {_example(example)}" for example in facts["examples"])
    for name, count in report.get("availability", {}).items():
        yield f"  {count:>10,} {AVAILABILITY_WORDS.get(name, name)}"
    for name, facts in report.get("unparsed", {}).items():
        yield f"  {facts['count']:>10,} with {name} kept as text: {_values(facts)}"
    for name, facts in report.get("left_out", {}).items():
        yield f"  {facts['count']:>10,} with {name} left out, which cannot be read or is out of range: {_values(facts)}"
    if changed := report.get("changed_fields"):
        yield f"  Changed: {', '.join(f'{name} {count:,}' for name, count in changed.items())}"
    if row.vanished_count:
        removed = f"{row.pruned_count:,} removed" if row.pruned_count else "kept; --prune removes what vanished"
        yield f"  {row.vanished_count:>10,} vanished from the source, {removed}"
        yield from (f"               {name}" for name in report.get("vanished", []))
    if last := report.get("last_copies"):
        yield f"  {len(last):>10,} of them stay, the last of several copies. --prune-last-copies removes them too"
        yield from (f"               {name}" for name in last)
    if counts := report.get("playlists"):
        yield f"  Playlists: {', '.join(f'{count:,} {name.replace("_", " ")}' for name, count in counts.items())}"
        yield from (f"               no longer in the source: {name}" for name in report.get("vanished_playlists", []))
    for warning in report.get("warnings", []):
        place = f" (line {warning['line']:,})" if warning.get("line") else ""
        yield f"  Note: {warning['message']}{place}"
    what = "Dry run" if row.is_dry_run else "Import"
    yield f"{what} {row.pk}: {row.get_status_display().lower()}."


def asked_lines(row: LibraryImport) -> Iterator[str]:
    """Yield how an import was asked for as lines for a person."""
    options = row.options
    yield _("Into the iTunes reference catalogue") if row.is_catalog else _("Into the library")
    if row.is_dry_run:
        yield _("As a dry run, which changes nothing")
    for name, column in options["mapping"].items():
        yield _("%(field)s from the column “%(column)s”") % {"field": _(name.replace("_", " ")), "column": column}
    if options["id_column"]:
        yield _("Each track known by the column “%(column)s”") % {"column": options["id_column"]}
    if options["prune"]:
        yield _("Removing what vanished from the source")
    if options["keep_partial"]:
        yield _("Keeping what is readable of a damaged source")
    yield _("Read on %(computer)s") % {"computer": options["host"]}


AVAILABILITY_WORDS = {"local": "with a file", "cloud": "in the cloud only", "missing": "whose file is missing"}


def _values(facts: dict[str, Any]) -> str:
    examples = ", ".join(f"“{text[:40]}”" for text in facts["examples"])
    first = facts.get("first", {})  # reports of older imports have none
    place = f" (first in {_place(first)})" if first else ""
    return f"{examples}{place}"


def _place(facts: dict[str, Any]) -> str:
    return f"line {facts['line']:,}" if facts.get("line") else f"entry {facts.get('entry', 0):,}"


def _example(example: dict[str, Any]) -> str:
    place = _place(example)
    text = " ".join(str(example[name]) for name in ("name", "detail") if example.get(name))
    return f"{place}: {text}" if text else place


def _short(value: Any) -> Any:
    return value[:LONGEST_EXAMPLE] if isinstance(value, str) else value
