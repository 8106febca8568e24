"""The library's entries on the server, which everybody can use: a folder each, with the portable file and a record."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from cellucid_core.cache import home_folder
from cellucid_core.database import entry_owners, owner_mark, pass_rows, reading, writing
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.library.formats import write_h5
from cellucid_core.library.model import Signature
from cellucid_core.names import safe_key

_FILE, _RECORD = "signature.h5", "record.json"
_HIDDEN = "."
#: The entry that comes with the program: a folder like the others, beside this file.
_EXAMPLE = "example"
_KEY_TYPES = 6


@dataclass(frozen=True)
class Entry:
    """One signature of the library, as the table shows it.

    Attributes
    ----------
    id
        Name of its folder.
    dataset, source, created_at
        As in `Signature`.
    added_at
        When it was added to the library (ISO 8601).
    size
        Bytes of the portable file.
    levels
        Per level: ``level``, ``cell_types`` (name → cells), ``genes``, ``hvgs``, ``degs``.
    record
        `Signature.record`.
    """

    id: str
    dataset: str
    source: str
    created_at: str
    added_at: str
    size: int
    levels: list[dict[str, Any]]
    record: dict[str, Any]
    _owner: str

    def owned_by(self, owner: str) -> bool:
        """Tell whether it belongs to an owner: who added it, or to whom it was passed."""
        with reading() as connection:
            known = connection.scalar(select(entry_owners.c.owner).where(entry_owners.c.entry == self.id))
        return self._sealed_by(owner) if known is None else known == owner_mark(owner)

    def _sealed_by(self, owner: str) -> bool:
        """Tell whether the record of an entry from before there was a database names this owner."""
        return bool(self._owner) and hmac.compare_digest(self._owner, _sealed(owner, self.id))

    def key_types(self, level: int) -> list[str]:
        """Return the names of a level's (up to six) cell types that have most cells."""
        cells = self.levels[level]["cell_types"]
        return sorted(cells, key=lambda name: -(cells[name] or 0))[:_KEY_TYPES]


def add_entry(signature: Signature, owner: str) -> Entry:
    """Keep a signature on the server; it is listed once it is complete.

    Parameters
    ----------
    signature
        What to keep.
    owner
        Whom the entry belongs to, and who may delete it.

    Raises
    ------
    InputError
        If the disk is full or cannot be written.
    """
    parent = home_folder("library")
    name = f"{safe_key(signature.dataset)[:60].strip('._') or 'signature'}-{secrets.token_hex(4)}"
    draft = parent / f"{_HIDDEN}{name}"
    try:
        draft.mkdir()
        write_h5(signature, draft / _FILE)
        content = {
            "id": name,
            "dataset": signature.dataset,
            "source": signature.source,
            "created_at": signature.created_at,
            "added_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),  # entries of one second keep their order
            "size": (draft / _FILE).stat().st_size,
            "levels": [level.summary() for level in signature.levels],
            "record": signature.record,
            "owner": "",
        }
        (draft / _RECORD).write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
        with writing() as connection:  # before the entry appears, so that every listed entry has an owner
            connection.execute(insert(entry_owners).values(entry=name, owner=owner_mark(owner)))
        draft.rename(parent / name)
    except OSError as error:
        raise InputError(
            f"The signature could not be kept ({os.strerror(error.errno) if error.errno else error}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return entry(name)


def list_entries(*, but: Collection[str] = ()) -> list[Entry]:
    """Return all entries, newest first, except those with the names in `but`; other folders are skipped."""
    found = []
    for folder in home_folder("library").iterdir():
        if folder.name.startswith(_HIDDEN) or folder.name in but:
            continue
        try:
            found.append(entry(folder.name))
        except InputError:
            continue
    return sorted(found, key=lambda one: (one.added_at, one.id), reverse=True)


def example_entry() -> Entry:
    """Return the entry that comes with the program, built from the demo; it has no owner and is not listed."""
    return entry(_EXAMPLE)


def entry(name: str) -> Entry:
    """Return one entry.

    Raises
    ------
    InputError
        If there is no entry of that name, or its record is damaged.
    """
    try:
        content = json.loads((_folder(name) / _RECORD).read_text(encoding="utf-8"))
        return Entry(
            id=name,
            dataset=str(content["dataset"]),
            source=str(content["source"]),
            created_at=str(content["created_at"]),
            added_at=str(content["added_at"]),
            size=int(content["size"]),
            levels=[dict(level) for level in content["levels"]],
            record=dict(content["record"]),
            _owner=str(content["owner"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The library has no entry {name!r}.", "It may have been deleted; look at the table again."
        ) from error


def entry_file(name: str) -> Path:
    """Return the portable file of an entry.

    Raises
    ------
    InputError
        If there is no entry of that name.
    """
    path = _folder(name) / _FILE
    if not path.is_file():
        raise InputError(f"The library has no entry {name!r}.", "It may have been deleted; look at the table again.")
    return path


def delete_entry(name: str, owner: str) -> None:
    """Delete an entry.

    Raises
    ------
    WorkRefused
        If it belongs to somebody else.
    InputError
        If there is no entry of that name.
    """
    if not entry(name).owned_by(owner):
        raise WorkRefused(f"The entry {name} was added by somebody else.", "Ask them to delete it.")
    folder = _folder(name)
    # Renamed first, so that it leaves the list at once even if its files cannot all be deleted.
    aside = folder.with_name(f"{_HIDDEN}{name}.deleted")
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    with writing() as connection:
        connection.execute(delete(entry_owners).where(entry_owners.c.entry == name))


def pass_entries(
    connection: Connection, source: str, target: str, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Pass entries from one owner to another, and return their names.

    Parameters
    ----------
    connection
        Its transaction holds all changes.
    source, target
        The owner whose entries they are, and the one who gets them.
    only
        Names of the entries to pass; by default all of `source`.
    """
    known = set(connection.scalars(select(entry_owners.c.entry)))
    old = [one.id for one in list_entries(but=known) if one._sealed_by(source) and (only is None or one.id in only)]
    for name in old:
        connection.execute(insert(entry_owners).values(entry=name, owner=owner_mark(source)))
    return pass_rows(connection, entry_owners, source, target, only)


def _folder(name: str) -> Path:
    if safe_key(name) != name:
        raise InputError(f"The library has no entry {name!r}.", "Choose one from the table.")
    if name == _EXAMPLE:
        return Path(__file__).parent / _EXAMPLE
    return home_folder("library") / name


def _sealed(owner: str, name: str) -> str:
    """Return the hash by which records of entries named their owner before there was a database."""
    return hashlib.sha256(f"{name}\0{owner}".encode()).hexdigest()
