"""The database triggers that write the change log, for SQLite and PostgreSQL.

Triggers, because a change must be recorded whichever way it comes: admin, import, queryset update, bulk operation,
cascade or a hand-typed statement. Both databases follow the same rules: only tracks outside quarantine count, entering
quarantine is `deleted`, leaving it is `added`, and an update that alters none of the matching fields records nothing.

PostgreSQL bumps the revision once a statement, SQLite once a row. `install` is safe to call again and again.
"""

import hashlib

from django.db import connections

# The fields the matcher reads. A change of any other field (a play, a rating, a path) is not a library change.
MATCHING_FIELDS = (
    "title",
    "artist",
    "album_artist",
    "album",
    "genre",
    "track_number",
    "disc_number",
    "year",
    "release_date",
    "duration_ms",
    "isrc",
    "musicbrainz_recording_id",
    "explicit",
    "compilation",
    "unparsed",
)
_BOOLEAN_FIELDS = frozenset({"explicit", "compilation"})

# (trigger name suffix, event, row that is meant, condition, kind recorded, whether `before` is kept)
_SQLITE_RULES = (
    ("inserted", "INSERT", "NEW", "NEW.quarantined_at IS NULL", "added", False),
    (
        "updated",
        "UPDATE",
        "NEW",
        "OLD.quarantined_at IS NULL AND NEW.quarantined_at IS NULL AND ({differs})",
        "modified",
        True,
    ),
    ("removed", "UPDATE", "NEW", "OLD.quarantined_at IS NULL AND NEW.quarantined_at IS NOT NULL", "deleted", True),
    ("restored", "UPDATE", "NEW", "OLD.quarantined_at IS NOT NULL AND NEW.quarantined_at IS NULL", "added", False),
    ("deleted", "DELETE", "OLD", "OLD.quarantined_at IS NULL", "deleted", True),
)


def fields_as_json(vendor: str, alias: str) -> str:
    """Return the SQL expression that shows a track's matching fields as JSON, the way `before` keeps them."""
    if vendor == "postgresql":
        pairs = ", ".join(f"'{name}', {alias}.{name}" for name in MATCHING_FIELDS)
        return f"jsonb_build_object({pairs})"
    pairs = ", ".join(f"'{name}', {_sqlite_value(alias, name)}" for name in MATCHING_FIELDS)
    return f"json_object({pairs})"


def differs_from_json(vendor: str, alias: str, json: str) -> str:
    """Return the SQL condition that a track's matching fields are not those a JSON as above holds.

    PostgreSQL compares them one by one, which takes half as long as building the JSON of what is there now.
    """
    if vendor != "postgresql":
        return f"{json} <> {fields_as_json(vendor, alias)}"
    return "(" + " OR ".join(_postgresql_difference(name, alias, json) for name in MATCHING_FIELDS) + ")"


def install(using: str) -> None:
    """Create the triggers that are missing or differ from those described here; leave the others alone."""
    connection = connections[using]
    if "library_track" not in connection.introspection.table_names():
        return
    if connection.vendor == "postgresql":
        _install_postgresql(using)
    else:
        _install_sqlite(using)


def _postgresql_difference(name: str, alias: str, json: str) -> str:
    column = f"{alias}.{name}"
    if name == "unparsed":
        return f"{column} IS DISTINCT FROM {json} -> '{name}'"
    # JSON has its own way of writing a date, whatever way the connection has.
    text = f"to_char({column}, 'YYYY-MM-DD')" if name == "release_date" else f"{column}::text"
    return f"{text} IS DISTINCT FROM {json} ->> '{name}'"


def _sqlite_value(alias: str, name: str) -> str:
    column = f"{alias}.{name}"
    if name in _BOOLEAN_FIELDS:
        return f"json(CASE {column} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)"
    return f"json({column})" if name == "unparsed" else column


