"""Take files out of archives without trusting them: nothing lands outside, nothing grows without bound."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import alone_with
from cellucid_core.configuration import format_size, read_configuration
from cellucid_core.errors import InputError
from cellucid_core.reading.safety import require_disk

#: Most entries of one archive; a zarr folder of a large atlas has some hundred thousand.
MAX_ENTRIES = 2_000_000
_CHUNK = 4 * 2**20
_AGAIN = "Copy or download it again, then open it."


def checked_entries(archive: zipfile.ZipFile, file_name: str) -> list[str]:
    """Return the names of a zip's files, without those that macOS adds, after checking that they are harmless.

    Raises
    ------
    InputError
        If a name leads outside or stands for a link, if something is encrypted, if there are more than `MAX_ENTRIES`,
        or if the declared sizes exceed ``CELLUCID_UNPACKED_LIMIT``.
    """
    total, names = 0, []
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise InputError(f"{file_name} holds {len(entries):,} files.", f"At most {MAX_ENTRIES:,} are opened.")
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name.split("/")[0] or "\0" in name:
            raise InputError(
                f"{file_name} holds a file that would land outside of it ({name[:80]!r}).", "Zip it again."
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise InputError(f"{file_name} holds a link ({name[:80]!r}).", "Zip the files themselves.")
        if entry.flag_bits & 1:
            raise InputError(f"{file_name} is encrypted.", "Zip it again, without a password.")
        total += entry.file_size
        if not (entry.is_dir() or name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"):
            names.append(name)
    limit = read_configuration().unpacked_limit
    if total > limit:
        raise InputError(f"{file_name} unpacks to {format_size(total)}.", f"At most {format_size(limit)} are unpacked.")
    # zarr's ZipStore writes metadata again under the same name: that is one file, as it was written last.
    return list(dict.fromkeys(names))


def unpack_entry(path: Path, name: str, target: Path, file_name: str) -> None:
    """Unpack one file of a zip to `target`, unless that is there already; complete or absent.

    Parameters
    ----------
    path, file_name
        The zip, and what the user calls it.
    name
        The file in it.
    target
        A file in the folder ``unpacked`` of the home, whose locks `cache.alone_with` knows.

    Raises
    ------
    InputError
        If the zip is damaged or too large, or the disk is full.
    """
    with alone_with(target):
        if not target.exists():
            _unpack_entry(path, name, target, file_name)


def _unpack_entry(path: Path, name: str, target: Path, file_name: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            checked_entries(archive, file_name)
            entry = archive.getinfo(name)
            require_disk(entry.file_size, target.parent, file_name)
            with archive.open(entry) as source:
                copy_bounded(source, target, entry.file_size, file_name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{file_name} is a zip that is damaged or was cut off.", _AGAIN) from error


def unpack_folder(path: Path, inside: str, folder: Path, file_name: str) -> None:
    """Unpack the files that lie directly in one folder of a zip.

    Parameters
    ----------
    inside
        The folder within the zip, ending in ``/``, or empty for its root.
    folder
        The existing folder that they are written to.

    Raises
    ------
    InputError
        If the zip is damaged or too large, or the disk is full.
    """
    with zipfile.ZipFile(path) as archive:
        names = [name for name in checked_entries(archive, file_name) if name.rpartition("/")[0] == inside.rstrip("/")]
        require_disk(sum(archive.getinfo(name).file_size for name in names), folder, file_name)
    for name in names:
        _unpack_entry(path, name, folder / name.rpartition("/")[2], file_name)


def gunzip(path: Path, target: Path, file_name: str) -> None:
    """Decompress a gzip file to `target` (see `unpack_entry`), unless that is there already; complete or absent.

    Raises
    ------
    InputError
        If it is damaged or too large, or the disk is full.
    """
    with alone_with(target):
        if not target.exists():
            _gunzip(path, target, file_name)


def _gunzip(path: Path, target: Path, file_name: str) -> None:
    try:
        with gzip.open(path) as source:
            copy_bounded(source, target, None, file_name)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{file_name} is a gzip file that is damaged or was cut off.", _AGAIN) from error


def copy_bounded(source: Any, target: Path, limit: int | None, file_name: str) -> None:
    """Copy a stream to a file that is complete or absent.

    Parameters
    ----------
    limit
        Most bytes that the stream may have; None if nothing tells: then as many as `require_disk` allows.

    Raises
    ------
    InputError
        If the stream is longer, or the disk is full.
    OSError
        Without ``errno``, if the content of the stream is damaged.
    """
    written, free = 0, shutil.disk_usage(target.parent).free
    try:
        with complete_or_absent(target) as draft, draft.open("wb") as file:
            while piece := source.read(_CHUNK):
                written += len(piece)
                if limit is None:
                    require_disk(written, target.parent, file_name, free=free)
                elif written > limit:
                    raise InputError(f"{file_name} unpacks to more than it should.", "Pack it again.")
                file.write(piece)
    except OSError as error:
        if error.errno is None:  # gzip raises these for damaged content
            raise
        raise InputError(
            f"{file_name} could not be unpacked ({os.strerror(error.errno)}).",
            "Free some disk space, or point CELLUCID_HOME to a larger disk.",
        ) from error
