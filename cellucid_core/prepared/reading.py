"""Read an export from a zip or a folder without trusting it: every read is bounded by what is expected."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np
from zlib_ng import zlib_ng

from cellucid_core.errors import InputError

IDENTITY = "dataset_identity.json"
#: Most bytes of a manifest that are read; a column with 65,534 categories in three dimensions takes about 20 MB.
MAX_JSON = 256 * 2**20
_CHUNK = 4 * 2**20
#: What operating systems leave in folders that were looked at.
_LITTER = frozenset([".DS_Store", "Thumbs.db", "desktop.ini"])


Buffer = bytes | bytearray

#: The fixed part of an entry's local header: signature, flags, method, checksum, the two sizes (all ones where a ZIP64
#: field has them), and the lengths of its name and of its extra fields.
_HEADER = struct.Struct("<4s2xHH4xIIIHH")
_IN_EXTRA = 0xFFFFFFFF
_EXTRA = 32
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800
#: What zlib-ng raises on bytes that are no deflate stream (its type hints do not say that it is an exception).
DEFLATE_ERROR: type[Exception] = cast("type[Exception]", zlib_ng.error)


class DamagedError(ValueError):
    """Bytes that cannot be what they should be."""


class ExportFiles(Protocol):
    """The files of one export: paths within the dataset's folder."""

    @property
    def names(self) -> frozenset[str]:
        """All files, also unexpected ones."""
        ...

    @property
    def oddities(self) -> list[str]:
        """What is wrong with the container itself, one sentence each."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`; raises `DamagedError` if it cannot be opened."""
        ...

    def whole(self, name: str, most: int) -> bytes | None:
        """Return all of a file, if that is possible in one step and it has at most `most` bytes, else None.

        Raises `DamagedError` if its bytes are not those that were written. For any number of threads.
        """
        ...

    def checksum(self, name: str) -> int:
        """Return the CRC-32 of a file's stored bytes; of a zip the one that its directory has."""
        ...

    def close(self) -> None:
        """Let go of the container."""
        ...


class _ZipFiles:
    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            self._file = path.open("rb", buffering=0)
        except Exception as error:
            raise InputError(
                f"{path} is no zip that can be read ({error or type(error).__name__}).", "Name a prepared export."
            ) from None
        self.oddities: list[str] = []
        entries: dict[str, zipfile.ZipInfo] = {}
        for entry in self._zip.infolist():
            if entry.is_dir() or entry.filename.startswith("__MACOSX/"):
                continue
            if entry.filename in entries:
                self.oddities.append(f"{entry.filename} is in the zip twice.")
            entries[entry.filename] = entry
        root = _root([name for name in entries if name.rpartition("/")[2] == IDENTITY], path)
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for name, entry in entries.items():
            if name.startswith(root):
                self._entries[name[len(root) :]] = entry
            else:
                self.oddities.append(f"{name} lies outside the dataset's folder.")
        self.names = _without_litter(self._entries)

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._zip.open(self._entries[name])
        except Exception as error:
            raise DamagedError(f"its zip entry cannot be read ({error})") from None

    def whole(self, name: str, most: int) -> bytes | None:
        entry = self._entries[name]
        plain = entry.compress_type == zipfile.ZIP_STORED and not entry.flag_bits & _ENCRYPTED
        if not plain or entry.file_size != entry.compress_size or entry.file_size > most or not hasattr(os, "pread"):
            return None
        # One call for the local header and what follows it: its extra fields are none, or short.
        guess = _HEADER.size + len(_encoded(entry)) + _EXTRA + entry.file_size
        raw = os.pread(self._file.fileno(), guess, entry.header_offset)
        if len(raw) < _HEADER.size:
            raise DamagedError("it lies outside the zip")
        signature, flags, method, crc, *sizes, name_length, extra_length = _HEADER.unpack_from(raw)
        start = _HEADER.size + name_length
        same = (signature, flags, method) == (b"PK\3\4", entry.flag_bits, entry.compress_type)
        if same and not flags & _SIZES_FOLLOW:
            same = crc == entry.CRC and set(sizes) <= {entry.file_size, _IN_EXTRA}
        if not same or raw[_HEADER.size : start] != _encoded(entry):
            raise DamagedError("its zip entry does not begin as the zip's directory says")
        start += extra_length
        if start + entry.file_size > len(raw):
            return None
        data = raw[start : start + entry.file_size]
        if zlib_ng.crc32(data) != entry.CRC:
            raise DamagedError("its bytes do not fit the zip's checksum")
        return data

    def checksum(self, name: str) -> int:
        return self._entries[name].CRC  # reading the entry compares it with the bytes

    def close(self) -> None:
        self._zip.close()
        self._file.close()


