"""A folder of several exports with ``datasets.json``, the list that a viewer reads first.

Every folder of the root that holds an export is a dataset of the collection. The list is derived: it is computed from
the folders' identities whenever something changes. It keeps the order and the default of the list that was there; new
datasets come last, sorted by the names of their folders. Source: the specification of ``compact_v1``,
"Several datasets".

Nothing that is read is trusted: an identity must be strict JSON with values of the right types.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellucid_core.atomic import complete_or_absent
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.names import folder_name
from cellucid_core.prepared import (
    IDENTITY,
    MAX_JSON,
    DamagedError,
    ExportFiles,
    open_export,
    read_json,
    read_structure,
    strict_json,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LIST = "datasets.json"
#: Viewers count in float64, which holds every integer below this one.
_MAX_COUNT = 2**53


@dataclass(frozen=True)
class Member:
    """One dataset of a collection: its folder, and what its identity says."""

    id: str
    folder: str
    name: str
    n_cells: int
    n_genes: int

    def to_json(self) -> dict[str, Any]:
        """Return the dataset's entry in ``datasets.json``."""
        return {
            "id": self.id,
            "path": f"{self.folder}/",
            "name": self.name,
            "n_cells": self.n_cells,
            "n_genes": self.n_genes,
        }


@dataclass(frozen=True)
class Collection:
    """The exports of a root.

    Attributes
    ----------
    root
        The folder.
    members
        Its datasets, in the order of the list.
    default
        The id of the dataset that a viewer opens first; empty without datasets.
    notes
        What was left out or is damaged, one sentence each.
    """

    root: Path
    members: tuple[Member, ...]
    default: str
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Path of the list."""
        return self.root / LIST

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``datasets.json``."""
        return {"version": 1, "default": self.default, "datasets": [member.to_json() for member in self.members]}

    def to_bytes(self) -> bytes:
        """Return ``datasets.json`` as it is written: strict JSON in ASCII, indented by 2."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False).encode("ascii")


def read_root(root: str | Path) -> Collection:
    """Read which exports a root holds, without writing anything.

    Parameters
    ----------
    root
        A folder of exports. Hidden folders are skipped; a folder without an identity is only noted.

    Raises
    ------
    InputError
        If it is not a folder, cannot be read, or is an export itself; if an identity is damaged; if a folder's name
        cannot be part of a web address.
    WorkRefused
        If two datasets have the same id.
    """
    root = Path(root)
    try:
        if not root.is_dir():
            raise InputError(f"There is no folder {root}.", "Name the folder that holds the exports.")
        if (root / IDENTITY).exists():
            raise InputError(f"{root} is an export itself.", "Name the folder around it.")
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        members, notes = _read_members(root, folders)
    except OSError as error:
        raise unreadable(root, error) from None
    order, default, note = _present_list(root)
    place = {folder: position for position, folder in enumerate(order)}
    members.sort(key=lambda member: place.get(member.folder, len(place)))  # a stable sort: new ones stay sorted by name
    ids = [member.id for member in members]
    chosen = default if default in ids else next(iter(ids), "")
    return Collection(root, tuple(members), chosen, (*note, *notes))


def write_datasets(root: str | Path, default: str | None = None) -> Collection:
    """Write ``datasets.json`` of a root, as a whole or not at all.

    Parameters
    ----------
    root
        The folder of exports.
    default
        Id of the dataset that a viewer opens first. None: that of the present list, or the first dataset.

    Raises
    ------
    InputError
        As `read_root`; if there is no export, or none of that id; if the folder cannot be written to.
    WorkRefused
        As `read_root`.
    """
    with alone(Path(root)):
        found = read_root(root)
        if not found.members:
            raise InputError(f"{root} holds no export.", f"Write one into it first: export DATASET --out {root}/NAME.")
        return write_list(_with_default(found, default))


# ---- reading -----------------------------------------------------------------------------------------------------


def _read_members(root: Path, folders: Sequence[str]) -> tuple[list[Member], list[str]]:
    members, notes = [], []
    for folder in folders:
        if not (root / folder / IDENTITY).is_file():
            notes.append(f"The folder {folder} is not an export and was left out.")
            continue
        if folder_name(folder) != folder:
            raise InputError(
                f"The folder {folder!r} has a name that cannot stand in every address.",
                f"Rename it to {folder_name(folder)!r}.",
            )
        files = open_export(root / folder)
        try:
            members.append(read_member(files, folder))
            if problems := read_structure(files).problems:
                notes.append(f"The export in {folder} is damaged: {problems[0]} Export that dataset again.")
        except DamagedError as error:
            raise InputError(
                f"{root / folder / IDENTITY} is damaged: {error}.", "Export that dataset again, or move it away."
            ) from None
        finally:
            files.close()
    seen: dict[str, str] = {}
    for member in members:
        if member.id in seen:
            raise WorkRefused(
                f"The folders {seen[member.id]} and {member.folder} have the same id {member.id!r}.",
                "Export one of them under another id, or move it away.",
            )
        seen[member.id] = member.folder
    return members, notes


def read_member(files: ExportFiles, folder: str) -> Member:
    """Read the identity of an export; raises `DamagedError` if a part that is needed is missing or of a wrong type."""
    identity = read_json(files, IDENTITY)
    if not isinstance(identity, dict) or identity.get("version") != 2 or isinstance(identity["version"], bool):
        raise DamagedError("it is not an identity of version 2")
    stats = identity.get("stats")
    if not isinstance(stats, dict):
        raise DamagedError("it has no stats")
    n_cells, n_genes = _count(stats, "n_cells"), _count(stats, "n_genes")
    return Member(_text(identity, "id"), folder, _text(identity, "name"), n_cells, n_genes)


def _text(identity: dict[str, Any], key: str) -> str:
    text = identity.get(key)
    if not isinstance(text, str) or not text.strip():
        raise DamagedError(f"its {key} is not text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DamagedError(f"its {key} holds an invalid character") from None
    return text


def _count(stats: dict[str, Any], key: str) -> int:
    number = stats.get(key)
    if type(number) is not int or not 0 <= number < _MAX_COUNT:
        raise DamagedError(f"its {key} is not a count")
    return number


def _present_list(root: Path) -> tuple[list[str], str | None, list[str]]:
    """Return the folders and the default of the list that is there, and a note if it cannot be used."""
    path = root / LIST
    if not path.is_file():
        return [], None, []
    try:
        with path.open("rb") as file:
            found = strict_json(file.read(MAX_JSON + 1))
        folders = [entry["path"].removesuffix("/") for entry in found["datasets"]]
        default = found.get("default")
    except (OSError, DamagedError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, DamagedError) else "it is not a list of datasets"
        return [], None, [f"The {LIST} that was there could not be used: {reason}."]
    return folders, default if isinstance(default, str) else None, []


# ---- writing -----------------------------------------------------------------------------------------------------


def _with_default(found: Collection, default: str | None) -> Collection:
    if default is None:
        return found
    return Collection(found.root, found.members, find(found, default).id, found.notes)


def find(found: Collection, dataset_id: str) -> Member:
    """Return a dataset of a collection; raises `InputError` if it has none of that id."""
    for member in found.members:
        if member.id == dataset_id:
            return member
    known = ", ".join(member.id for member in found.members[:10])
    raise InputError(
        f"{found.root} has no dataset {dataset_id!r}.", f"It has {known}." if known else "It has no dataset at all."
    )


def write_list(found: Collection) -> Collection:
    """Write ``datasets.json`` as a whole or not at all; raises `InputError` if it cannot be written."""
    try:
        with complete_or_absent(found.path) as draft:
            draft.write_bytes(found.to_bytes())
    except OSError as error:
        raise InputError(f"{found.path} cannot be written ({error.strerror}).", "Check its permissions.") from None
    return found


def unreadable(root: str | Path, error: OSError) -> InputError:
    """Return the error that says that a root cannot be read."""
    return InputError(f"{root} cannot be read ({error.strerror or error}).", "Check its permissions.")


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Lock a root while it is changed, so that two writers do not leave each other's dataset out of the list.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        known = fcntl is not None and root.is_dir()
        descriptor = os.open(root, os.O_RDONLY | os.O_CLOEXEC) if known else None
    except OSError as error:
        raise unreadable(root, error) from None
    if descriptor is None:
        yield
        return
    try:
        with contextlib.suppress(OSError):  # some network disks know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
