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
    """Yield a draft beside the target that takes its place when the block ends without an exception.

    Parameters
    ----------
    target
        The file to write; its folder must exist.
    mode
        Who may read and write it.

    Yields
    ------
    pathlib.Path
        An empty file of a hidden name in the same folder. It is gone afterwards, whatever happens.
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
    """Raise `InputError` where the folder of a file is not there."""
    if not target.parent.is_dir():
        raise InputError(f"There is no folder {target.parent}.", "Make it first, or name another file.")


def write_file(target: str | Path, content: str | Callable[[Path], object]) -> None:
    """Write a file that a user named: it is complete or as it was.

    Parameters
    ----------
    target
        The file.
    content
        Its text (UTF-8), or what writes a file of another name.

    Raises
    ------
    InputError
        There is no such folder.
    """
    target = Path(target)
    need_folder(target)
    with complete_or_absent(target) as draft:
        if callable(content):
            content(draft)
        else:
            draft.write_text(content, encoding="utf-8")
