"""The container of an export's files: a zip or a folder, neither of which is trusted."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import IO, Any, Protocol

from zlib_ng import zlib_ng

from cellucid_core.errors import InputError

IDENTITY = "dataset_identity.json"
_CHUNK = 4 * 2**20
#: Files that operating systems leave in folders that were looked at.
_LITTER = frozenset([".DS_Store", "Thumbs.db", "desktop.ini"])

#: The fixed part of an entry's local header: signature, flags, method, checksum, the two sizes (all ones where a ZIP64
#: field has them), and the lengths of its name and of its extra fields.
_HEADER = struct.Struct("<4s2xHH4xIIIHH")
_IN_EXTRA = 0xFFFFFFFF
_EXTRA = 32
_ENCRYPTED, _SIZES_FOLLOW, _UTF8 = 0x1, 0x8, 0x800


class DamagedError(ValueError):
    """Bytes that are not what the format demands; the message is the end of a sentence about the file."""


class ExportFiles(Protocol):
    """The files of one export, named by their paths within the dataset's folder."""

    @property
    def names(self) -> frozenset[str]:
        """All files, also ones that do not belong to the format."""
        ...

    @property
    def oddities(self) -> list[str]:
        """What is wrong with the container itself, one sentence each."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`; raises `DamagedError` if it cannot be opened."""
        ...

    def whole(self, name: str, most: int) -> bytes | None:
        """Return the whole file if it can be read in one step and has at most `most` bytes, else None.

        Raises `DamagedError` if its bytes do not fit the zip's checksum. May be called by several threads at once.
        """
        ...

    def checksum(self, name: str) -> int:
        """Return the CRC-32 of a file's bytes as they are in the folder; in a zip the one in the zip's directory."""
        ...

    def close(self) -> None:
        """Close the container."""
        ...


class _ZipFiles:
    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
            self._file = path.open("rb", buffering=0)
        except Exception as error:
            raise InputError(
                f"{path} is not a zip that can be read ({error or type(error).__name__}).", "Name a prepared export."
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
        # One read for the local header and the data, since the extra fields between them are short.
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
        return self._entries[name].CRC  # zipfile compares it with the bytes when the entry is read

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
    """Return the folder of the one dataset, ending in ``/`` or empty, from the paths of all identity files."""
    if not identities:
        raise InputError(
            f"{path} is not a prepared export: it has no {IDENTITY}.", "Name the zip or the dataset's folder."
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
        If it does not exist, cannot be read, or does not hold exactly one export.
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
