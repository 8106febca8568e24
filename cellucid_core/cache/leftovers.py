"""Delete the drafts that killed openings left: whoever writes a draft holds a lock.

The system releases a lock when its holder dies, so whoever gets the lock knows that nobody writes the draft any more.
Drafts of stores and of computed results are deleted by `sealed_folder.clear_drafts`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cellucid_core.cache.home import SCRATCH, home_folder

#: Folders of the home in which `alone_with` is used.
_FOLDERS = ("unpacked", "rewritten")
#: Ending of the files that `seals` writes without holding a lock.
_UNLOCKED = ".checked"


@contextmanager
def alone_with(target: Path) -> Iterator[None]:
    """Hold the lock of a file that is about to be written, and delete the drafts of it that killed processes left.

    Others that want the file wait until the block ends, and then check whether it is there.

    Parameters
    ----------
    target
        The file, in the folder ``unpacked`` or ``rewritten`` of the home. Files beside it whose names are the same
        up to the first dot share the lock.
    """
    from filelock import FileLock

    lock = _lock_of(target)
    with FileLock(lock):
        for draft in target.parent.glob(".*"):
            if _lock_of_draft(draft) == lock:
                draft.unlink(missing_ok=True)
        yield


def clear_leftovers() -> int:
    """Delete what killed openings left, in all folders; return how many files and folders were deleted."""
    from filelock import FileLock, Timeout

    gone = 0
    for name in _FOLDERS:
        for draft in list(home_folder(name).glob(".*")):
            lock = _lock_of_draft(draft)
            if lock is not None and lock.exists():
                with suppress(Timeout, OSError), FileLock(lock, timeout=0):
                    draft.unlink(missing_ok=True)
                    gone += 1
    scratch = home_folder(SCRATCH)
    for lock in list(scratch.glob("tmp*.lock")):
        with suppress(Timeout, OSError), FileLock(lock, timeout=0):
            for folder in scratch.glob(f"{lock.stem}-*"):
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
            lock.unlink(missing_ok=True)  # safe, since no name is used twice
    return gone


def _lock_of(target: Path) -> Path:
    return target.with_name(target.name.split(".")[0] + ".lock")


def _lock_of_draft(draft: Path) -> Path | None:
    """Return the lock that the writer of a draft (`atomic.complete_or_absent`) holds; None if it holds none."""
    name = draft.name.removeprefix(".").rpartition(".")[0]
    return None if not name or name.endswith(_UNLOCKED) else _lock_of(draft.with_name(name))
