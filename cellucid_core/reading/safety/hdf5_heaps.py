"""Damaged heaps of an HDF5 file, which the HDF5 library would read forever.

Texts of variable length lie in "global heap collections". In a damaged one, a free-space object of length 0 makes the
library look for the next object in the same place, again and again, and nothing can interrupt it. Names lie in "local
heaps", whose list of free blocks may lead back to itself. So both are checked before a file is opened. Source: HDF5
File Format Specification 3.0, III.D and III.E.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from cellucid_core.compiled import compiled
from cellucid_core.errors import InputError

#: A collection begins with this; then come version 1, three reserved bytes, and its length.
_SIGNATURE, _VERSION = b"GCOL", b"\x01\x00\x00\x00"
#: A file begins with this.
_FILE = b"\x89HDF\r\n\x1a\n"
#: A local heap begins with this; then come version 0, three reserved bytes, and the length, the offset of the first
#: free block and the address of its data.
_LOCAL = b"HEAP"
#: Offset that means that there is no further free block.
_NO_BLOCK = 1
#: Bytes of a word, at which objects of a collection are aligned, and words of a head (an object's or a collection's).
_WORD, _HEAD = 8, 2
_PIECE = 2**18  # bytes; fits into a core's cache
#: Bytes of a file from which on it may hold so many texts that compiling `walk_objects` pays.
_LARGE = 64 * 2**20
#: Distances (words) that mean: the walk never gets on; the next object is beyond the end of any file.
_NOWHERE, _FAR = 0, 2**60
#: Number of bytes that means: the collection never ends.
_ENDLESS = -1
#: Sound collections do not overlap, so together they are at most as long as the file. Damaged ones may: at most this
#: many times the length of the file is read.
_OFTEN = 2


def check_heaps(path: Path, file_name: str) -> None:
    """Check every global heap collection and every local heap of a file.

    Raises
    ------
    InputError
        If reading one would never end, or collections overlap so much that they are longer than the file (`_OFTEN`).
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
    """Return the byte at which HDF5 begins, from which its addresses count: a user block may stand before it."""
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
        except (OSError, OverflowError, ValueError):  # an address that no file has
            return False
    return False


def _heaps(file: IO[bytes]) -> Iterator[tuple[bool, int]]:
    """Yield whether a signature is that of a local heap, and the byte at which it is, for all signatures."""
    known = [(False, int.from_bytes(_SIGNATURE, "little")), (True, int.from_bytes(_LOCAL, "little"))]
    start = 0
    while True:
        file.seek(start)
        piece = file.read(_PIECE)
        if len(piece) < len(_SIGNATURE):
            return
        # Comparing words of four bytes at the four possible shifts is several times as fast as `bytes.find`.
        for shift in range(4):
            words = np.frombuffer(piece, "<u4", (len(piece) - shift) // 4, shift)
            for local, word in known:
                for at in np.flatnonzero(words == word).tolist():
                    yield local, start + shift + 4 * at
        start += len(piece) - 3


def _read_through(file: IO[bytes], at: int, most: int, walk: Callable[[memoryview], int]) -> int:
    """Walk through a collection of at most `most` bytes; return how many bytes were read, or `_ENDLESS`."""
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
        if size < _HEAD:  # the file became shorter meanwhile
            break
        distance = walk(memoryview(piece)[: size * _WORD].cast("q"))
        if distance == _NOWHERE:
            return _ENDLESS
        place += distance
    return seen


def walk_objects(words: memoryview) -> int:
    """Walk from object to object and return the distance, in words, to the first one whose head is not among `words`.

    `_NOWHERE` if the walk would never get on from one of them. Written to be `compiled`.

    Parameters
    ----------
    words
        int64, at least two; the first two are the head of an object.
    """
    place = 0
    while place <= len(words) - 2:
        length = words[place + 1]
        if not 0 <= length < _FAR:  # the library itself refuses such a length
            return _FAR
        # The length of free space (index 0) includes its head; that of an object does not, and is padded to a word.
        if words[place] & 0xFFFF:
            place += 2 + (length + 7) // 8
        elif length == 0 or length % 8:  # the library writes free space of whole words only
            return _NOWHERE
        else:
            place += length // 8
    return place
