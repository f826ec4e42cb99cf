"""On PostgreSQL, look for the people a group names only where it names any.

A foreign key has each row that is written looked at when the transaction ends, whether it refers to somebody or to
nobody; 150,000 groups of a result refer to nobody, twice. These triggers do what the foreign keys did, for the few rows
that name a person: refuse one who is not there, and forget one who is deleted.
"""

from typing import Any

from django.conf import settings
from django.db import migrations

GROUPS = "duplicates_duplicateanalysisgroup"
COLUMNS = ("resolved_by_id", "keeper_chosen_by_id")


def by_triggers(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    people, key = owners(apps)
    for column in COLUMNS:
        for statement in triggers(column, people, key):
            schema_editor.execute(statement)
        for name in foreign_keys(schema_editor, column):
            schema_editor.execute(f'ALTER TABLE {GROUPS} DROP CONSTRAINT "{name}"')


def by_foreign_keys(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor != "postgresql":
        return
    people, key = owners(apps)
    for column in COLUMNS:
        schema_editor.execute(
            f'ALTER TABLE {GROUPS} ADD CONSTRAINT "{GROUPS}_{column}_fk" FOREIGN KEY ({column}) '
            f"REFERENCES {people} ({key}) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"
        )
        for name in ("there", "forgotten"):
            schema_editor.execute(f"DROP FUNCTION {GROUPS}_{column}_{name}() CASCADE")


def owners(apps: Any) -> tuple[str, str]:
    person = apps.get_model(settings.AUTH_USER_MODEL)._meta
    return person.db_table, person.pk.column


def foreign_keys(schema_editor: Any, column: str) -> list[str]:
    with schema_editor.connection.cursor() as cursor:
        constraints = schema_editor.connection.introspection.get_constraints(cursor, GROUPS)
    return [name for name, one in constraints.items() if one["foreign_key"] and one["columns"] == [column]]


def triggers(column: str, people: str, key: str) -> tuple[str, ...]:
    is_there = f"EXISTS (SELECT FROM {people} WHERE {key} = NEW.{column} FOR KEY SHARE)"
    # Looked at when the transaction ends; a row that has gone by then, or names another, needs nothing.
    still_named = f"EXISTS (SELECT FROM {GROUPS} WHERE id = NEW.id AND {column} = NEW.{column})"
    # An array: a plan made for few rows must do for many, and the other way round.
    gone = f"{column} = ANY (ARRAY(SELECT {key} FROM old_rows))"  # noqa: S608 (our own names)
    forget = f"UPDATE {GROUPS} SET {column} = NULL WHERE {gone}"  # noqa: S608 (likewise)
    return (
        f"CREATE FUNCTION {GROUPS}_{column}_there() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF {still_named} AND NOT {is_there} THEN RAISE foreign_key_violation "
        f"USING MESSAGE = 'A row of {GROUPS} needs the person that its {column} names.'; END IF; RETURN NULL; END $$",
        f"CREATE CONSTRAINT TRIGGER {GROUPS}_{column}_there AFTER INSERT OR UPDATE OF {column} ON {GROUPS} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        f"WHEN (NEW.{column} IS NOT NULL) EXECUTE FUNCTION {GROUPS}_{column}_there()",
        f"CREATE FUNCTION {GROUPS}_{column}_forgotten() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {forget}; RETURN NULL; END $$",
        f"CREATE TRIGGER {GROUPS}_{column}_forgotten AFTER DELETE ON {people} REFERENCING OLD TABLE AS old_rows "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {GROUPS}_{column}_forgotten()",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("duplicates", "0047_search_by_two_letters"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(by_triggers, by_foreign_keys)]
