"""On PostgreSQL, look at the rows of a result by the statement instead of one by one.

A result of a large library is half a million groups and members, and a foreign key looks at each by itself: a quarter
of what it cost to save one, and most of what it cost to delete one. These triggers refuse what a foreign key refuses, a
group without its analysis and a member without its group, and delete what it deletes, for all rows of a statement at
once. What a foreign key does beside that is keep the row referred to from being deleted meanwhile. Here the claim does:
whoever writes groups has changed the row of their analysis in the same transaction, and whoever deletes it has to wait.

SQLite keeps its foreign keys, which a refresh does without for the rows it copies (`library.sqlite_bulk`).
"""

from typing import Any

from django.db import migrations

ANALYSES, GROUPS, MEMBERS = (f"duplicates_duplicateanalysis{name}" for name in ("result", "group", "track"))
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
        for name in ("needs", "stays", "goes_with"):
            schema_editor.execute(f"DROP FUNCTION {table}_{name}() CASCADE")


def foreign_keys(schema_editor: Any, table: str, column: str) -> list[str]:
    with schema_editor.connection.cursor() as cursor:
        constraints = schema_editor.connection.introspection.get_constraints(cursor, table)
    return [name for name, one in constraints.items() if one["foreign_key"] and one["columns"] == [column]]


def triggers(table: str, column: str, owners: str, key: str) -> tuple[str, ...]:
    # A look-up for each owner and arrays: a plan made for few rows must do for many, and the other way round.
    missing = (
        f"EXISTS (SELECT FROM (SELECT DISTINCT {column} FROM new_rows) n "  # noqa: S608 (our own names)
        f"WHERE (SELECT o.{key} FROM {owners} o WHERE o.{key} = n.{column}) IS NULL)"
    )
    refuse = f"RAISE foreign_key_violation USING MESSAGE = 'A row of {table} needs the row that its {column} names.'"
    return (
        f"CREATE FUNCTION {table}_needs() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {missing} THEN {refuse}; END IF; RETURN NULL; END $$",
        f"CREATE TRIGGER {table}_needs AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_needs()",
        f"CREATE FUNCTION {table}_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse}; END $$",
        f"CREATE TRIGGER {table}_stays BEFORE UPDATE OF {column} ON {table} FOR EACH ROW "
        f"WHEN (OLD.{column} <> NEW.{column}) EXECUTE FUNCTION {table}_stays()",
        f"CREATE FUNCTION {table}_goes_with() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "  # noqa: S608 (likewise)
        f"DELETE FROM {table} WHERE {column} = ANY (ARRAY(SELECT {key} FROM old_rows)); RETURN NULL; END $$",
        f"CREATE TRIGGER {table}_goes_with AFTER DELETE ON {owners} REFERENCING OLD TABLE AS old_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_goes_with()",
    )


class Migration(migrations.Migration):
    dependencies = [("duplicates", "0044_no_index_of_keys")]

    operations = [migrations.RunPython(by_the_statement, by_the_row)]