def _sqlite_triggers() -> dict[str, str]:
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in MATCHING_FIELDS)
    statements = {}
    for suffix, event, row, condition, kind, keeps_before in _SQLITE_RULES:
        before = fields_as_json("sqlite", "OLD") if keeps_before else "NULL"
        name = f"library_track_{suffix}"
        statements[name] = (
            f"CREATE TRIGGER {name} AFTER {event} ON library_track WHEN {condition.format(differs=differs)} BEGIN "
            "INSERT INTO library_libraryrevision (id, value, cause) VALUES (1, 1, '') "
            "ON CONFLICT (id) DO UPDATE SET value = value + 1; "
            "INSERT INTO library_librarychange (revision, track_id, kind, cause, before) "
            f"SELECT value, {row}.id, '{kind}', cause, {before} FROM library_libraryrevision WHERE id = 1; "
            "END"
        )
    return statements


def _install_sqlite(using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'library_track'")
        present = dict(cursor.fetchall())
        for name, statement in _sqlite_triggers().items():
            if present.get(name) == statement:
                continue
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            cursor.execute(statement)


def _postgresql_function() -> str:
    differs = (
        f"({', '.join('o.' + name for name in MATCHING_FIELDS)}) IS DISTINCT FROM "
        f"({', '.join('n.' + name for name in MATCHING_FIELDS)})"
    )
    before = fields_as_json("postgresql", "o")
    changed = f"""
        SELECT n.id AS track_id,
               CASE WHEN o.quarantined_at IS NULL AND n.quarantined_at IS NULL THEN 'modified'
                    WHEN n.quarantined_at IS NULL THEN 'added' ELSE 'deleted' END AS kind,
               CASE WHEN o.quarantined_at IS NULL THEN {before} END AS before
        FROM old_rows o JOIN new_rows n ON n.id = o.id
        WHERE (o.quarantined_at IS NULL) <> (n.quarantined_at IS NULL)
           OR (o.quarantined_at IS NULL AND {differs})"""
    record = """
        INSERT INTO library_libraryrevision (id, value, cause) VALUES (1, 1, '')
        ON CONFLICT (id) DO UPDATE SET value = library_libraryrevision.value + 1
        RETURNING value, cause INTO the_revision, the_cause;
        INSERT INTO library_librarychange (revision, track_id, kind, cause, before)
        SELECT the_revision, c.track_id, c.kind, the_cause, c.before FROM ({rows}) c ORDER BY c.track_id;"""
    inserted = (
        "SELECT id AS track_id, 'added' AS kind, NULL::jsonb AS before FROM new_rows WHERE quarantined_at IS NULL"
    )
    deleted = (
        f"SELECT id AS track_id, 'deleted' AS kind, {before} AS before FROM old_rows o WHERE quarantined_at IS NULL"
    )

    def branch(rows: str) -> str:
        return f"IF EXISTS ({rows}) THEN {record.format(rows=rows)} END IF;"

    return f"""
CREATE OR REPLACE FUNCTION library_record_track_changes() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE the_revision bigint; the_cause text;
BEGIN
    IF TG_OP = 'INSERT' THEN {branch(inserted)}
    ELSIF TG_OP = 'UPDATE' THEN {branch(changed)}
    ELSE {branch(deleted)}
    END IF;
    RETURN NULL;
END $body$"""


def _install_postgresql(using: str) -> None:
    tables = {"INSERT": "NEW TABLE AS new_rows", "DELETE": "OLD TABLE AS old_rows"}
    tables["UPDATE"] = f"{tables['DELETE']} {tables['INSERT']}"
    statements = [_postgresql_function()] + [
        f"CREATE OR REPLACE TRIGGER library_track_{event.lower()} AFTER {event} ON library_track "
        f"REFERENCING {rows} FOR EACH STATEMENT EXECUTE FUNCTION library_record_track_changes()"
        for event, rows in tables.items()
    ]
    version = hashlib.sha256("".join(statements).encode()).hexdigest()
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE t.tgrelid = 'library_track'::regclass AND p.proname = 'library_record_track_changes' "
            "AND obj_description(p.oid, 'pg_proc') = %s",
            [version],
        )
        if cursor.fetchone()[0] == len(tables):
            return
        for statement in statements:
            cursor.execute(statement)
        cursor.execute(f"COMMENT ON FUNCTION library_record_track_changes() IS '{version}'")
