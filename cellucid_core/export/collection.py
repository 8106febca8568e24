"""A folder of several exports with ``datasets.json``, the list that a viewer reads first.

Every folder of the root that holds an export is a dataset of the collection. The list is derived: it is made again from
the folders' identities whenever something changes, keeps the order and the default of the list that was there, and puts
datasets that are new at its end, by the name of their folder. Source: ``export-format.md``, "Several datasets".

Nothing here trusts what it reads: an identity is strict JSON of the types it should have, and only an export that reads
back sound is taken in.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellucid_core.atomic import complete_or_absent
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export.staging import PARTIAL, Staging
from cellucid_core.export.verify import verify
from cellucid_core.names import folder_name, safe_key
from cellucid_core.prepared.reading import (
    IDENTITY,
    MAX_JSON,
    DamagedError,
    ExportFiles,
    open_export,
    read_json,
    strict_json,
)

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LIST = "datasets.json"
_CHUNK = 1 << 20
#: The largest integer that a viewer, which counts in float64, can tell from its neighbours.
_MAX_COUNT = 2**53


@dataclass(frozen=True)
class Member:
    """One dataset of a collection: where it is, and what its identity says of it."""

    id: str
    folder: str
    name: str
    n_cells: int
    n_genes: int

    def to_json(self) -> dict[str, Any]:
        """Return its entry in ``datasets.json``."""
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
        What was left out or found amiss, one sentence each.
    """

    root: Path
    members: tuple[Member, ...]
    default: str
    notes: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Where its list is."""
        return self.root / LIST

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``datasets.json``."""
        return {"version": 1, "default": self.default, "datasets": [member.to_json() for member in self.members]}

    def to_bytes(self) -> bytes:
        """Return ``datasets.json`` as it is written: strict JSON, ASCII only, indented by 2."""
        return json.dumps(self.to_json(), indent=2, allow_nan=False).encode("ascii")


def read_root(root: str | Path) -> Collection:
    """Look at the exports of a root, without writing anything.

    Parameters
    ----------
    root
        A folder of exports. Hidden folders, and folders without an identity, are no datasets.

    Raises
    ------
    InputError
        If it is no folder, or an export itself; if an identity is damaged; if a folder's name cannot stand in an
        address.
    WorkRefused
        If two datasets have one id.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"There is no folder {root}.", "Name the folder that holds the exports.")
    if (root / IDENTITY).exists():
        raise InputError(f"{root} is an export itself.", "Name the folder around it.")
    try:
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        members, notes = _members(root, folders)
    except OSError as error:
        raise InputError(f"{root} cannot be read ({error.strerror}).", "Check its permissions.") from None
    order, default, note = _present_list(root)
    place = {folder: position for position, folder in enumerate(order)}
    members.sort(key=lambda member: place.get(member.folder, len(place)))  # stable: new ones stay sorted by name
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
        Id of the dataset that is opened first. None: as it is, or the first.

    Raises
    ------
    InputError
        As `read_root`; if there is no export at all, or none of that id; if the folder cannot be written to.
    WorkRefused
        As `read_root`.
    """
    with _alone(Path(root)):
        found = read_root(root)
        if not found.members:
            raise InputError(f"{root} holds no export.", f"Write one into it first: export DATASET --out {root}/NAME.")
        return _write(_with_default(found, default))


def add_to_root(export: str | Path, root: str | Path, *, replace: bool = False) -> Collection:
    """Put a copy of an export into a root, and write its list.

    The copy appears as a whole, in a folder named by the dataset's id, after the export was read through and found
    sound. Killed between the two steps, a root has a dataset that the next `write_datasets` lists.

    Parameters
    ----------
    export
        A zip or a folder.
    root
        The folder of exports; made if only the last part of its path is missing.
    replace
        Whether a dataset of the same id may be replaced; the new one then takes its folder and its place in the list.

    Raises
    ------
    InputError
        As `read_root`; if there is no export at `export`; if the root has a dataset of that id and `replace` is not
        set, or something else of the folder's name; if the root cannot be written to.
    WorkRefused
        As `read_root`; if the export is not sound.
    """
    root = Path(root)
    report = verify(export)
    if not report.ok:
        raise WorkRefused(f"{export} is not a sound export: {report.problems[0]}", "Export it again.")
    files = open_export(export)
    try:
        member = _member(files, "")
        _make_root(root)
        with _alone(root):
            folder = _free_folder(read_root(root), member.id, replace)
            staging = Staging(root / folder, folder=True, force=replace)
            try:
                _copy(files, staging.path)
                staging.publish()
            finally:
                staging.abandon()
            return _write(read_root(root))
    except DamagedError as error:
        raise WorkRefused(f"{export} is not a sound export: {error}.", "Export it again.") from None
    except OSError as error:
        raise InputError(
            f"{root} cannot be written to ({error.strerror or error}).", "Check its permissions and the disk's space."
        ) from None
    finally:
        files.close()


