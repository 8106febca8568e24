"""How much memory and disk a file may take: what it declares is checked before anything is read.

A few bytes can declare an array of a million times a million values, and every library allocates it when asked.
"""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from cellucid_core.configuration import format_size, read_configuration
from cellucid_core.errors import InputError

#: Bytes that a text takes in memory at least, as a Python object and its place in an array.
TEXT_BYTES = 64
#: Bytes of free space that are left on the disk.
SPARE = 2**30
#: Deepest nesting and most objects of one file.
MAX_DEPTH, MAX_OBJECTS = 32, 1_000_000
#: Most members that are looked at below one group: each link to a group that has others doubles them.
_MAX_STEPS = 100_000


def require_memory(size: float, what: str) -> None:
    """Refuse what would take more memory than ``CELLUCID_MEMORY``.

    Parameters
    ----------
    size
        Bytes.
    what
        Its name, for the message.

    Raises
    ------
    InputError
        If it is more.
    """
    limit = read_configuration().memory
    if size > limit:
        raise InputError(
            f"{what} would take {format_size(size)} of memory; this server has {format_size(limit)} for a dataset.",
            "If it is meant to be so large, open a part of it, or raise CELLUCID_MEMORY.",
        )


def require_disk(size: float, folder: Path, what: str, *, free: int | None = None) -> None:
    """Refuse what would take more of the disk than ``CELLUCID_UNPACKED_LIMIT``, or than is free less `SPARE`.

    Parameters
    ----------
    size
        Bytes.
    folder
        An existing folder on the disk.
    what
        Its name, for the message.
    free
        Free bytes of the disk; by default those of this moment.

    Raises
    ------
    InputError
        If it is more.
    """
    limit = read_configuration().unpacked_limit
    if size > limit:
        raise InputError(
            f"{what} would take {format_size(size)} on the disk; this server unpacks at most {format_size(limit)}.",
            "If it is meant to be so large, open a part of it, or raise CELLUCID_UNPACKED_LIMIT.",
        )
    if size > (shutil.disk_usage(folder).free if free is None else free) - SPARE:
        raise InputError(
            f"{what} would take {format_size(size)}, more than the disk has room for.",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        )


def declared_size(element: Any) -> float:
    """Return the bytes of memory that all values of an HDF5 or zarr group or array would take, as it declares them.

    Parameters
    ----------
    element
        An h5py or zarr group or array, checked by `check_hdf5` or `check_zarr`.

    Raises
    ------
    InputError
        If links lead to the same groups so often that reading them would not end.
    """
    size, waiting, steps = 0.0, [(element, 0)], 0
    while waiting:
        member, depth = waiting.pop()
        steps += 1
        if steps > _MAX_STEPS:
            raise InputError(
                f"A group holds more than {_MAX_STEPS:,} members, or leads to the same ones again and again.",
                "Write the file again without it.",
            )
        if hasattr(member, "dtype"):
            size += _array_size(member.shape, member.dtype)
        elif hasattr(member, "keys") and depth < MAX_DEPTH:
            for key in member:
                with suppress(KeyError, ValueError, OSError):  # a link to nothing; reading it says so
                    waiting.append((member[key], depth + 1))
    return size


def _array_size(shape: Any, dtype: Any) -> float:
    kind = getattr(dtype, "kind", "O")
    item = TEXT_BYTES if kind in "OT" else max(1, int(getattr(dtype, "itemsize", TEXT_BYTES)))
    return float(math.prod(int(n) for n in shape or ()) * item)
