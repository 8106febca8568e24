"""Files that are complete or absent, never half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cellucid_core.errors import InputError


@contextmanager
def complete_or_absent(target: Path, *, mode: int = 0o644) -> Iterator[Path]:
    """Yield a draft beside the target; it replaces the target when the block ends without an exception.

    Parameters
    ----------
    target
        The file to write; its folder must exist.
    mode
        Permission bits of the finished file.

    Yields
    ------
    pathlib.Path
        An empty file with a hidden name in the same folder. No draft is left behind, whatever happens.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    draft = Path(name)
    try:
        yield draft
        draft.chmod(mode)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def need_folder(target: Path) -> None:
    """Raise `InputError` if the folder of a file does not exist."""
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")


def write_file(target: str | Path, content: str | Callable[[Path], object]) -> None:
    """Write a file that a user named; if that fails, the file stays as it was.

    Parameters
    ----------
    target
        The file.
    content
        Its text (written as UTF-8), or a function that writes the draft at the path it is given.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    target = Path(target)
    need_folder(target)
    with complete_or_absent(target) as draft:
        if callable(content):
            content(draft)
        else:
            draft.write_text(content, encoding="utf-8")
