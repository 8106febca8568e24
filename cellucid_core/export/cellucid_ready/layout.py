"""How an array is cut into chunks, and how a chunk is stored.

The viewer is tuned for these shapes, shuffle and deflate level (the "Cellucid-ready AnnData" page of its
documentation); they are those of cellucid 0.9.5, so that a reader makes the same requests. HDF5's and zarr's chunks of
one array hold the same bytes: both are a zlib stream of the values in C order, optionally with the first bytes of all
values before all second bytes, and so on (the shuffle).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from zlib_ng import zlib_ng

#: Values per chunk of an array that is read one gene at a time, and of one that is read whole.
SLICED, WHOLE = 2**16, 2**18
#: The level that the file states. A reader does not need it: any deflate stream is read the same way.
DEFLATE_LEVEL = 6
#: (engine, level, strategy), fastest first. Shuffled numbers are runs of equal bytes between noise, where looking for
#: repeated strings gains nothing; elsewhere zlib-ng's search writes as much as zlib's at level 6, in half the time.
_WAYS: tuple[tuple[Any, int, int], ...] = (
    (zlib_ng, 4, zlib_ng.Z_RLE),
    (zlib_ng, 2, zlib.Z_DEFAULT_STRATEGY),
    (zlib_ng, 4, zlib.Z_DEFAULT_STRATEGY),
    (zlib, DEFLATE_LEVEL, zlib.Z_DEFAULT_STRATEGY),
)
#: A faster way may write this many times the bytes of the smallest.
_SLACK = 1.03


def vector(length: int, size: int = WHOLE) -> tuple[int]:
    """Return the chunk shape of a vector of `length` values, at most `size` of them in a chunk."""
    return (max(1, min(length, size)),)


def rows(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the chunk shape of an array that is read whole: all columns of a block of rows."""
    width = max(1, shape[1])
    return max(1, min(shape[0], WHOLE // width)), width


def strip(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the chunk shape of a dense matrix that is read by columns: many rows of few columns."""
    height = max(1, min(shape[0], WHOLE))
    return height, max(1, min(shape[1], WHOLE // height))


def n_chunks(shape: Sequence[int], chunks: Sequence[int]) -> int:
    """Return how many chunks an array has."""
    number = 1
    for length, size in zip(shape, chunks, strict=True):
        number *= -(-length // size)
    return number


def raw_chunk(block: np.ndarray, chunks: tuple[int, ...], dtype: np.dtype[Any], shuffle: bool) -> bytes:
    """Return a chunk's bytes before compression: converted, padded with zeros at the array's end, shuffled.

    Parameters
    ----------
    block
        The values; at the end of an axis, the block is smaller than `chunks`.
    chunks
        Shape of a whole chunk.
    dtype
        As stored, little-endian.
    shuffle
        Whether the first bytes of all values come before all second bytes, and so on.
    """
    if block.shape != chunks:
        whole = np.zeros(chunks, dtype)
        whole[tuple(slice(0, length) for length in block.shape)] = block
    else:
        whole = np.ascontiguousarray(block, dtype)
    if not shuffle or dtype.itemsize == 1:
        return whole.tobytes()
    return whole.reshape(-1).view(np.uint8).reshape(-1, dtype.itemsize).T.tobytes()


class Deflater:
    """Compresses the chunks of one array: the first chunk in every way, the others in the way that was best for it.

    Thread-safe once `learn` was given the first chunk.
    """

    def __init__(self) -> None:
        self._way: tuple[Any, int, int] | None = None

    def learn(self, raw: bytes) -> bytes:
        """Choose the fastest way whose output is nearly the smallest, and return the chunk compressed that way."""
        tried = [_deflate(raw, way) for way in _WAYS]
        limit = _SLACK * min(map(len, tried))
        best = next(index for index, data in enumerate(tried) if len(data) <= limit)
        self._way = _WAYS[best]
        return tried[best]

    def compress(self, raw: bytes) -> bytes:
        """Return a chunk as a zlib stream; the first chunk is given to `learn`."""
        return self.learn(raw) if self._way is None else _deflate(raw, self._way)


def _deflate(raw: bytes, way: tuple[Any, int, int]) -> bytes:
    engine, level, strategy = way
    stream = engine.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 8, strategy)
    return bytes(stream.compress(raw) + stream.flush())
