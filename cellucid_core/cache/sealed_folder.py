"""Folders of what was computed: complete and sound, or absent; whoever asks for the same one shares it.

Two processes that want the same folder at once do not get in each other's way: one makes it, the other waits, and it
only appears under its name when it is complete. A damaged one is noticed by its checksums and made again.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cellucid_core.cache.seals import is_sound, seal

#: The note by which damage is found out.
_SEAL = "seal.json"
#: Seconds after which whoever waits for another is told so, again and again.
_PATIENCE = 0.25


def is_complete(folder: Path) -> bool:
    """Tell whether a folder is there, with its files as they were written."""
    return is_sound(folder / _SEAL)


def sealed_folder(folder: Path, make: Callable[[Path], None], waiting: Callable[[], None] = lambda: None) -> Path:
    """Return a folder after making it, unless it is complete.

    Parameters
    ----------
    folder
        Where it belongs; beside it lie its lock and, hidden, its draft.
    make
        Fills an empty folder with files.
    waiting
        Called now and then while another process makes it; raises to give up.

    Raises
    ------
    OSError
        If it cannot be written; nothing of it is left.
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
        os.utime(folder)  # it is in use: see `serving.starting.sweep`
    return folder


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    # Whoever holds the lock is alone with this name: what somebody left who was killed can go.
    _clear(folder)
    draft = _draft(folder)
    try:
        make(draft)
        seal([path for path in draft.iterdir() if path.is_file()], draft / _SEAL)
        if folder.exists():  # damaged; who has it mapped keeps what is mapped
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
    """Delete what those left below a folder who were killed, and return how much: nobody holds the lock of its name."""
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