def remove_from_root(dataset_id: str, root: str | Path) -> Collection:
    """Take a dataset out of a root: first from the list, then from the disk.

    Returns
    -------
    Collection
        What is left. Without any dataset there is no list either.

    Raises
    ------
    InputError
        As `read_root`; if there is no such dataset.
    WorkRefused
        As `read_root`.
    """
    with _alone(Path(root)):
        found = read_root(root)
        member = _find(found, dataset_id)
        rest = tuple(other for other in found.members if other is not member)
        default = found.default if found.default != dataset_id else next((other.id for other in rest), "")
        left = Collection(found.root, rest, default, found.notes)
        # Under a name of remains: if this is interrupted, the next export to that folder clears it away.
        aside = found.root / f".{member.folder}.{secrets.token_hex(4)}{PARTIAL}"
        try:
            if rest:
                _write(left)
            else:
                left.path.unlink(missing_ok=True)
            (found.root / member.folder).rename(aside)
        except OSError as error:
            raise InputError(f"{root} cannot be written to ({error.strerror}).", "Check its permissions.") from None
        shutil.rmtree(aside, ignore_errors=True)
        return left


# ---- reading -----------------------------------------------------------------------------------------------------


def _members(root: Path, folders: Sequence[str]) -> tuple[list[Member], list[str]]:
    members, notes = [], []
    for folder in folders:
        if not (root / folder / IDENTITY).is_file():
            notes.append(f"The folder {folder} is no export and was left out.")
            continue
        if folder_name(folder) != folder:
            raise InputError(
                f"The folder {folder!r} has a name that cannot stand in every address.",
                f"Rename it to {folder_name(folder)!r}.",
            )
        files = open_export(root / folder)
        try:
            members.append(_member(files, folder))
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


def _member(files: ExportFiles, folder: str) -> Member:
    """Read an identity; raises `DamagedError` unless every part that is needed is what it should be."""
    identity = read_json(files, IDENTITY)
    if not isinstance(identity, dict) or identity.get("version") != 2 or isinstance(identity["version"], bool):
        raise DamagedError("it is no identity of version 2")
    stats = identity.get("stats")
    if not isinstance(stats, dict):
        raise DamagedError("it has no stats")
    n_cells, n_genes = _count(stats, "n_cells"), _count(stats, "n_genes")
    return Member(_text(identity, "id"), folder, _text(identity, "name"), n_cells, n_genes)


def _text(identity: dict[str, Any], key: str) -> str:
    text = identity.get(key)
    if not isinstance(text, str) or not text.strip():
        raise DamagedError(f"its {key} is no text")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise DamagedError(f"its {key} holds half a character") from None
    return text


def _count(stats: dict[str, Any], key: str) -> int:
    number = stats.get(key)
    if type(number) is not int or not 0 <= number < _MAX_COUNT:
        raise DamagedError(f"its {key} is no count")
    return number


def _present_list(root: Path) -> tuple[list[str], str | None, list[str]]:
    """Return the folders of the list that is there, in order, and its default; and a note if it cannot be used."""
    path = root / LIST
    if not path.is_file():
        return [], None, []
    try:
        with path.open("rb") as file:
            found = strict_json(file.read(MAX_JSON + 1))
        folders = [entry["path"].removesuffix("/") for entry in found["datasets"]]
        default = found.get("default")
    except (OSError, DamagedError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, DamagedError) else "it is no list of datasets"
        return [], None, [f"The {LIST} that was there could not be used: {reason}."]
    return folders, default if isinstance(default, str) else None, []


# ---- writing -----------------------------------------------------------------------------------------------------


def _with_default(found: Collection, default: str | None) -> Collection:
    if default is None:
        return found
    return Collection(found.root, found.members, _find(found, default).id, found.notes)


def _find(found: Collection, dataset_id: str) -> Member:
    for member in found.members:
        if member.id == dataset_id:
            return member
    known = ", ".join(member.id for member in found.members[:10])
    raise InputError(
        f"{found.root} has no dataset {dataset_id!r}.", f"It has {known}." if known else "It has no dataset at all."
    )


def _write(found: Collection) -> Collection:
    try:
        with complete_or_absent(found.path) as draft:
            draft.write_bytes(found.to_bytes())
    except OSError as error:
        raise InputError(f"{found.path} cannot be written ({error.strerror}).", "Check its permissions.") from None
    return found


def _make_root(root: Path) -> None:
    if not root.parent.is_dir():
        raise InputError(f"There is no folder {root.parent}.", "Make it first, or choose another place.")
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is not a folder.", "Choose another place for the collection.")
    root.mkdir(exist_ok=True)


def _free_folder(found: Collection, dataset_id: str, replace: bool) -> str:
    """Return the folder that a dataset of this id goes into."""
    for member in found.members:
        if member.id == dataset_id:
            if replace:
                return member.folder
            raise InputError(
                f"The collection has a dataset {dataset_id!r} already.", "Replace it, or export under another id."
            )
    folder = folder_name(dataset_id)
    for entry in sorted(found.root.iterdir()):
        if entry.name.casefold() == folder.casefold():
            raise InputError(
                f"The dataset {dataset_id!r} needs the folder {folder}, but {entry.name} is there already.",
                "Export under another id.",
            )
    return folder


def _copy(files: ExportFiles, target: Path) -> None:
    for name in sorted(files.names):
        # A zip can hold any name; one that leads out of its folder must not be followed.
        if any(safe_key(part) != part for part in name.split("/")):
            raise DamagedError(f"it holds a file of an unsafe name ({name[:80]!r})")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with files.open(name) as source, (target / name).open("xb") as copy:
            shutil.copyfileobj(source, copy, _CHUNK)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Wait until nobody else changes a root: what one writer adds must not be missing from another's list."""
    if fcntl is None or not root.is_dir():
        yield
        return
    descriptor = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network disks know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
