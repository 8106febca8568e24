"""Folders of computed results: each is complete and intact, or absent, and is shared by all who ask for it.

If two processes want the same folder at once, one makes it and the other waits; the folder gets its name only when it
is complete. Checksums show whether a folder is damaged; then it is made again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cellucid_core.cache.seals import is_sound, seal

#: File with the checksums of a folder.
_SEAL = "seal.json"
#: Seconds between two calls of `waiting`.
_PATIENCE = 0.25


def is_complete(folder: Path) -> bool:
    """Tell whether a folder is there and its files are as they were written."""
    return is_sound(folder / _SEAL)


def sealed_folder(folder: Path, make: Callable[[Path], None], waiting: Callable[[], None] = lambda: None) -> Path:
    """Return a folder, after making it if it is not complete.

    Parameters
    ----------
    folder
        Where it belongs; its lock and, under a hidden name, its draft are beside it.
    make
        Fills an empty folder with files.
    waiting
        Called every 0.25 seconds while another process makes the folder; may raise to give up.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left of it. What `make` and `waiting` raise is passed on.
    """
    from filelock import FileLock, Timeout

    if not is_complete(folder):
        lock = FileLock(folder.parent / f"{folder.name}.lock")
        while True:
            try:
                lock.acquire(timeout=_PATIENCE)
                break
            except Timeout:
                waiting()
        try:
            if not is_complete(folder):
                _make(folder, make)
        finally:
            lock.release()
    with suppress(OSError):
        os.utime(folder)  # shows `serving.starting.sweep` that it is in use
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    # The lock is held, so any draft of this name was left by a killed process.
    _clear(folder)
    draft = _draft(folder)
    try:
        make(draft)
        seal([path for path in draft.iterdir() if path.is_file()], draft / _SEAL)
        if folder.exists():  # damaged; a process that has mapped its files keeps them
            folder.replace(_draft(folder))
        draft.replace(folder)
    finally:
        _clear(folder)


def _draft(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))


def _clear(folder: Path) -> None:
    for draft in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(draft, ignore_errors=True)


def clear_drafts(parent: Path) -> int:
    """Delete the drafts that killed processes left in a folder, and return how many; a live draft's lock is held."""
    from filelock import FileLock, Timeout

    gone = 0
    for draft in list(parent.glob(".*")):
        lock = parent / f"{draft.name[1:].rpartition('.')[0]}.lock"
        if not lock.exists():
            continue
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            shutil.rmtree(draft, ignore_errors=True)
            gone += 1
    return gone
