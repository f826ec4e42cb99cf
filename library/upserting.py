"""Adds and updates the rows of one source: found by key, compared field by field, written only where they differ.

Statements are put together here instead of by the ORM because an import writes a hundred thousand rows; values go
through the model's own fields wherever a database takes them in another form than Python has them. The caller looks
after the transaction.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import batched
from typing import Any

from django.db import connection, models

from library import quarantine
from library.copying import copy_rows
from library.importers.records import TRACK_FIELDS
from library.models import ITunesTrack, Merge, Track
from library.returning import keepers_gone, welcoming

ROWS_A_STATEMENT = 100

type Row = list[Any]
type Updates = dict[tuple[int, ...], list[Row]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where an import goes: the library's tracks, or the iTunes reference catalogue."""

    model: type[models.Model]
    source_field: str
    key_field: str
    longest_key: int
    has_playlists: bool

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a source may state that this model has."""
        names = {model_field.name for model_field in self.model._meta.concrete_fields}
        return tuple(name for name in TRACK_FIELDS if name in names)

    def rows_of(self, source: str) -> models.QuerySet[Any]:
        return self.model._default_manager.filter(**{self.source_field: source})


LIBRARY = Target(Track, "source", "source_track_id", 300, has_playlists=True)
CATALOG = Target(ITunesTrack, "catalog", "persistent_id", 16, has_playlists=False)


@dataclass(slots=True)
class BatchOutcome:
    """What a batch did, or would do."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    returned: int = 0
    changed_fields: Counter[str] = field(default_factory=Counter)


