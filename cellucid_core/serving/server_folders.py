"""Datasets in folders or at addresses that the server's operator named; no others can be reached."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError
from cellucid_core.reading import RemoteFile, is_openable_folder, is_remote, may_hold_data

#: Largest number of datasets that are listed, and how many folders deep below a root they may be.
MAX_LISTED, MAX_DEPTH = 2000, 6
#: Seconds for which the list of files at an address is kept.
_KEPT = 60


@dataclass(frozen=True)
class ServerFile:
    """A file or folder that can be opened.

    Attributes
    ----------
    root
        The configured folder or address that it is in.
    relative
        Its path within the root, with ``/``.
    size
        Bytes of a file, None for a folder.
    """

    root: Path | str
    relative: str
    size: int | None

    @property
    def path(self) -> Path | str:
        """Its path or address."""
        return _join(self.root, self.relative)

    @property
    def shown(self) -> str:
        """Its name in a list: the root's last part and the path."""
        return f"{str(self.root).rpartition('/')[2]}/{self.relative}"


def _join(root: Path | str, relative: str) -> Path | str:
    return root / relative if isinstance(root, Path) else f"{root}/{relative}"


def data_roots() -> tuple[Path | str, ...]:
    """Return the addresses that the operator configured and the folders that exist, in the configured order."""
    return tuple(root for root in read_configuration().data_roots if isinstance(root, str) or root.is_dir())


def server_files() -> list[ServerFile]:
    """List what can be opened below the configured folders, root by root, at most `MAX_LISTED`.

    Links, hidden files and what cannot be read are left out. Here the name decides what is listed; when a file is
    opened, its content tells the format.
    """
    found = []
    for root in data_roots():
        below = _elsewhere(root, int(time.time()) // _KEPT) if isinstance(root, str) else _below(root, root, MAX_DEPTH)
        for file in below:
            found.append(file)
            if len(found) >= MAX_LISTED:
                return found
    return found


@lru_cache(maxsize=16)
def _elsewhere(root: str, moment: int) -> tuple[ServerFile, ...]:
    """List what can be opened below an address, nothing if it cannot be listed; a new `moment` asks again."""
    try:
        found = RemoteFile(root).files(MAX_DEPTH)
    except InputError as error:
        logging.getLogger(__name__).warning("%s", error)
        return ()
    return tuple(ServerFile(root, name, size) for name, size in found if size is None or may_hold_data(name))


def server_path(root: str | Path, relative: str) -> Path | str:
    """Return the path or address of something below a configured folder or address.

    Raises
    ------
    InputError
        If the root is not configured, the path leads out of it or through a link, or a folder does not hold it. What
        an address holds is not asked.
    """
    refused = InputError(f"{relative} is not in a folder that this server offers.", "Choose one from the list.")
    if is_remote(root):
        if root not in data_roots() or not all(part not in ("", ".", "..") for part in relative.split("/")):
            raise refused
        return f"{root}/{relative}"
    base = Path(root).expanduser().resolve()
    if base not in data_roots() or "\0" in relative or Path(relative).is_absolute():
        raise refused
    parts = Path(relative).parts
    if not parts or ".." in parts:
        raise refused
    path = base
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise refused
    if not path.exists() or not path.resolve().is_relative_to(base):
        raise refused
    return path


def _below(root: Path, folder: Path, depth: int) -> Iterator[ServerFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        path = Path(entry.path)
        relative = path.relative_to(root).as_posix()
        try:
            if entry.is_dir(follow_symlinks=False):
                if is_openable_folder(path):
                    yield ServerFile(root, relative, None)
                elif depth > 1:
                    yield from _below(root, path, depth - 1)
            elif entry.is_file(follow_symlinks=False) and may_hold_data(entry.name):
                yield ServerFile(root, relative, entry.stat(follow_symlinks=False).st_size)
        except OSError:
            continue
