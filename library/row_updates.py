"""Writes different values into many rows with one prepared statement, where the ORM would build one of their length."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models


def update_rows(model: type[models.Model], names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write the fields named into rows that are there; each row is its primary key and then its values, in order."""
    key, *columns = (_column(model, name) for name in ("pk", *names))
    assignments = ", ".join(f"{_name(column)} = %s" for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    statement = f"UPDATE {table} SET {assignments} WHERE {_name(key)} = %s"  # noqa: S608 (our own names)
    values = [
        [
            column.get_db_prep_save(value, connection)
            for column, value in zip((*columns, key), (*row[1:], row[0]), strict=True)
        ]
        for row in rows
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(statement, values)


def _name(column: "models.Field[Any, Any]") -> str:
    return connection.ops.quote_name(column.column or column.attname)


def _column(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    column = model._meta.pk if name == "pk" else model._meta.get_field(name)
    assert isinstance(column, models.Field)
    return column
