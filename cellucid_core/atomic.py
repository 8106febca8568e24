"""Files that are complete or absent, never half-written."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
