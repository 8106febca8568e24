"""Read the files of an export without trusting them: no read takes more bytes than are expected."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import IO, Any, cast

import numpy as np
from zlib_ng import zlib_ng

from cellucid_core.prepared.containers import DamagedError, ExportFiles

#: Most bytes of a manifest that are read; a column with 65,534 categories in three dimensions takes about 20 MB.
MAX_JSON = 256 * 2**20
_CHUNK = 4 * 2**20

Buffer = bytes | bytearray

#: What zlib-ng raises for bytes that are no deflate stream (its type hints do not say that it is an exception).
DEFLATE_ERROR: type[Exception] = cast("type[Exception]", zlib_ng.error)


def read_json(files: ExportFiles, name: str) -> Any:
    """Read strict JSON.

    Raises
    ------
    DamagedError
        If it is too long, not UTF-8 or not JSON, holds NaN or Infinity, or has an object with the same name twice.
    """
    try:
        with files.open(name) as file:
            raw = file.read(MAX_JSON + 1)
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"it cannot be read ({error})") from None
    return strict_json(raw)


def strict_json(raw: bytes) -> Any:
    """Parse strict JSON.

    Parameters
    ----------
    raw
        UTF-8.

    Raises
    ------
    DamagedError
        As `read_json`.
    """
    try:
        if len(raw) > MAX_JSON:
            raise DamagedError("it is too long")
        return json.loads(raw.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_no_repeats)
    except DamagedError:
        raise
    except RecursionError:
        raise DamagedError("it is nested too deeply") from None
    except Exception as error:
        raise DamagedError(f"it is not valid JSON ({error})") from None


def _no_constant(token: str) -> Any:
    raise DamagedError(f"it holds {token}, which is not JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DamagedError("it names something twice")
    return found


def read_array(
    files: ExportFiles, name: str, count: int, dtype: np.dtype[Any], *, own: bool = False
) -> Iterator[np.ndarray]:
    """Read a binary file piece by piece, decompressed if its name ends in ``.gz``.

    Parameters
    ----------
    count
        How many numbers it should hold.
    dtype
        Their type.
    own
        Whether the stored bytes are known to be those that we wrote. Then short gzip files are unpacked with
        libdeflate, which is faster and not the library that wrote them, but does not tell whether something follows.

    Yields
    ------
    numpy.ndarray
        1D, at most 4 MiB each; together exactly `count` numbers.

    Raises
    ------
    DamagedError
        As soon as it turns out to be longer, shorter, cut off or changed.
    """
    length = count * dtype.itemsize
    short = _read_whole(files, name, length, own) if 0 < length <= _CHUNK else None
    for data in _even(_read_raw(files, name, length)) if short is None else [short]:
        yield np.frombuffer(data, dtype)


def _read_whole(files: ExportFiles, name: str, length: int, own: bool) -> Buffer | None:
    """Read a short binary in one step, or return None if it is stored in a way that does not allow that."""
    try:
        data = files.whole(name, length + length // 64 + 1024)
    except DamagedError:
        raise
    except Exception as error:
        raise DamagedError(f"it cannot be read ({error})") from None
    if data is not None and name.endswith(".gz"):
        if own:
            return _unpack(data, length)
        pieces = list(_gunzip(io.BytesIO(data), length))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if data is not None:
        _check_length(len(data), length)
    return data


def _unpack(data: bytes, length: int) -> Buffer:
    from deflate import DeflateError, gzip_decompress

    try:
        unpacked: Buffer = gzip_decompress(data, length)
    except DeflateError as error:
        raise DamagedError(f"its gzip data are damaged, or longer than {length:,} bytes ({error})") from None
    _check_length(len(unpacked), length)
    return unpacked


def _even(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Recut pieces so that all but the last have `_CHUNK` bytes and two files can be read side by side."""
    held, length = [], 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        while length >= _CHUNK:
            data = b"".join(held)
            yield data[:_CHUNK]
            held, length = [data[_CHUNK:]], length - _CHUNK
    if length:
        yield held[0] if len(held) == 1 else b"".join(held)


def _read_raw(files: ExportFiles, name: str, length: int) -> Iterator[bytes]:
    try:
        with files.open(name) as file:
            yield from _gunzip(file, length) if name.endswith(".gz") else _plain(file, length)
    except (DamagedError, GeneratorExit):
        raise
    except Exception as error:
        raise DamagedError(f"it cannot be read ({error})") from None


def _plain(file: IO[bytes], length: int) -> Iterator[bytes]:
    seen = 0
    while seen <= length:
        piece = file.read(min(_CHUNK, length - seen + 1))
        if not piece:
            break
        seen += len(piece)
        if seen <= length:
            yield piece
    _check_length(seen, length)


def _gunzip(file: IO[bytes], length: int) -> Iterator[bytes]:
    engine: Any = zlib_ng.decompressobj(16 + zlib_ng.MAX_WBITS)
    seen = 0
    try:
        while not engine.eof:
            data = engine.unconsumed_tail or file.read(_CHUNK)
            if not data:
                raise DamagedError("its gzip data are cut off")
            piece = bytes(engine.decompress(data, min(_CHUNK, length - seen + 1)))
            seen += len(piece)
            if seen > length:
                break
            if piece:
                yield piece
    except DEFLATE_ERROR as error:
        raise DamagedError(f"its gzip data are damaged ({error})") from None
    _check_length(seen, length)
    if engine.unused_data or file.read(1):
        raise DamagedError("something follows its gzip data")


def _check_length(seen: int, length: int) -> None:
    if seen > length:
        raise DamagedError(f"it holds more than the {length:,} bytes it should")
    if seen < length:
        raise DamagedError(f"it holds {seen:,} bytes instead of {length:,}")
