"""Statements that differ between SQLite and PostgreSQL, or that several tables share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cellucid_core.database.owners import owner_mark


def upsert(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row; if there is one with its primary key, change the given columns instead."""
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    keys = [column.name for column in table.primary_key]
    insert = dialect.insert(table).values(**values)
    changed = {name: insert.excluded[name] for name in values if name not in keys}
    connection.execute(
        insert.on_conflict_do_update(index_elements=keys, set_=changed)
        if changed
        else insert.on_conflict_do_nothing(index_elements=keys)
    )


def one_at_a_time(connection: Connection, what: str) -> None:
    """Wait until no other transaction with the same `what` is open, since its rows may change what is decided here."""
    if connection.dialect.name == "postgresql":  # on SQLite only one transaction writes at a time
        number = int.from_bytes(hashlib.sha256(what.encode()).digest()[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(number)))


def pass_rows(
    connection: Connection,
    table: Table,
    source: str,
    target: str,
    only: Collection[str] | None = None,
    *which: ColumnElement[bool],
) -> tuple[str, ...]:
    """Give the rows of one owner to another, and return the keys of these rows.

    Parameters
    ----------
    connection
        The transaction in which rows are changed.
    table
        A table with a column ``owner`` and one column as its primary key.
    source, target
        The owners that have the rows before and after.
    only
        Keys of the rows to give; by default all.
    which
        Further conditions that the rows must fulfil.
    """
    (key,) = table.primary_key
    mine = [table.c.owner == owner_mark(source), *which, *([key.in_(only)] if only is not None else [])]
    return tuple(connection.scalars(update(table).where(*mine).values(owner=owner_mark(target)).returning(key)))
