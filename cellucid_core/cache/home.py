"""The folder for everything that is kept between runs; deleting it costs time and workspaces, but no original file."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError

#: Folder of `scratch_folder`.
SCRATCH = "scratch"


def cellucid_home() -> Path:
    """Return the folder named by ``CELLUCID_HOME``, else one in the user's cache folder; it is created if missing.

    Raises
    ------
    InputError
        If the folder cannot be created or written to.
    """
    home = read_configuration().home
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(f"no write permission for {home}")
    except OSError as error:
        raise InputError(
            f"The working folder {home} cannot be used ({error.strerror or error}).",
            "Set the environment variable CELLUCID_HOME to a folder that can be written to.",
        ) from error
    return home


def home_folder(*parts: str) -> Path:
    """Return a folder below `cellucid_home`, created if missing; raises as that does, or `OSError`."""
    folder = cellucid_home().joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def entries_of(folder: Path) -> list[Path]:
    """Return the paths in a folder, in no order; none if it is not there or cannot be read."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty folder that is deleted afterwards, by `leftovers.clear_leftovers` if the process is killed.

    The system's own temporary folder is often small, or in memory, and nobody sweeps it.
    """
    from filelock import FileLock

    parent, name = home_folder(SCRATCH), f"tmp{secrets.token_hex(8)}"
    lock = parent / f"{name}.lock"
    with FileLock(lock, thread_local=False):  # locked before the folder is created
        try:
            with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=parent, ignore_cleanup_errors=True) as folder:
                yield Path(folder)
        finally:
            with suppress(OSError):  # Windows deletes no open file; `leftovers.clear_leftovers` does it later
                lock.unlink()
