"""Statements that the databases write differently, or that several tables share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cellucid_core.database.owners import owner_mark


def upsert(connection: Connection, table: Table, values: Mapping[str, Any]) -> None:
    """Insert a row, or change the columns that are given where a row with its primary key is there."""
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
    """Wait until no other transaction that named the same is open; for what depends on rows that may be added."""
    if connection.dialect.name == "postgresql":  # on SQLite nobody else writes anyhow
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
    """Give another owner the rows of one, and return the keys of those that went.

    Parameters
    ----------
    connection
        With the transaction in which all goes.
    table
        With a column ``owner`` and one column as its primary key.
    source, target
        The owners.
    only
        The keys of those that go; by default all.
    which
        What must hold of them besides.
    """
    (key,) = table.primary_key
    mine = [table.c.owner == owner_mark(source), *which, *([key.in_(only)] if only is not None else [])]
    return tuple(connection.scalars(update(table).where(*mine).values(owner=owner_mark(target)).returning(key)))
