"""The datatypes and attributes in the header of an HDF5 object, as bytes, which the HDF5 library has no call for.

The library reads a text only together with its place, after it has allocated its length: see `hdf5_texts`. Source:
HDF5 File Format Specification 3.0, IV.A.1 and IV.A.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

#: Numbers of the kinds of messages in a header.
_DATATYPE, _ATTRIBUTE, _CONTINUATION = 0x03, 0x0C, 0x10
#: Signature of a header of version 2; one of version 1 has none. Bytes that are not messages, before and after them.
_VERSION_2, _BEFORE_1 = b"OHDR", 16
_BEFORE_BLOCK_2, _CHECKSUM = 4, 4
#: Flags of a header of version 2: times, numbers for the storage of attributes, and an order of creation.
_TIMES, _PHASES, _ORDER = 0x20, 0x10, 0x04
#: A message that lies elsewhere, for several objects.
_SHARED = 0x02
#: Bytes that most headers are shorter than, and the most that are read of one.
_AT_ONCE, _MOST = 512, 2**24


def typed_values(file: IO[bytes], at: int, base: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the datatype and the stored value of every attribute that lies in a header, and an array's datatype.

    An array's value is elsewhere, and empty here. Attributes that many objects share, and those of an object that has
    so many that the library keeps them in a heap of their own, are not among them.

    Parameters
    ----------
    file
        The file, unbuffered.
    at
        Address of the header.
    base
        The byte from which addresses count.
    """
    for kind, flags, body in _messages(file, at, base):
        if kind == _DATATYPE and not flags & _SHARED:
            yield body, b""
        if kind != _ATTRIBUTE or flags & _SHARED or len(body) < 8:
            continue
        # Version 3 has one byte more, for the character set of the name; version 1 fills each part up to a word.
        start = 9 if body[0] == 3 else 8
        name, datatype, space = (int.from_bytes(body[k : k + 2], "little") for k in (2, 4, 6))
        if body[0] == 1:
            name, datatype, space = (-(-size // 8) * 8 for size in (name, datatype, space))
        yield body[start + name : start + name + datatype], body[start + name + datatype + space :]


def _messages(file: IO[bytes], at: int, base: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield the kind, the flags and the content of every message of a header."""
    head = _bytes(file, base + at, _AT_ONCE)
    if head[:4] == _VERSION_2:
        flags = head[5] if len(head) > 5 else 0
        start = 6 + (16 if flags & _TIMES else 0) + (4 if flags & _PHASES else 0)
        width = 2 ** (flags & 3)
        size = int.from_bytes(head[start : start + width], "little")
        start, before, after = start + width, 6 if flags & _ORDER else 4, _CHECKSUM
    else:
        size, start, before, after = int.from_bytes(head[8:12], "little"), _BEFORE_1, 8, 0
    waiting, seen, left = [(at + start, size)], {at}, _MOST
    while waiting and left > 0:
        place, size = waiting.pop()
        block = head[start : start + size] if place == at + start else b""
        if len(block) < size:
            block = _bytes(file, base + place, min(size, left))
        left -= len(block)
        k = 0
        while k + before <= len(block):
            kind, flags_at = (block[k], k + 3) if after else (int.from_bytes(block[k : k + 2], "little"), k + 4)
            length = int.from_bytes(block[flags_at - 2 : flags_at], "little")
            body = block[k + before : k + before + length]
            k += before + length
            if kind == _CONTINUATION and len(body) >= 16:
                where, size = int.from_bytes(body[:8], "little"), int.from_bytes(body[8:16], "little")
                if where not in seen:  # a damaged one may lead back
                    seen.add(where)
                    skipped = _BEFORE_BLOCK_2 if after else 0
                    waiting.append((where + skipped, max(0, size - skipped - after)))
            else:
                yield kind, block[flags_at], body


def _bytes(file: IO[bytes], at: int, size: int) -> bytes:
    """Return bytes of the file; fewer where it ends, and none at a place that no file has."""
    try:
        file.seek(at)
        return file.read(size)
    except (OSError, OverflowError, MemoryError, ValueError):
        return b""
