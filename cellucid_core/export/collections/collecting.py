"""Put an export into a collection, or take one out; each change is complete or is not made, and updates the list."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.export.collections.listing import Collection, alone, find, read_member, read_root, write_list
from cellucid_core.export.staging import PARTIAL, Staging
from cellucid_core.export.verify import verify
from cellucid_core.names import folder_name, safe_key
from cellucid_core.prepared import DamagedError, ExportFiles, open_export

_CHUNK = 1 << 20


def add_to_root(export: str | Path, root: str | Path, *, replace: bool = False) -> Collection:
    """Put a copy of an export into a root, and write the root's list.

    The export is verified first. The copy appears as a whole, in a folder named after the dataset's id. If the process
    is killed before the list is written, the next `write_datasets` lists the dataset.

    Parameters
    ----------
    export
        A zip or a folder.
    root
        The folder of exports; created if only the last part of its path is missing.
    replace
        Whether a dataset of the same id may be replaced; the new one then takes its folder and its place in the list.

    Raises
    ------
    InputError
        As `read_root`; if there is no export at `export`; if the root has a dataset of that id and `replace` is not
        set; if something else has the name of the dataset's folder; if the root cannot be written to.
    WorkRefused
        As `read_root`; if the export is not sound.
    """
    root = Path(root)
    report = verify(export)
    if not report.ok:
        raise WorkRefused(f"{export} is not a sound export: {report.problems[0]}", "Export it again.")
    files = open_export(export)
    try:
        member = read_member(files, "")
        _make_root(root)
        with alone(root):
            folder = _free_folder(read_root(root), member.id, replace)
            staging = Staging(root / folder, folder=True, force=replace)
            try:
                _copy(files, staging.path)
                staging.publish()
            finally:
                staging.abandon()
            return write_list(read_root(root))
    except DamagedError as error:
        raise WorkRefused(f"{export} is not a sound export: {error}.", "Export it again.") from None
    except OSError as error:
        raise InputError(
            f"{root} cannot be written to ({error.strerror or error}).", "Check its permissions and the disk's space."
        ) from None
    finally:
        files.close()


def remove_from_root(dataset_id: str, root: str | Path) -> Collection:
    """Remove a dataset from a root: first from the list, then from the disk.

    Returns
    -------
    Collection
        What is left. The list is deleted with the last dataset.

    Raises
    ------
    InputError
        As `read_root`; if there is no such dataset; if the root cannot be written to.
    WorkRefused
        As `read_root`.
    """
    with alone(Path(root)):
        found = read_root(root)
        member = find(found, dataset_id)
        rest = tuple(other for other in found.members if other is not member)
        default = found.default if found.default != dataset_id else next((other.id for other in rest), "")
        left = Collection(found.root, rest, default, found.notes)
        # A name as `Staging` gives: if this is interrupted, the next export to that folder removes it.
        aside = found.root / f".{member.folder}.{secrets.token_hex(4)}{PARTIAL}"
        try:
            if rest:
                write_list(left)
            else:
                left.path.unlink(missing_ok=True)
            (found.root / member.folder).rename(aside)
        except OSError as error:
            raise InputError(f"{root} cannot be written to ({error.strerror}).", "Check its permissions.") from None
        shutil.rmtree(aside, ignore_errors=True)
        return left


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