def _encoded(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")


class _FolderFiles:
    def __init__(self, path: Path) -> None:
        self.oddities: list[str] = []
        if not (path / IDENTITY).is_file():
            inner = sorted(f"{entry.name}/{IDENTITY}" for entry in path.iterdir() if (entry / IDENTITY).is_file())
            path = path / _root(inner, path)
        self._path = path
        names = []
        for folder, _, files in os.walk(path):
            relative = Path(folder).relative_to(path).as_posix()
            names += [name if relative == "." else f"{relative}/{name}" for name in files]
        self.names = _without_litter(names)

    def open(self, name: str) -> IO[bytes]:
        target = self._path / name
        if not target.is_file():  # a pipe would never end
            raise DamagedError("it is not a regular file")
        try:
            return target.open("rb")
        except OSError as error:
            raise DamagedError(f"it cannot be opened ({error.strerror})") from None

    def whole(self, name: str, most: int) -> bytes | None:
        with self.open(name) as file:
            if os.fstat(file.fileno()).st_size > most:
                return None
            return file.read(most + 1)

    def checksum(self, name: str) -> int:
        found = 0
        with self.open(name) as file:
            while piece := file.read(_CHUNK):
                found = zlib_ng.crc32(piece, found)
        return found

    def close(self) -> None:
        pass


def _without_litter(names: Any) -> frozenset[str]:
    return frozenset(name for name in names if name.rpartition("/")[2] not in _LITTER)


def _root(identities: list[str], path: Path) -> str:
    """Return the prefix of the one dataset, from the paths of all identities."""
    if not identities:
        raise InputError(
            f"{path} is no prepared export: it has no {IDENTITY}.", "Name the zip or the dataset's folder."
        )
    depth = min(name.count("/") for name in identities)
    highest = [name for name in identities if name.count("/") == depth]
    if len(highest) > 1:
        raise InputError(f"{path} holds {len(highest)} datasets.", "Name the folder of one of them.")
    return highest[0].removesuffix(IDENTITY)


def open_export(path: str | Path) -> ExportFiles:
    """Open a zip or a folder.

    Raises
    ------
    InputError
        If it is neither, or holds no export, or several.
    """
    path = Path(path)
    try:
        if path.is_dir():
            return _FolderFiles(path)
        if not path.is_file():
            raise InputError(f"{path} does not exist.", "Name a prepared export: a zip or a folder.")
        return _ZipFiles(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}).", "Check the path and its permissions.") from None


def read_json(files: ExportFiles, name: str) -> Any:
    """Read strict JSON.

    Raises
    ------
    DamagedError
        If it is too long, no UTF-8, no JSON, holds NaN or Infinity, or a name twice.
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
        UTF-8, at most `MAX_JSON` bytes.

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
        raise DamagedError(f"it is no valid JSON ({error})") from None


def _no_constant(token: str) -> Any:
    raise DamagedError(f"it holds {token}, which is no JSON")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise DamagedError("it names something twice")
    return found


def read_array(
    files: ExportFiles, name: str, count: int, dtype: np.dtype[Any], *, own: bool = False
) -> Iterator[np.ndarray]:
    """Read a binary piece by piece, decompressed if its name ends in ``.gz``.

    Parameters
    ----------
    count
        Numbers that it should hold.
    dtype
        Their type.
    own
        Whether the stored bytes are known to be those that we wrote. Then gzip data are unpacked by libdeflate, which
        is quicker and another program than wrote them, but does not tell whether something follows them.

    Yields
    ------
    numpy.ndarray
        1-D, together exactly `count` numbers; at most a few MB each.

    Raises
    ------
    DamagedError
        As soon as it is found to be longer, shorter, cut or changed.
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
    """Cut pieces anew, all but the last to one length, so that two files can be read side by side."""
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
