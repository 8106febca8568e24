"""Write a whole collection as one zip, streamed from disk to disk."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from cellucid_core.errors import InputError
from cellucid_core.export.collections.listing import LIST, read_root, unreadable
from cellucid_core.export.compact import fixed_time
from cellucid_core.export.sink import entry_of
from cellucid_core.export.staging import Staging
from cellucid_core.names import folder_name

_CHUNK = 1 << 20


def zip_root(
    root: str | Path,
    target: str | Path,
    *,
    name: str = "exports",
    force: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Path:
    """Write a collection as one zip: ``<name>/datasets.json`` and the folders of its datasets.

    Entries are stored, since they are compressed already, in a fixed order with fixed times: equal collections give
    equal bytes. Memory does not grow with their size. The zip appears as a whole, or not at all.

    Parameters
    ----------
    root
        The folder of exports.
    target
        The zip; outside of `root`.
    name
        The folder that unpacking creates.
    force
        Whether a file that is there may be replaced.
    progress
        Called with (bytes done, bytes in all) after every file.

    Returns
    -------
    pathlib.Path
        The zip, with links in its path resolved.

    Raises
    ------
    InputError
        As `read_root`; if there is no export, or one holds a link; if `name` cannot be a folder's name everywhere; if
        the target lies in the root, exists and `force` is not set, or cannot be written.
    WorkRefused
        As `read_root`.
    """
    found = read_root(root)
    if not found.members:
        raise InputError(f"{root} holds no export.", "Add one first.")
    if folder_name(name) != name:
        raise InputError(f"{name!r} is not a valid folder name on every system.", f"Use {folder_name(name)!r}.")
    if Path(os.path.realpath(target)).is_relative_to(os.path.realpath(root)):
        raise InputError(f"{target} lies in the collection itself.", "Choose another place for the zip.")
    try:
        files = [(member.folder, path) for member in found.members for path in _files(found.root / member.folder)]
        total, done = sum(path.stat().st_size for _, path in files), 0
    except OSError as error:
        raise unreadable(root, error) from None
    stamp = fixed_time()
    staging = Staging(target, folder=False, force=force)
    try:
        with zipfile.ZipFile(staging.path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(entry_of(f"{name}/{LIST}", stamp), found.to_bytes())
            for folder, path in files:
                relative = path.relative_to(found.root / folder).as_posix()
                entry = entry_of(f"{name}/{folder}/{relative}", stamp)
                entry.file_size = path.stat().st_size  # so that ZIP64 is used where it is needed, and only there
                with path.open("rb") as source, archive.open(entry, "w") as written:
                    shutil.copyfileobj(source, written, _CHUNK)
                done += entry.file_size
                if progress is not None:
                    progress(done, total)
        staging.publish()
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror or error}).", "Check its permissions and the disk's space."
        ) from None
    finally:
        staging.abandon()
    return staging.target


def _files(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            raise InputError(f"{path} is a link.", "Put the file itself there, or export that dataset again.")
        if path.is_file() and not path.name.startswith("."):
            found.append(path)
    return found
