"""Fast gzip: each file is compressed in the way that suits its bytes.

Most vectors of an export are noise between runs of one value (a gene that most cells lack) or noise alone. There,
looking for repeated strings, on which zlib spends nearly all of its time, gains nothing or even makes the file larger:
run lengths only, or Huffman codes only, are ten times as fast *and* smaller. zlib-ng does these two. Where strings do
repeat (edges, smooth values), searching is far better: zlib-ng is several times as fast at it as zlib, but finds no
repeats of three bytes, and so writes up to a tenth more where those matter. A piece from the middle of the file is
compressed in all ways, and the fastest of those that are nearly the smallest is taken for the whole file; measured in
``tests/benchmarks/bench_export.py``.

The output depends only on the bytes, the level and the versions of the engines: the header has no time and no name.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from isal import isal_zlib
from zlib_ng import zlib_ng

Buffer = bytes | bytearray | memoryview

#: The piece that is tried: a sixteenth of the bytes, but neither less nor more than this.
_PIECE, _LARGEST_PIECE = 8 * 1024, 64 * 1024
#: From this level on the piece is eight times as large: a small file matters more than the time then.
_THOROUGH = 8
#: Classes of sparseness that a `Compressor` tells apart.
_CLASSES = 16
#: zlib's default: blocks of 16,384 symbols, so that the Huffman codes follow a vector whose values drift.
_MEMORY_LEVEL = 8
#: Searching with zlib, or with zlib-ng; zlib-ng without searching; ISA-L, with a short look or a longer one.
_SEARCH, _QUICK_SEARCH, _HUFFMAN, _RUNS = "search", "quick search", "huffman", "runs"
_GLANCE, _LOOK = "glance", "look"
#: Fastest first: the first one that is nearly the smallest, and no larger than zlib's, writes the file.
_WAYS = (_GLANCE, _RUNS, _HUFFMAN, _LOOK, _QUICK_SEARCH, _SEARCH)
_NEARLY, _AS_ZLIB = 1.04, 1.005
#: zlib-ng's levels below this one search too little, and those from it on are as fast as any.
_QUICK_LEVEL = 5


class Compressor:
    """Compresses arrays of one kind, such as genes of one matrix, without trying all ways on each.

    Vectors of one matrix have the same cells in the same order, so what suits a vector suits the next one that is about
    as sparse. All ways are tried on the first vector of each sixteenth of sparseness, and the best one is used for the
    others. The output depends on the vectors that this object has seen before, so it must get the same ones in the same
    order in every run.

    Parameters
    ----------
    level
        As in `gzip_bytes`.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._known: dict[int, str] = {}

    def gzip(self, data: Buffer) -> bytes:
        """Compress to one gzip member, as `gzip_bytes` does."""
        view = memoryview(data).cast("B")
        if len(view) <= _PIECE:
            return gzip_bytes(view, self._level)
        share = int(np.count_nonzero(np.frombuffer(view, np.uint8) == 0)) * _CLASSES // len(view)
        if share not in self._known:
            self._known[share] = _best_way(view, self._level)
        return _member(view, _deflate(view, self._level, self._known[share]), self._level)


def gzip_bytes(data: Buffer, level: int) -> bytes:
    """Compress to one gzip member that has no time and no name.

    Parameters
    ----------
    data
        Raw bytes.
    level
        1 (fast) … 9 (small): an effort, not an engine's level. The size is about zlib's at that level, or less.

    Returns
    -------
    bytes
        RFC 1952: mtime 0, operating system 255 (unknown), no name.
    """
    view = memoryview(data).cast("B")
    return _member(view, _deflate(view, level, _best_way(view, level)), level)


def _member(view: memoryview, body: bytes, level: int) -> bytes:
    extra = 2 if level == 9 else 4 if level == 1 else 0
    header = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, extra, 255)
    return b"".join((header, body, struct.pack("<II", zlib_ng.crc32(view), len(view) & 0xFFFFFFFF)))


def _best_way(view: memoryview, level: int) -> str:
    length = max(_PIECE, min(_LARGEST_PIECE, len(view) // 16)) * (8 if level >= _THOROUGH else 1)
    start = max(0, len(view) - length) // 2 // 8 * 8  # whole numbers of every width
    piece = view[start : start + length]
    sizes = {way: len(_deflate(piece, level, way)) for way in _WAYS}
    least = min(sizes.values())
    most = least if level >= _THOROUGH else max(least, min(_NEARLY * least, _AS_ZLIB * sizes[_SEARCH]))
    return next(way for way in _WAYS if sizes[way] <= most)


def _deflate(view: memoryview, level: int, way: str) -> bytes:
    if way in (_GLANCE, _LOOK):
        return isal_zlib.compress(view, 1 if way == _GLANCE else 3, -zlib.MAX_WBITS)
    make: Any = zlib.compressobj if way == _SEARCH else zlib_ng.compressobj
    level = max(level, _QUICK_LEVEL) if way == _QUICK_SEARCH else level
    strategy = {_HUFFMAN: zlib.Z_HUFFMAN_ONLY, _RUNS: zlib.Z_RLE}.get(way, zlib.Z_DEFAULT_STRATEGY)
    engine = make(level, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY_LEVEL, strategy)
    return bytes(engine.compress(view) + engine.flush())
