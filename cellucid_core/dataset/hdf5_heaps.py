"""Heaps of an HDF5 file that its library would read for ever.

Texts of variable length lie in "global heap collections". In a damaged one, an object of no kind and no size makes the
library look for the next object in the same place, again and again, and nothing can interrupt it. So the collections
of a file are looked at before it is opened. Source: HDF5 File Format Specification 3.0, III.E.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from cellucid_core.errors import InputError

#: What a collection begins with; then version 1 and three reserved bytes.
_SIGNATURE, _VERSION = b"GCOL", b"\x01\x00\x00\x00"
_HEADER, _OBJECT = 16, 16
#: Of an object: its index, and behind the number of references and a gap its length.
_HEAD = struct.Struct("<H6xQ")
_PIECE = 2**18  # fits into a core's cache


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
    """Yield where signatures stand, at any byte."""
    word = int.from_bytes(_SIGNATURE, "little")
    start = 0
    while True:
        file.seek(start)
        piece = file.read(_PIECE)
        if len(piece) < len(_SIGNATURE):
            return
        # Four comparisons of whole words are several times as fast as `bytes.find`.
        for shift in range(4):
            words = np.frombuffer(piece, "<u4", (len(piece) - shift) // 4, shift)
            for at in np.flatnonzero(words == word).tolist():
                yield start + shift + 4 * at
        start += len(piece) - 3


def _is_endless(file: IO[bytes], at: int) -> bool:
    file.seek(at + len(_SIGNATURE))
    if file.read(len(_VERSION)) != _VERSION:
        return False
    size = int.from_bytes(file.read(8), "little")
    place = _HEADER
    piece, begins = b"", 0  # a texts' heap has thousands of objects: they are read many at a time
    while place + _OBJECT <= size:
        if not begins <= place <= begins + len(piece) - _OBJECT:
            file.seek(at + place)
            piece, begins = file.read(_PIECE), place
            if len(piece) < _OBJECT:  # cut off: the library notices
                return False
        index, length = _HEAD.unpack_from(piece, place - begins)
        # Free space (index 0) is as long as it says; objects have a header besides, and fill up eight bytes.
        step = length if index == 0 else _OBJECT + (length + 7) // 8 * 8
        if step == 0:
            return True
        place += step
    return False
