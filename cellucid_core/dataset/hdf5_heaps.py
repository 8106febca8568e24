"""Heaps of an HDF5 file that its library would read for ever.

Texts of variable length lie in "global heap collections". In a damaged one, an object of no kind and no size makes the
library look for the next object in the same place, again and again, and nothing can interrupt it. So the collections
of a file are looked at before it is opened. Source: HDF5 File Format Specification 3.0, III.E.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cellucid_core.errors import InputError

#: Signature, version 1, three reserved bytes.
_SIGNATURE = b"GCOL\x01\x00\x00\x00"
_HEADER, _OBJECT = 16, 16
_PIECE = 16 * 2**20


def check_heaps(path: Path, file_name: str) -> None:
    """Look at every global heap collection of a file.

    Raises
    ------
    InputError
        If one would never end.
    """
    with path.open("rb", buffering=0) as file:
        for at in _collections(file):
            if _is_endless(file, at):
                raise InputError(
                    f"{file_name} is damaged: its texts cannot be read.", "Copy or download it again, then open it."
                )


def _collections(file: IO[bytes]) -> Iterator[int]:
    """Yield where signatures stand; reading in pieces is much faster than a memory map."""
    start, rest = 0, b""
    while True:
        file.seek(start + len(rest))
        piece = file.read(_PIECE)
        if not piece:
            return
        data = rest + piece
        found = data.find(_SIGNATURE)
        while found >= 0:
            yield start + found
            found = data.find(_SIGNATURE, found + 1)
        keep = min(len(data), len(_SIGNATURE) - 1)
        start, rest = start + len(data) - keep, data[len(data) - keep :]


def _is_endless(file: IO[bytes], at: int) -> bool:
    file.seek(at + len(_SIGNATURE))
    size = int.from_bytes(file.read(8), "little")
    place = _HEADER
    while place + _OBJECT <= size:
        file.seek(at + place)
        head = file.read(_OBJECT)
        if len(head) < _OBJECT:  # cut off: the library notices
            return False
        index, length = int.from_bytes(head[:2], "little"), int.from_bytes(head[8:], "little")
        # Free space (index 0) is as long as it says; objects have a header besides, and fill up eight bytes.
        step = length if index == 0 else _OBJECT + (length + 7) // 8 * 8
        if step == 0:
            return True
        place += step
    return False
