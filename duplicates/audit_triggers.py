"""The database triggers that keep the audit trail append-only, for SQLite and PostgreSQL.

Whoever comes, the admin, the shell or a hand-typed statement: a record is written once and stays. Retention's own
delete is the only road out: inside its transaction it writes into `AuditRetention` up to which moment records may go.
`install` is safe to call again and again; `remove` is for those who wipe a whole database.
"""

from django.db import connections

TABLE, GATE = "duplicates_auditrecord", "duplicates_auditretention"
SENTENCE = "Audit records are append-only."
_MAY_GO = f"EXISTS (SELECT 1 FROM {GATE} WHERE OLD.created_at < deletable_before)"  # noqa: S608 (our own names)

# `INSERT OR REPLACE` deletes without telling a delete trigger, so it is refused on its way in.
_SQLITE = {
    "duplicates_audit_updated": f"BEFORE UPDATE ON {TABLE}",
    "duplicates_audit_deleted": f"BEFORE DELETE ON {TABLE} WHEN NOT {_MAY_GO}",
    "duplicates_audit_replaced": (
        f"BEFORE INSERT ON {TABLE} WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE id = NEW.id)"  # noqa: S608
    ),
}
_POSTGRESQL = {
    "duplicates_audit_changed": f"BEFORE UPDATE OR DELETE ON {TABLE} FOR EACH ROW",
    "duplicates_audit_emptied": f"BEFORE TRUNCATE ON {TABLE} FOR EACH STATEMENT",
}
_FUNCTION = "duplicates_audit_is_append_only"
_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF {_MAY_GO} THEN RETURN OLD; END IF;
    END IF;
    RAISE EXCEPTION '{SENTENCE}' USING ERRCODE = 'integrity_constraint_violation';
END $body$"""


def install(using: str) -> None:
    """Create the triggers where the table is; those that are there already stay or are renewed."""
    connection = connections[using]
    if not {TABLE, GATE} <= set(connection.introspection.table_names()):
        return
    statements = (
        _postgresql_statements()
        if connection.vendor == "postgresql"
        else [
            f"CREATE TRIGGER IF NOT EXISTS {name} {event} BEGIN SELECT RAISE(ABORT, '{SENTENCE}'); END"
            for name, event in _SQLITE.items()
        ]
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def remove(using: str) -> None:
    """Drop the triggers, for wiping a whole database; the next `migrate` or `flush` brings them back."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for name in _POSTGRESQL:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {TABLE}")
        else:
            for name in _SQLITE:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def _postgresql_statements() -> list[str]:
    return [_POSTGRESQL_FUNCTION] + [
        f"CREATE OR REPLACE TRIGGER {name} {event} EXECUTE FUNCTION {_FUNCTION}()"
        for name, event in _POSTGRESQL.items()
    ]
