"""Replace a file or folder as a whole, or not at all.

What is written grows beside its target under a hidden name, is flushed to the disk, and takes the target's name at the
very end. A failed or interrupted run leaves the target as it was and removes what it wrote; what a killed run left is
removed by the next run with the same target. A running writer holds a lock on what it writes, so that another run does
not take it for left-over files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import sys
import time
from pathlib import Path

from cellucid_core.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PARTIAL, _OLD = ".partial", ".old"
_TOKEN = 8
#: Windows has no `fcntl` to lock with; what was left there is removed once it is this old, in seconds.
_ABANDONED = 24 * 3600
_EXCHANGE = 2  # RENAME_EXCHANGE of linux/fs.h
_AT_FDCWD = -100


class Staging:
    """One replacement of a target.

    Parameters
    ----------
    target
        Where the result goes. A link is followed.
    folder
        Whether it is a folder; else it is a file.
    force
        Whether a file, or a folder that is not empty, may be replaced.

    Raises
    ------
    InputError
        If the target exists and `force` is not set; if it is a file instead of a folder or the reverse, a folder that
        must not be replaced (the working folder, the home folder, one around them, a mounted disk); or if it cannot be
        written.
    """

    def __init__(self, target: str | Path, *, folder: bool, force: bool) -> None:
        self.target = Path(os.path.realpath(target))
        self.folder = folder
        self._lock: int | None = None
        parent = self.target.parent
        if not parent.is_dir():
            raise InputError(f"The folder {parent} does not exist.", "Create it first, or choose another place.")
        _clear(self.target)
        self._refuse(force)
        self.path = parent / f".{self.target.name}.{secrets.token_hex(_TOKEN // 2)}{PARTIAL}"
        try:
            if folder:
                self.path.mkdir()
            else:
                self.path.touch(exist_ok=False)
        except OSError as error:
            raise InputError(f"{parent} cannot be written to ({error.strerror}).", "Choose another place.") from None
        self._lock = _lock(self.path)

    def _refuse(self, force: bool) -> None:
        target = self.target
        if target.is_dir() != self.folder and os.path.lexists(target):
            kind = "a folder" if target.is_dir() else "not a folder"
            raise InputError(f"{target} is {kind}.", "Choose another name.")
        if self.folder and any(here.is_relative_to(target) for here in (Path.cwd(), Path.home())):
            raise InputError(
                f"{target} holds the folder you work in or your home.", "Name a folder of its own for the export."
            )
        if self.folder and os.path.ismount(target):
            raise InputError(f"{target} is a mounted disk and cannot be replaced.", "Name a folder inside it.")
        taken = any(target.iterdir()) if target.is_dir() else target.exists()
        if taken and not force:
            what = f"The folder {target} is not empty." if self.folder else f"{target} exists already."
            raise InputError(what, "Choose another place, or use --force to replace it.")

    def publish(self) -> None:
        """Put the finished work in the target's place, flushed to the disk.

        Raises
        ------
        InputError
            If the operating system refuses; the target stays as it was.
        """
        try:
            _flush(self.path)
            if os.path.lexists(self.target) and self.folder:
                self._replace_folder()
            else:
                self.path.replace(self.target)
            _flush_folder(self.target.parent)
        except OSError as error:
            self.abandon()
            raise InputError(
                f"{self.target} could not be replaced ({error.strerror}).", "Choose another place."
            ) from None
        self._unlock()

    def _replace_folder(self) -> None:
        if _exchange(self.path, self.target):
            _remove(self.path)  # now the old folder
            return
        aside = self.path.with_name(self.path.name.removesuffix(PARTIAL) + _OLD)
        self.target.rename(aside)
        try:
            self.path.rename(self.target)
        except BaseException:
            aside.rename(self.target)
            raise
        _remove(aside)

    def abandon(self) -> None:
        """Remove what was written; the target stays as it was. Does nothing after `publish`."""
        if self._lock is not None or self.path.exists():
            _remove(self.path)
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None and self._lock >= 0:
            os.close(self._lock)
        self._lock = None


def _clear(target: Path) -> None:
    """Remove what killed runs left beside a target, and finish a replacement that one of them began."""
    prefix = f".{target.name}."
    with contextlib.suppress(OSError):
        for path in sorted(target.parent.iterdir()):
            middle = path.name.removeprefix(prefix)
            token = middle.removesuffix(PARTIAL).removesuffix(_OLD)
            ours = middle != path.name and token != middle and len(token) == _TOKEN
            if not ours or not _is_abandoned(path):
                continue
            if path.name.endswith(_OLD) and not os.path.lexists(target):
                path.rename(target)  # killed between two renames: put the old one back
            else:
                _remove(path)


def _lock(path: Path) -> int:
    """Lock a file or folder until the returned descriptor is closed; −1 on Windows, where nothing is locked."""
    if fcntl is None:
        return -1
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # some network disks know no locks
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _is_abandoned(path: Path) -> bool:
    if fcntl is None:
        return time.time() - path.stat().st_mtime > _ABANDONED
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step, where the system can (Linux); tell whether it was done."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0)


def _flush(path: Path) -> None:
    """Flush a file to the disk; for a folder, flush everything on the disk that holds it."""
    if path.is_file():
        descriptor = os.open(path, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return
    # One call for the whole disk: an fsync for each of thousands of files would take longer than writing them.
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) == 0:
                    return
            finally:
                os.close(descriptor)
    if hasattr(os, "sync"):
        os.sync()


def _flush_folder(path: Path) -> None:
    """Flush the folder that holds a new name, so that the rename lasts (not possible on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
