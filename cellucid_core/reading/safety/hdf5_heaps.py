"""Heaps of an HDF5 file that its library would read for ever.

Texts of variable length lie in "global heap collections". In a damaged one, an object of no kind and no size makes the
library look for the next object in the same place, again and again, and nothing can interrupt it. Names lie in "local
heaps", whose list of free blocks may lead back to itself. So both are looked at before a file is opened. Source: HDF5
File Format Specification 3.0, III.D and III.E.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.errors import InputError

#: What a collection begins with; then version 1 and three reserved bytes, and its length.
_SIGNATURE, _VERSION = b"GCOL", b"\x01\x00\x00\x00"
#: What a file begins with.
_FILE = b"\x89HDF\r\n\x1a\n"
#: What a local heap begins with; then version 0 and three reserved bytes, its length, its first free block, its place.
_LOCAL = b"HEAP"
#: In place of a free block: none.
_NO_BLOCK = 1
#: Objects lie at whole words of a collection, their heads and its own are of two words each.
_WORD, _HEAD = 8, 2
_PIECE = 2**18  # fits into a core's cache
#: Bytes of a file that may hold so many texts that it pays to load a compiler.
_LARGE = 64 * 2**20
#: In place of a distance: none, for ever; and beyond the end of any file.
_NOWHERE, _FAR = 0, 2**60
#: In place of a number of bytes.
_ENDLESS = -1
#: Collections lie side by side. Ones that are in each other would have a file read any number of times.
_OFTEN = 2


def check_heaps(path: Path, file_name: str) -> None:
    """Look at every global heap collection of a file.

    Raises
    ------
    InputError
        If one would never end.
    """
    size = path.stat().st_size
    left = _OFTEN * size + _PIECE
    walk = compiled(walk_objects) if size >= _LARGE else walk_objects
    with path.open("rb", buffering=0) as file:
        base = _base(file)
        for local, at in _heaps(file):
            if local and _free_list_is_endless(file, at, base):
                raise _damaged(file_name, "names")
            if local:
                continue
            seen = _read_through(file, at, size - at, walk)
            left -= seen
            if seen == _ENDLESS or left < 0:
                raise _damaged(file_name, "texts")


def _damaged(file_name: str, what: str) -> InputError:
    return InputError(f"{file_name} is damaged: its {what} cannot be read.", "Copy or download it again, then open it.")


def _base(file: IO[bytes]) -> int:
    """Return where a file begins, from which places are counted: before it there may be a block of the user's."""
    at = 0
    while file.seek(at) == at and (head := file.read(len(_FILE))):
        if head == _FILE:
            return at
        at = 2 * at or 512
    return 0


def _free_list_is_endless(file: IO[bytes], at: int, base: int) -> bool:
    """Tell whether the free blocks of a local heap lead back to one of them."""
    file.seek(at + len(_LOCAL))
    if file.read(4) != bytes(4):  # another version, or no heap at all
        return False
    size, free, place = (int.from_bytes(file.read(_WORD), "little") for _ in range(3))
    seen: set[int] = set()
    while free != _NO_BLOCK and free + 2 * _WORD <= size:
        if free in seen:
            return True
        seen.add(free)
        try:
            file.seek(base + place + free)
            free = int.from_bytes(file.read(_WORD), "little")
        except (OSError, OverflowError, ValueError):  # beyond every file
            return False
    return False


def _heaps(file: IO[bytes]) -> Iterator[tuple[bool, int]]:
    """Yield where signatures stand, at any byte, and whether they are those of local heaps."""
    known = [(False, int.from_bytes(_SIGNATURE, "little")), (True, int.from_bytes(_LOCAL, "little"))]
    start = 0
    while True:
        file.seek(start)
        piece = file.read(_PIECE)
        if len(piece) < len(_SIGNATURE):
            return
        # Four comparisons of whole words are several times as fast as `bytes.find`.
        for shift in range(4):
            words = np.frombuffer(piece, "<u4", (len(piece) - shift) // 4, shift)
            for local, word in known:
                for at in np.flatnonzero(words == word).tolist():
                    yield local, start + shift + 4 * at
        start += len(piece) - 3


def _read_through(file: IO[bytes], at: int, most: int, walk: Callable[[memoryview], int]) -> int:
    """Go through a collection of at most so many bytes; return how many had to be read, or `_ENDLESS`."""
    file.seek(at + len(_SIGNATURE))
    if file.read(len(_VERSION)) != _VERSION:
        return 0
    stop = min(int.from_bytes(file.read(_WORD), "little"), most) // _WORD
    place, seen = _HEAD, 0
    while place + _HEAD <= stop:
        file.seek(at + place * _WORD)
        piece = file.read(min(_PIECE, (stop - place) * _WORD))  # thousands of objects
        seen += len(piece)
        size = len(piece) // _WORD
        if size < _HEAD:  # somebody cut it off meanwhile
            break
        distance = walk(memoryview(piece)[: size * _WORD].cast("q"))
        if distance == _NOWHERE:
            return _ENDLESS
        place += distance
    return seen


def walk_objects(words: memoryview) -> int:
    """Go from object to object and return how far it is to the first one whose head is not among the words.

    To be `compiled`. `_NOWHERE` if one of them leads to none.

    Parameters
    ----------
    words
        int64, from the head of an object on, at least two.
    """
    place = 0
    while place <= len(words) - 2:
        length = words[place + 1]
        if not 0 <= length < _FAR:  # the library notices
            return _FAR
        # Free space (index 0) is as long as it says; objects have a head besides, and fill up their last word.
        if words[place] & 0xFFFF:
            place += 2 + (length + 7) // 8
        elif length == 0 or length % 8:  # the library leaves whole words
            return _NOWHERE
        else:
            place += length // 8
    return place
