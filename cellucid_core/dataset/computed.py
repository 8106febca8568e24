"""What is computed of a dataset and takes long, kept on disk: undoing a fix, another session and a restart find it.

A result is a folder ``CELLUCID_HOME/computed/<key>`` of ``.npy`` files and their words; the key is a hash of all that
the result depends on, so nothing ever has to be invalidated.
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
#: Bytes.
_MAPPED_FROM = 2**20
#: Stored values of a matrix that are read in less time than it takes to ask another process for it.
READ_AT_ONCE = 30_000_000


class NotComputed(WorkRefused):
    """What takes long was not computed before, and was not to be begun."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: this has not been computed yet.", "Ask for it once more.")


@dataclass(frozen=True)
class Derived:
    """A result.

    Attributes
    ----------
    arrays
        By name; the names are ours and make file names. Not to be written to.
    words
        What to say about it.
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
    """Return a result, computing it if nobody has yet; while another process does, it is waited for.

    Parameters
    ----------
    key
        From `View.key_of`.
    what
        What it is, for people.
    make
        Computes it.
    ready_only
        Whether it is not to be computed here and now.
    waiting
        Called now and then while another process computes it; raises to give up.

    Raises
    ------
    NotComputed
        If it is not there and `ready_only`.
    InputError
        If it cannot be kept, and what `make` raises.
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
        arrays[file.stem] = array.view(np.ndarray)  # a mapped one is shared by all sessions
    return Derived(arrays, tuple(json.loads((folder / _WORDS).read_text(encoding="utf-8"))))
