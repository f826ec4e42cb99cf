"""On PostgreSQL, look at no row of a result that is written under a claim, and delete results by the statement.

A result of a large library is half a million groups and members, and a foreign key looks at each by itself: a quarter
of what it cost to save one, and most of what it cost to delete one. These triggers do what the foreign keys did, refuse
a group without its analysis and a member without its group and delete what belongs to what is deleted, but all that
belongs to the rows of a statement at once. And they take the word of whoever saves a result and says so for the length
of a transaction (`bulk_rows.vouch_for_rows`): the claim has changed the row of the analysis in it, so whoever deletes
that has to wait, and members are written for the groups that were written before them.

SQLite keeps its foreign keys, which a refresh does without for the rows it copies (`library.sqlite_bulk`).
"""

from typing import Any

from django.db import migrations

ANALYSES, GROUPS, MEMBERS = (f"duplicates_duplicateanalysis{name}" for name in ("result", "group", "track"))
VOUCHED = "reprise.rows_are_vouched_for"
# (table, its column, whom it names, the key there)
BELONGS = ((GROUPS, "analysis_id", ANALYSES, "analysis_id"), (MEMBERS, "group_id", GROUPS, "id"))


def by_the_statement(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, column, owners, key in BELONGS:
        for statement in triggers(table, column, owners, key):
            schema_editor.execute(statement)
        for name in foreign_keys(schema_editor, table, column):
            schema_editor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def by_the_row(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    for table, column, owners, key in BELONGS:
        schema_editor.execute(
            f'ALTER TABLE {table} ADD CONSTRAINT "{table}_{column}_fk" FOREIGN KEY ({column}) '
            f"REFERENCES {owners} ({key}) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"
        )
        for name in ("needs", "goes_with"):
            schema_editor.execute(f"DROP FUNCTION {table}_{name}() CASCADE")


def foreign_keys(schema_editor: Any, table: str, column: str) -> list[str]:
    with schema_editor.connection.cursor() as cursor:
        constraints = schema_editor.connection.introspection.get_constraints(cursor, table)
    return [name for name, one in constraints.items() if one["foreign_key"] and one["columns"] == [column]]


def triggers(table: str, column: str, owners: str, key: str) -> tuple[str, ...]:
    is_there = f"EXISTS (SELECT FROM {owners} WHERE {key} = NEW.{column} FOR KEY SHARE)"
    # Looked at when the transaction ends; a row that has gone by then, with its owner perhaps, needs nothing.
    is_here = f"EXISTS (SELECT FROM {table} WHERE id = NEW.id)"
    # An array: a plan made for few rows must do for many, and the other way round.
    go_too = f"DELETE FROM {table} WHERE {column} = ANY (ARRAY(SELECT {key} FROM old_rows))"  # noqa: S608 (our own names)
    return (
        f"CREATE FUNCTION {table}_needs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {is_here} AND NOT {is_there} THEN "
        f"RAISE foreign_key_violation USING MESSAGE = 'A row of {table} needs the row that its {column} names.'; "
        f"END IF; RETURN NULL; END $$",
        f"CREATE CONSTRAINT TRIGGER {table}_needs AFTER INSERT OR UPDATE OF {column} ON {table} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        f"WHEN (current_setting('{VOUCHED}', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION {table}_needs()",
        f"CREATE FUNCTION {table}_goes_with() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {go_too}; RETURN NULL; END $$",
        f"CREATE TRIGGER {table}_goes_with AFTER DELETE ON {owners} REFERENCING OLD TABLE AS old_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_goes_with()",
    )


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0044_no_index_of_keys")]

    operations = [migrations.RunPython(by_the_statement, by_the_row)]
