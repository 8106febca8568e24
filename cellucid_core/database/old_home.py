"""Take over, once, the JSON files of a home from before the database, or the SQLite of a server that had no PostgreSQL.

Files with data stay where they are. A record that cannot be read is left out, as older versions did.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, create_engine, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from cellucid_core.database import tables
from cellucid_core.database.owners import owner_mark

_HASH = re.compile(r"[0-9a-f]{64}")
Row = dict[str, Any]


def take_over(connection: Connection, home: Path) -> None:
    """Fill new tables with what an older version, or this version with SQLite, kept in a home."""
    if connection.dialect.name != "sqlite" and (home / tables.FILE).is_file():
        _copy(home / tables.FILE, connection)
        return
    _insert(connection, tables.workspaces, _workspaces(home))
    for pattern, table, rows_of in (
        ("workspaces/owners/*.json", tables.workspace_owners, _workspace_owners),
        ("jobs/*/job.json", tables.jobs, _job),
        ("incoming/*.json", tables.uploads, _upload),
        ("downloads/*.json", tables.downloads, _download),
        ("links/*.json", tables.links, _link),
    ):
        for file in home.glob(pattern):
            with suppress(KeyError, TypeError, AttributeError):
                _insert(connection, table, rows_of(file, _read(file) or {}))
    _insert(connection, tables.browsers, _browsers(home))
    _insert(connection, tables.ended_sign_ins, _ended_sign_ins(home))


def forget_old_home(home: Path) -> None:
    """Delete the files that were taken over."""
    for pattern in (
        "workspaces/*/workspace.json",
        "workspaces/*/last-good.json",
        "workspaces/*/opened",
        "workspaces/.*.lock",
        "jobs/*/job.json",
        "jobs/*/told",
        "incoming/*.json",
        "incoming/*.lock",
    ):
        for file in home.glob(pattern):
            file.unlink(missing_ok=True)
    for pattern in ("workspaces/owners", "workspaces/.*.deleted", "jobs/.servers", "downloads", "links", "sign_ins"):
        for folder in home.glob(pattern):
            shutil.rmtree(folder, ignore_errors=True)


def _copy(file: Path, connection: Connection) -> None:
    source = create_engine(URL.create("sqlite", database=str(file)))
    try:
        with source.connect() as old:
            for table in tables.metadata.sorted_tables:
                _insert(connection, table, (dict(row._mapping) for row in old.execute(select(table))))
    finally:
        source.dispose()


def _insert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    for row in rows:
        with suppress(SQLAlchemyError), connection.begin_nested():  # a record that the database refuses is left out
            connection.execute(insert(table).values(**row))


def _workspaces(home: Path) -> Iterator[Row]:
    for folder in home.glob("workspaces/*"):
        both = (_read(folder / "workspace.json"), _read(folder / "last-good.json"))
        content = next((one for one in both if one is not None and isinstance(one.get("datasets"), dict)), None)
        if _HASH.fullmatch(folder.name) and content is not None:
            revision = content.get("revision")
            yield {
                "name": folder.name,
                "revision": revision if isinstance(revision, int) else 0,
                "content": content,
                "opened": max(_changed(folder / "opened"), _changed(folder / "workspace.json")),
            }


def _workspace_owners(file: Path, content: Row) -> Iterator[Row]:
    for place, name in enumerate(content["workspaces"]):  # listed with the one used last first
        yield {"owner": file.stem, "workspace": name, "used": _changed(file) - place}


def _job(file: Path, content: Row) -> Iterator[Row]:
    if content["id"] == file.parent.name:
        row = {column.name: content[column.name] for column in tables.jobs.c if column.name != "told"}
        yield row | {"told": (file.parent / "told").exists()}


def _upload(file: Path, content: Row) -> Iterator[Row]:
    row = {name: content[name] for name in ("name", "size", "offset", "changed", "kept")}
    yield row | {"id": file.stem, "owner": _holder_mark(content["owner"]), "writer": ""}


def _download(file: Path, content: Row) -> Iterator[Row]:
    row = {name: content[name] for name in ("path", "file_name", "expires")}
    key = hashlib.sha256(file.stem.encode()).hexdigest()
    yield row | {"key": key, "owner": _holder_mark(content["browser"])}


def _link(file: Path, content: Row) -> Iterator[Row]:
    content |= _read(file.with_suffix(".reads")) or {}
    row = {name: content[name] for name in ("dataset", "made", "ends", "last", "reads", "sent")}
    owner, workspace = owner_mark(content["owner"]), content.get("workspace") or None
    yield row | {"key": file.stem, "owner": owner, "workspace": workspace}


def _holder_mark(holder: str) -> str:
    """Return the mark of an owner as old uploads name it: a user, or the bare fingerprint of a browser."""
    return owner_mark(holder if holder.startswith("user-") else f"browser-{holder}")


def _browsers(home: Path) -> Iterator[Row]:
    folder = home / "sign_ins"
    prints = {file.stem for file in folder.glob("*") if file.suffix in (".json", ".gone", ".before", ".way")}
    for one in sorted(filter(_HASH.fullmatch, prints)):
        files = [folder / f"{one}{suffix}" for suffix in (".json", ".gone", ".before", ".way")]
        yield {
            "print": one,
            "sign_in": _read(files[0]),
            "retired": files[1].exists(),
            "heir": _text(files[1]),
            "before": _text(files[2]),
            "way": _read(files[3]),
            "changed": max(map(_changed, files)),
        }


def _ended_sign_ins(home: Path) -> Iterator[Row]:
    for file in home.glob("sign_ins/*.ended"):
        if _HASH.fullmatch(file.stem):
            yield {"key": file.stem, "ended": _changed(file)}


def _read(file: Path) -> Row | None:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0
