"""The database itself: its schema, transactions, who lives, and what is taken over from before it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

from cellucid_core.database import (
    DatabaseRefused,
    browsers,
    close_databases,
    downloads,
    ended_sign_ins,
    forget_dead_servers,
    jobs,
    leave,
    links,
    living_servers,
    one_at_a_time,
    owner_mark,
    reading,
    this_server,
    uploads,
    upsert,
    workspace_owners,
    workspaces,
    writing,
)
from cellucid_core.database import schema as schema_module
from cellucid_core.database.tables import FILE, metadata, servers
from cellucid_core.errors import InputError
from tests.programs import Program
from tests.state import rows

ROOT = Path(__file__).parents[2]
ROW = {"id": "1", "kind": "k", "title": "t", "owner": "o", "key": "", "about": {}, "state": "done", "server": ""}
ROW |= {"uses": [float("nan"), "\x00\ud800"]}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLUCID_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    close_databases()


def test_the_migrations_make_the_tables_that_the_code_names(each_database):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == schema_module.HEAD
    folder = Path(schema_module.__file__).parent / "migrations" / "versions"
    assert max(file.name[:5] for file in folder.glob("v*.py")) == schema_module.HEAD


def test_all_is_written_or_nothing_and_reading_writes_nothing(each_database):
    with writing() as connection:
        connection.execute(insert(jobs).values(**ROW))
    with contextlib.suppress(KeyError), writing() as connection:
        connection.execute(insert(jobs).values(**{**ROW, "id": "2"}))
        raise KeyError
    with reading() as connection:
        connection.execute(insert(jobs).values(**{**ROW, "id": "3"}))
    with reading() as connection:
        (row,) = connection.execute(select(jobs)).all()
    assert (row.id, row.told, row.result, str(row.uses[0]), row.uses[1]) == ("1", False, None, "nan", "\x00\ud800")
    with pytest.raises(DatabaseRefused, match="database cannot be used"), writing() as connection:
        connection.execute(insert(jobs).values(**ROW))


def test_insert_or_change(each_database):
    with writing() as connection:
        upsert(connection, jobs, ROW)
        upsert(connection, jobs, {**ROW, "title": "other"})
        upsert(connection, ended_sign_ins, {"key": "k"})
        upsert(connection, ended_sign_ins, {"key": "k"})
    with reading() as connection:
        assert list(connection.scalars(select(jobs.c.title))) == ["other"]
        assert len(connection.execute(select(ended_sign_ins)).all()) == 1


def test_who_reads_and_then_writes_loses_nothing(each_database):
    with writing() as connection:
        connection.execute(insert(workspaces).values(name="w", revision=0))

    def grow(_):
        with writing() as connection:
            one_at_a_time(connection, "w")
            found = connection.scalar(select(workspaces.c.revision))
            connection.execute(update(workspaces).values(revision=found + 1))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(grow, range(40)))
    with reading() as connection:
        assert connection.scalar(select(workspaces.c.revision)) == 40


def test_rows_go_with_their_workspace(each_database):
    with writing() as connection:
        connection.execute(insert(workspaces).values(name="w", revision=0))
        connection.execute(insert(workspace_owners).values(owner="o", workspace="w"))
        connection.execute(insert(links).values(key="k", owner="o", dataset={}, workspace="w"))
        connection.execute(insert(links).values(key="free", owner="o", dataset={}))
    with writing() as connection:
        connection.execute(workspaces.delete())
        assert list(connection.scalars(select(links.c.key))) == ["free"]
        assert connection.execute(select(workspace_owners)).all() == []


def test_a_newer_database_is_left_alone(each_database):
    with writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'v9999'"))
    close_databases()
    with pytest.raises(InputError, match="newer version of the dashboard"), reading():
        pass


def test_many_begin_with_an_empty_home_at_once(home):
    program = "from cellucid_core.database import this_server; print(this_server())"
    begun = [Program(program) for _ in range(4)]
    ids = {process.wait().stdout.strip() for process in begun}
    assert len(ids) == 4
    assert {row["id"] for row in rows(home, "servers")} == ids
    with reading() as connection:
        assert living_servers(connection) == set()  # all have ended


def test_a_home_that_is_deleted_while_it_is_open_is_begun_again(home):
    with writing() as connection:
        connection.execute(insert(jobs).values(**ROW))
    shutil.rmtree(home)
    with writing() as connection:
        assert connection.execute(select(jobs)).all() == []
    assert (home / FILE).stat().st_mode & 0o077 == 0


def test_a_database_that_cannot_be_reached_is_a_sentence(home, monkeypatch):
    monkeypatch.setenv("CELLUCID_DATABASE", "postgresql://me:hidden@127.0.0.1:1/x")
    with pytest.raises(DatabaseRefused, match="database cannot be used") as told, reading():
        pass
    assert "hidden" not in str(told.value)
    monkeypatch.setenv("CELLUCID_DATABASE", "mysql://x/y")
    with pytest.raises(InputError, match="CELLUCID_DATABASE"), reading():
        pass
    monkeypatch.delenv("CELLUCID_DATABASE")
    home.mkdir()
    (home / FILE).write_bytes(b"not a database" * 100)
    with pytest.raises(DatabaseRefused, match="not a database"), reading():
        pass


def test_who_lives(each_database):
    me = this_server()
    now = time.time()
    machine = rows_of(servers)[0].machine
    others = {
        "elsewhere": ("m2", "1:1", now),
        "silent": ("m2", "1:1", now - 60),
        "unknown": ("", f"{os.getpid()}:1", now),
        "ended": (machine, "999999999:5", now),
        "another of its number": (machine, f"{os.getpid()}:1", now),
    }
    with writing() as connection:
        for one, (where, process, beat) in others.items():
            connection.execute(insert(servers).values(id=one, machine=where, process=process, beat=beat))
        assert living_servers(connection) == {me, "elsewhere", "unknown"}
        forget_dead_servers(connection)
    assert {row.id for row in rows_of(servers)} == {me, "elsewhere", "unknown"}
    leave()
    assert me not in {row.id for row in rows_of(servers)}
    assert this_server() != me


def rows_of(table):
    with reading() as connection:
        return connection.execute(select(table)).all()


NAME, KEY, PRINT, OLD = "a" * 64, "b" * 64, "c" * 64, "d" * 64
WORKSPACE = {"schema": 1, "revision": 7, "seed": "e" * 64, "datasets": {}}
UPLOAD = {"name": "x.h5ad", "size": 5, "owner": PRINT, "offset": 3, "changed": 5.0, "kept": ""}
LINK = {"key": KEY, "owner": "user-a", "dataset": {"path": "/x"}, "made": 1.0, "ends": 0.0, "last": 0.0, "reads": 0}
LINK |= {"sent": 0, "workspace": NAME}
JOB = {**ROW, "id": "1" * 32, "uses": [], "created": 1.0, "started": 2.0, "finished": 3.0, "result": 4, "error": None}


def old_home(home):
    """Write what a home from before the database holds, and something damaged of everything."""
    files = {
        f"workspaces/{NAME}/workspace.json": WORKSPACE,
        f"workspaces/{NAME}/opened": "",
        f"workspaces/{NAME}/pages-{'0' * 32}.json": {},
        f"workspaces/{OLD}/workspace.json": "{",
        f"workspaces/{OLD}/last-good.json": WORKSPACE,
        f"workspaces/{'f' * 64}/workspace.json": "{",
        f"workspaces/.{NAME}.lock": "",
        f"workspaces/owners/{KEY}.json": {"schema": 1, "workspaces": [OLD, NAME, "gone", 3]},
        f"workspaces/owners/{PRINT}.json": [],
        f"jobs/{'1' * 32}/job.json": {"schema": "cellucid-job", "version": 1, **JOB},
        f"jobs/{'1' * 32}/told": "",
        f"jobs/{'1' * 32}/x.zip": "bytes",
        f"jobs/{'2' * 32}/job.json": {"id": "2" * 32},
        f"incoming/{'3' * 40}.json": UPLOAD,
        f"incoming/{'3' * 40}.data": "abc",
        f"incoming/{'4' * 40}.json": {"owner": 5},
        f"downloads/{'t' * 43}.json": {"path": "/x.zip", "file_name": "x.zip", "browser": "user-a", "expires": 9e9},
        f"downloads/{'u' * 43}.json": "\x00",
        f"links/{KEY}.json": LINK,
        f"links/{KEY}.reads": {"reads": 5, "sent": 50, "last": 7.0},
        f"links/{OLD}.json": {**LINK, "workspace": "f" * 64},
        f"sign_ins/{PRINT}.json": {"user": "user-a", "key": KEY, "expires": 9e9, "allowed": ""},
        f"sign_ins/{PRINT}.gone": "user-a",
        f"sign_ins/{PRINT}.before": OLD,
        f"sign_ins/{PRINT}.way": {"workspace": NAME},
        f"sign_ins/{OLD}.gone": "",
        f"sign_ins/{KEY}.ended": "",
    }
    for name, content in files.items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(home / f"workspaces/{NAME}/opened", (100, 100))
    os.utime(home / f"workspaces/{NAME}/workspace.json", (50, 50))


def check_what_was_taken_over():
    found = {row.name: row for row in rows_of(workspaces)}
    assert found.keys() == {NAME, OLD}
    assert (found[NAME].content, found[NAME].revision, found[NAME].opened) == (WORKSPACE, 7, 100.0)
    owned = sorted(rows_of(workspace_owners), key=lambda row: -row.used)
    assert [(row.owner, row.workspace) for row in owned] == [(KEY, OLD), (KEY, NAME)]
    (job,) = rows_of(jobs)
    assert dict(job._mapping) == {**JOB, "told": True}
    (upload,) = rows_of(uploads)
    assert (upload.id, upload.offset, upload.owner) == ("3" * 40, 3, owner_mark(f"browser-{PRINT}"))
    (download,) = rows_of(downloads)
    assert (download.key, download.owner) == (hashlib.sha256(b"t" * 43).hexdigest(), owner_mark("user-a"))
    (link,) = rows_of(links)
    assert (link.key, link.reads, link.sent, link.last, link.workspace) == (KEY, 5, 50, 7.0, NAME)
    by_print = {row.print: row for row in rows_of(browsers)}
    signed_in = by_print[PRINT]
    assert (signed_in.sign_in["key"], signed_in.retired, signed_in.heir) == (KEY, True, "user-a")
    assert (signed_in.before, signed_in.way) == (OLD, {"workspace": NAME})
    assert (by_print[OLD].retired, by_print[OLD].heir, by_print[OLD].sign_in) == (True, "", None)
    assert [row.key for row in rows_of(ended_sign_ins)] == [KEY]


def test_an_old_home_goes_straight_into_postgresql(home, postgres_empty, monkeypatch):
    monkeypatch.setenv("CELLUCID_DATABASE", postgres_empty)
    old_home(home)
    check_what_was_taken_over()


def test_an_old_home_is_taken_over_once(home):
    old_home(home)
    check_what_was_taken_over()
    left = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith("state.db")} == {
        f"workspaces/{NAME}/pages-{'0' * 32}.json",
        f"jobs/{'1' * 32}/x.zip",
        f"incoming/{'3' * 40}.data",
    }
    close_databases()
    (home / f"jobs/{'1' * 32}/job.json").write_text(json.dumps({**JOB, "title": "again"}))
    assert [row.title for row in rows_of(jobs)] == ["t"]


def test_what_one_server_kept_in_sqlite_goes_on_in_postgresql(home, postgres_empty, monkeypatch):
    old_home(home)
    check_what_was_taken_over()
    monkeypatch.setenv("CELLUCID_DATABASE", postgres_empty)
    check_what_was_taken_over()
