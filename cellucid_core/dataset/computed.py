"""Results that take long to compute, kept on disk: they are found again after an undone fix or a restart, by anyone.

A result is a folder ``CELLUCID_HOME/computed/<key>`` of ``.npy`` files and words for the user; the key is a hash of all
that the result depends on, so nothing ever has to be invalidated.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cellucid_core.cache import home_folder, is_complete, sealed_folder
from cellucid_core.errors import InputError, WorkRefused

_WORDS = "words.json"
#: Bytes of an array file from which on it is memory-mapped instead of read.
_MAPPED_FROM = 2**20
#: Stored values of a matrix up to which reading them takes less time than asking another process to do it.
READ_AT_ONCE = 30_000_000


class NotComputed(WorkRefused):
    """A result that takes long was not computed before, and must not be computed now."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: this has not been computed yet.", "Ask for it again.")


@dataclass(frozen=True)
class Derived:
    """A result.

    Attributes
    ----------
    arrays
        By name; each name is chosen by our code, since it becomes a file name. Must not be written to.
    words
        What to tell the user about it.
    """

    arrays: Mapping[str, np.ndarray]
    words: Sequence[str] = field(default=())


def derived(
    key: str,
    what: str,
    make: Callable[[], Derived],
    *,
    ready_only: bool = False,
    waiting: Callable[[], None] = lambda: None,
) -> Derived:
    """Return a result, computing it if nobody has yet; if another process is computing it, wait for that.

    Parameters
    ----------
    key
        From `View.key_of`.
    what
        What it is, for messages.
    make
        Computes it.
    ready_only
        Whether only a result that was computed before may be returned.
    waiting
        Called now and then while another process computes it; raises to give up.

    Raises
    ------
    NotComputed
        With `ready_only`, if it was not computed before.
    InputError
        If it cannot be written to disk; and whatever `make` raises.
    """
    folder = home_folder("computed") / key
    if ready_only and not is_complete(folder):
        raise NotComputed(what)

    def fill(draft: Path) -> None:
        made = make()
        for name, array in made.arrays.items():
            np.save(draft / f"{name}.npy", array)
        (draft / _WORDS).write_text(json.dumps(list(made.words)), encoding="utf-8")

    try:
        sealed_folder(folder, fill, waiting)
        return _read(folder)
    except OSError as error:
        raise InputError(
            f"{what}: the result could not be kept ({os.strerror(error.errno) if error.errno else error}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error


def _read(folder: Path) -> Derived:
    arrays = {}
    for file in sorted(folder.glob("*.npy")):
        array: np.ndarray = np.load(file, mmap_mode="r" if file.stat().st_size > _MAPPED_FROM else None)
        arrays[file.stem] = array.view(np.ndarray)  # mapped arrays are shared by all sessions
    return Derived(arrays, tuple(json.loads((folder / _WORDS).read_text(encoding="utf-8"))))