class RowWriter:
    """Adds and updates the rows of one source. A row is `[key, value, …]` with the values in the order of `fields`."""

    def __init__(self, target: Target, *, source: str, fields: Sequence[str], import_id: Any) -> None:
        self._target = target
        self._source = source
        self._import_id = import_id
        self._fields = tuple(fields)
        self._columns = {name: _column_of(target.model, name) for name in fields}
        self._readers = [(place, _READERS[name]) for place, name in enumerate(fields, start=1) if name in _READERS]
        self._prepared = [place for place, name in enumerate(fields, start=1) if name in _PREPARED]
        self._table = connection.ops.quote_name(target.model._meta.db_table)
        self._nothing_unparsed = _column_of(Track, "unparsed").get_db_prep_save({}, connection)
        self._constants = self._constant_columns()

    def apply(self, rows: Iterable[Row], *, writes: bool = True) -> BatchOutcome:
        """Add the new rows and update the changed ones; with `writes` off, only say what would happen."""
        incoming = {row[0]: self._as_python(row) for row in rows}
        outcome = BatchOutcome()
        updates: defaultdict[tuple[int, ...], list[Row]] = defaultdict(list)
        known_ids = self._known_ids(list(incoming))
        own = quarantine.own_values_of(known_ids) if self._follows_merges() else {}
        for known in self._existing(known_ids):
            row = incoming.pop(known[-1])
            # What a merge made of a field is not what the source said last time.
            said = own.get(known[0], {})
            # The stored row has its primary key where the incoming one has its key.
            places = tuple(
                place for place in range(1, len(row)) if row[place] != said.get(self._fields[place - 1], known[place])
            )
            if places:
                updates[places].append([known[0], *row[1:]])
            outcome.unchanged += not places
            outcome.changed += bool(places)
        outcome.added = len(incoming)
        back = self._returning(incoming)
        outcome.returned = len(back)
        for places, changed in updates.items():
            outcome.changed_fields.update({self._fields[place - 1]: len(changed) for place in places})
        if writes:
            keepers = {key: pk for key, pk in self._keepers_gone(incoming).items() if key not in back}
            self._insert([row for key, row in incoming.items() if key not in back and key not in keepers])
            with welcoming(keepers.values()):
                self._insert_as_they_were([(pk, None, incoming[key]) for key, pk in keepers.items()])
            self._insert_as_they_were(
                [(merge.track_id, merge.removed_at, incoming[key]) for key, merge in back.items()]
            )
            self._update(updates)
            if self._follows_merges():
                quarantine.follow_import(self._written(updates, back.values()))
        return outcome

    # --- Removed copies and their keepers -------------------------------------------------------------------------

    def _follows_merges(self) -> bool:
        return self._target is LIBRARY and Merge.objects.exists()

    def _returning(self, incoming: dict[str, Row]) -> dict[str, Merge]:
        """Return the copies, by key, that were removed and purged here and are still there at the source."""
        if not incoming or not self._follows_merges():
            return {}
        found = Merge.objects.filter(source=self._source, source_track_id__in=list(incoming))
        return {merge.source_track_id: merge for merge in found}

    def _keepers_gone(self, incoming: dict[str, Row]) -> dict[str, int]:
        """Return the primary keys that pruned keepers had which the source has again, by key."""
        return keepers_gone(self._source, incoming) if incoming and self._follows_merges() else {}

    def _insert_as_they_were(self, rows: Iterable[tuple[int, datetime | None, Row]]) -> None:
        """Write tracks that come back, each as the row it was: keepers, and removed copies into quarantine."""
        Track.objects.bulk_create(
            Track(
                pk=track_id,
                source=self._source,
                source_track_id=row[0],
                quarantined_at=removed_at,
                last_import_id=self._import_id,
                **dict(zip(self._fields, row[1:], strict=True)),
            )
            for track_id, removed_at, row in rows
        )

    def _written(self, updates: Updates, back: Iterable[Merge]) -> dict[int, set[str]]:
        """Return the fields that were written, by track."""
        written = {
            row[0]: {self._fields[place - 1] for place in places} for places, rows in updates.items() for row in rows
        }
        return written | {merge.track_id: set(self._fields) for merge in back}

    def _as_python(self, row: Row) -> Row:
        """Return the row with dates and moments as such; JSON has only their text."""
        row = list(row)
        for place, read in self._readers:
            if row[place] is not None:
                row[place] = read(row[place])
        return row

    def _known_ids(self, keys: list[str]) -> list[int]:
        """Return the primary keys of the stored rows. Most batches are all new, which the index alone can tell."""
        quote = connection.ops.quote_name
        source, key = quote(self._target.source_field), quote(self._target.key_field)
        if connection.vendor == "postgresql":
            # One look-up a key. Of a table it has no statistics of yet, the planner of an IN reads every row of the
            # source instead: an import of a million rows took a quarter of an hour.
            query = (
                f"SELECT (SELECT t.id FROM {self._table} t WHERE t.{source} = %s AND t.{key} = k.key) "  # noqa: S608
                "FROM unnest(%s::text[]) AS k(key)"
            )
            values: list[Any] = [self._source, keys]
        else:
            marks = ", ".join(["%s"] * len(keys))
            query = f"SELECT id FROM {self._table} WHERE {source} = %s AND {key} IN ({marks})"  # noqa: S608
            values = [self._source, *keys]
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return [row[0] for row in cursor.fetchall() if row[0] is not None]

    def _existing(self, known_ids: list[int]) -> Iterable[Sequence[Any]]:
        """Return the stored rows, key last."""
        if not known_ids:
            return ()
        rows = self._target.model._default_manager.filter(pk__in=known_ids)
        return rows.values_list("pk", *self._fields, self._target.key_field).iterator(chunk_size=ROWS_A_STATEMENT)

    def _constant_columns(self) -> dict[str, Any]:
        """Return the columns this source says nothing of, with the values a new row starts with."""
        stated = {*self._fields, self._target.source_field, self._target.key_field}
        constants = {}
        for column in self._target.model._meta.concrete_fields:
            if column.primary_key or column.name in stated or column.has_db_default():
                continue
            value = self._import_id if column.name == "last_import" else column.get_default()
            constants[str(column.column)] = column.get_db_prep_save(value, connection)
        return constants

    def _as_database(self, row: Row) -> Row:
        """Return the row as the database takes it. Text and numbers are the same on both sides."""
        for place in self._prepared:
            if row[place] == {}:
                row[place] = self._nothing_unparsed
            elif row[place] is not None:
                row[place] = self._columns[self._fields[place - 1]].get_db_prep_save(row[place], connection)
        return row

    def _insert(self, rows: list[Row]) -> None:
        names = [self._target.source_field, self._target.key_field, *self._fields, *self._constants]
        if connection.vendor == "postgresql":
            constants = self._constants.values()
            prepared = ((self._source, *self._as_database(row), *constants) for row in rows)
            copy_rows(self._target.model._meta.db_table, names, prepared)
        else:
            self._insert_by_statement(names, rows)

    def _insert_by_statement(self, names: list[str], rows: list[Row]) -> None:
        columns = ", ".join(map(connection.ops.quote_name, names))
        head = f"INSERT INTO {self._table} ({columns}) VALUES "  # noqa: S608 (our own column names)
        # Constants stand in the statement itself where they can: twenty parameters fewer a row.
        literals = [_LITERALS.get(repr(value), "%s") for value in self._constants.values()]
        marks = f"({', '.join(['%s'] * (2 + len(self._fields)) + literals)})"
        rest = [value for value in self._constants.values() if repr(value) not in _LITERALS]
        prepared = [[self._source, *self._as_database(row), *rest] for row in rows]
        with connection.cursor() as cursor:
            # Many rows a statement: SQLite sets up its way back once a statement.
            for part in batched(prepared, ROWS_A_STATEMENT):
                cursor.execute(head + ", ".join([marks] * len(part)), [value for row in part for value in row])

    def _update(self, updates: Updates) -> None:
        """Update each group of rows in the columns that changed there, and no others."""
        import_id = self._constants["last_import_id"]
        with connection.cursor() as cursor:
            for places, rows in updates.items():
                names = [*(self._fields[place - 1] for place in places), "last_import_id"]
                assignments = ", ".join(f"{connection.ops.quote_name(name)} = %s" for name in names)
                cursor.executemany(
                    f"UPDATE {self._table} SET {assignments} WHERE id = %s",  # noqa: S608 (our own column names)
                    [[*(row[place] for place in places), import_id, row[0]] for row in map(self._as_database, rows)],
                )


def _column_of(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    column = model._meta.get_field(name)
    assert isinstance(column, models.Field)
    return column


_READERS: dict[str, Callable[[str], Any]] = {
    "release_date": date.fromisoformat,
    "last_played_at": datetime.fromisoformat,
    "added_at": datetime.fromisoformat,
}
_LITERALS = {"None": "NULL", "''": "''", "0": "0", "False": "FALSE"}
# Fields whose values a database takes in another form than Python has them.
_PREPARED = frozenset({*_READERS, "unparsed"})
