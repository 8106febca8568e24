"""What a Matrix Market file and the texts beside it declare, checked before they are read whole."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

from cellucid_core.configuration import read_configuration
from cellucid_core.errors import InputError
from cellucid_core.reading.formats.text_table import is_gzip, open_unpacked
from cellucid_core.reading.safety import require_memory

#: Bytes of memory that an entry takes while a matrix is read: as coordinates and, at the same time, as rows.
_ENTRY_BYTES = 40
#: Bytes of memory that pandas takes for a byte of text.
_TEXT_FACTOR = 6
#: Most bytes of the lines above the entries.
_MAX_HEADER = 2**20
#: Most bytes that one byte of a deflate stream can unpack to.
_DEFLATE = 1032
#: Bytes that are read at a time.
_PIECE = 2**20


def check_header(path: Path, file_name: str, expected: tuple[int, int]) -> None:
    """Refuse a matrix whose declared shape differs from its lists of names, or that declares too many entries.

    Parameters
    ----------
    path
        A ``.mtx`` or ``.mtx.gz``.
    file_name
        For messages.
    expected
        (n_features, n_barcodes); the matrix may have either order.

    Raises
    ------
    InputError
        If it is no Matrix Market file, has another shape, declares more entries than its file can hold, or would take
        too much memory.
    """
    damaged = InputError(f"{file_name} is damaged or was cut off.", "Copy or download it again, then open it.")
    try:
        packed = is_gzip(path)
        with open_unpacked(path) as file:
            words = file.readline(1000).split()
            size = file.readline(1000).split()
            read = 0
            while not size or size[0].startswith(b"%"):
                line = file.readline(_MAX_HEADER)
                read += len(line)
                if not line or read > _MAX_HEADER:
                    raise damaged
                size = line.split()
        numbers = [int(word) for word in size]
    except (OSError, EOFError, zlib.error, ValueError):
        raise damaged from None
    if len(words) < 5 or words[0].lower() != b"%%matrixmarket" or not 2 <= len(numbers) <= 3 or min(numbers) < 0:
        raise damaged
    dense = words[2].lower() == b"array"
    if len(numbers) != (2 if dense else 3):
        raise damaged
    if tuple(numbers[:2]) not in (expected, expected[::-1]):
        raise InputError(
            f"{file_name} is {numbers[0]:,} × {numbers[1]:,}, but there are {expected[0]:,} features and "
            f"{expected[1]:,} barcodes.",
            "The three files are of different samples, or one is cut off: copy or download them again.",
        )
    entries = numbers[0] * numbers[1] if dense else numbers[2]
    # The shortest entry is "1 1" with a line end (a pattern), the shortest dense value "1" with one.
    if entries * (2 if dense else 4) > (path.stat().st_size + 2) * (_DEFLATE if packed else 1):
        raise damaged
    require_memory(entries * float(_ENTRY_BYTES), file_name)


def open_entries(path: Path) -> io.BufferedReader:
    """Open a ``.mtx`` or ``.mtx.gz`` for ``scipy.io.mmread``, which crashes on a byte of 0.

    Reading raises `ValueError` at such a byte.
    """
    return io.BufferedReader(_NoZero(open_unpacked(path)), _PIECE)


class _NoZero(io.RawIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(len(buffer))
        if b"\0" in piece:
            raise ValueError("a byte of 0 is in the text")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def require_text(path: Path, file_name: str) -> None:
    """Refuse a text file, plain or gzipped, whose unpacked text is too long to be read whole.

    Raises
    ------
    InputError
        If it is too long, or a gzip file that is damaged.
    """
    size = path.stat().st_size
    limit = read_configuration().memory // _TEXT_FACTOR
    if size * _DEFLATE > limit and is_gzip(path):
        try:
            size = 0
            with gzip.open(path, "rb") as file:
                while size <= limit and (piece := file.read(2**20)):
                    size += len(piece)
        except (OSError, EOFError, zlib.error):
            raise InputError(
                f"{file_name} is a gzip file that is damaged or was cut off.",
                "Copy or download it again, then open it.",
            ) from None
    require_memory(size * float(_TEXT_FACTOR), file_name)
