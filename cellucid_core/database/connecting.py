"""Transactions with the database: SQLite in ``CELLUCID_HOME``, or the PostgreSQL that ``CELLUCID_DATABASE`` names.

Nothing has to be set up: tables that are missing are created when the first transaction begins.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cellucid_core.cache import cellucid_home
from cellucid_core.configuration import read_configuration
from cellucid_core.database.schema import prepare
from cellucid_core.database.tables import FILE
from cellucid_core.errors import InputError, WorkRefused

#: Seconds that a transaction on SQLite waits for others to end.
_PATIENCE = 30.0
#: Number of databases that stay open; a process needs more than one only if it changes its home.
_MOST_OPEN = 4


class DatabaseRefused(WorkRefused):
    """The database cannot be reached or written to."""

    def __init__(self, error: Exception) -> None:
        told = str(getattr(error, "orig", None) or error).strip().splitlines()
        super().__init__(
            f"The server's database cannot be used ({told[0] if told else type(error).__name__}).",
            "Try again in a moment; if that does not help, tell the server's operator.",
        )


@dataclass(frozen=True)
class _Open:
    engine: Engine
    file: tuple[int, int] | None  # device and number of SQLite's file


_opened: dict[str, _Open] = {}
_opening = threading.Lock()


def database_url() -> URL:
    """Return the address of the database.

    Raises
    ------
    InputError
        If the home folder cannot be used.
    """
    given = read_configuration().database
    if given:
        return make_url(given).set(drivername="postgresql+psycopg")
    return URL.create("sqlite", database=str(cellucid_home() / FILE))


@contextmanager
def reading() -> Iterator[Connection]:
    """Yield a connection for reading; whatever is written through it is rolled back.

    Raises
    ------
    DatabaseRefused
        If the database cannot be used.
    InputError
        If the home folder or the driver of PostgreSQL is missing, or a newer version has changed the tables.
    """
    with _transaction(writing=False) as connection:
        yield connection


@contextmanager
def writing() -> Iterator[Connection]:
    """Yield a connection whose changes are all written when the block ends; if the block raises, none is.

    On SQLite nobody else can write meanwhile: keep the block short, and open no other `writing` in it.

    Raises
    ------
    DatabaseRefused, InputError
        As `reading`.
    """
    with _transaction(writing=True) as connection:
        yield connection


def close_databases() -> None:
    """Close all connections of this process; the next transaction opens them again."""
    with _opening:
        for one in _opened.values():
            one.engine.dispose()
        _opened.clear()


@contextmanager
def _transaction(*, writing: bool) -> Iterator[Connection]:
    try:
        with _engine().connect().execution_options(writing=writing) as connection, connection.begin() as transaction:
            yield connection
            if not writing:
                transaction.rollback()
    except (DBAPIError, PoolTimeout) as error:
        raise DatabaseRefused(error) from error


def _engine() -> Engine:
    url = database_url()
    known = _opened.get(str(url))
    if known is not None and _file_of(url) == known.file:
        return known.engine
    with _opening:
        known = _opened.pop(str(url), None)
        if known is not None and _file_of(url) == known.file:  # another thread has opened it meanwhile
            _opened[str(url)] = known
            return known.engine
        if known is not None:  # the home was deleted while it was open
            known.engine.dispose()
        while len(_opened) >= _MOST_OPEN:
            _opened.pop(next(iter(_opened))).engine.dispose()
        engine = _made(url)
        try:
            prepare(engine)
        except BaseException:
            engine.dispose()
            raise
        _opened[str(url)] = _Open(engine, _file_of(url))
    return engine


def _file_of(url: URL) -> tuple[int, int] | None:
    if url.get_backend_name() != "sqlite":
        return None
    try:
        status = Path(str(url.database)).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _made(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        try:
            return create_engine(url, pool_size=4, max_overflow=60, pool_pre_ping=True)
        except (ImportError, NoSuchModuleError):
            raise InputError(
                "CELLUCID_DATABASE names PostgreSQL, for which a package is missing.",
                'Run: pip install "cellucid-dashboard[postgres]", or pip install "psycopg[binary]".',
            ) from None
    path = Path(str(url.database))
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))  # only the server's account may read it
    engine = create_engine(url, pool_size=4, max_overflow=60, connect_args={"timeout": _PATIENCE})

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # `_begin` begins transactions instead
        for pragma in ("journal_mode = WAL", "foreign_keys = ON", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Two transactions that read first and write later would block each other: one that writes locks at its start.
        writes = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
