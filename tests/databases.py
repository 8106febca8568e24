"""The databases that can hold a server's state: a test with the fixture `each_database` runs on both."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cellucid_core.database import close_databases, leave, reading
from cellucid_core.database.tables import metadata

#: If it is "required", tests that need PostgreSQL fail where it is missing; otherwise they are skipped.
_REQUIRED = os.environ.get("CELLUCID_POSTGRES") == "required"


def _programs() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


@contextlib.contextmanager
def postgres_running() -> Iterator[str]:
    """Run PostgreSQL on a free port; yield its address without the name of a database."""
    programs = _programs()
    assert programs is not None, "PostgreSQL is not installed"
    # It refuses to run as root; Debian's package makes an account for it.
    account = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if account:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        data = f"{folder}/data"
        run = {"cwd": folder, "check": True, "capture_output": True}
        subprocess.run(
            [*account, programs / "initdb", "-D", data, "-U", "cellucid", "-A", "trust", "-E", "UTF8", "-N"], **run
        )
        options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off -c max_connections=300"
        log = f"{folder}/log"
        # A file, not a pipe: the server would keep the pipe open after `pg_ctl` has ended.
        subprocess.run([*account, programs / "pg_ctl", "-D", data, "-w", "-l", log, "-o", options, "start"], **run)
        try:
            yield f"postgresql://cellucid@127.0.0.1:{port}"
        finally:
            subprocess.run([*account, programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **run)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[str]:
    """Start a PostgreSQL for this test run, with a migrated database to copy from; return its address."""
    if _programs() is None and not _REQUIRED:
        pytest.skip("PostgreSQL is not installed")
    with postgres_running() as address:
        _command(address, "CREATE DATABASE prepared")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CELLUCID_DATABASE", f"{address}/prepared")
            patch.setenv("CELLUCID_HOME", str(tmp_path_factory.mktemp("nothing-to-take-over")))
            with reading():
                pass
            close_databases()
        yield address


@pytest.fixture(scope="session")
def _shared(postgres) -> Iterator[tuple[str, str]]:
    """Return a database that tests use one after the other, and the version of its tables."""
    import psycopg

    with _database(postgres, "prepared") as address:
        with psycopg.connect(address) as connection:
            (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        yield address, version


@pytest.fixture
def postgres_empty(postgres) -> Iterator[str]:
    """Return the address of an empty database."""
    with _database(postgres, "template1") as address:
        yield address


@pytest.fixture
def postgres_database(_shared, monkeypatch) -> Iterator[str]:
    """Keep the server's state in a PostgreSQL database with empty tables; return its address."""
    import psycopg

    address, version = _shared
    monkeypatch.setenv("CELLUCID_DATABASE", address)
    yield address
    leave()  # this process, too, is a row
    # Emptied, not copied from the template again, which takes as long as the tests.
    with psycopg.connect(address) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for table in reversed(metadata.sorted_tables):
            connection.execute(f"DELETE FROM {table.name}")
        connection.execute("UPDATE alembic_version SET version_num = %s", [version])
    close_databases()  # threads that end may have opened it again


@contextlib.contextmanager
def _database(postgres: str, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    _command(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield f"{postgres}/{name}"
    close_databases()
    _command(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request, monkeypatch) -> str:
    """Run a test twice, with the state in SQLite and in PostgreSQL; return which."""
    if request.param == "postgresql":
        request.getfixturevalue("postgres_database")
    else:
        monkeypatch.delenv("CELLUCID_DATABASE", raising=False)
    return request.param


def _command(address: str, statement: str) -> None:
    import psycopg

    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        connection.execute(statement)
