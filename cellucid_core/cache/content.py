"""Identify a file or a folder by the hash of its content, which is computed once as long as nothing changes.

The hash is BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs); of a file it is what ``b3sum`` prints. Nobody can make
two contents with the same hash, and it is ten times as fast as SHA-256 on processors without instructions for that.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache.home import home_folder
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from blake3 import blake3

#: Called with the bytes that are done; may raise to give up.
BytesDone = Callable[[int], None]

#: Bytes that are read at a time, and bytes between two calls of a progress function.
_PIECE = 2**20
_TELL_AFTER = 64 * 2**20
#: A file that changed less than this long before it was hashed could change again without its time changing.
_SETTLED_NS = 2 * 10**9


def content_hash(path: Path, progress: BytesDone = lambda done: None) -> str:
    """Return the BLAKE3 hash of a file's bytes, or of a folder's, as 64 hexadecimal digits.

    A folder's hash covers the sorted relative paths of its files, their sizes and their bytes. When a large file is
    opened again, hashing it would take longer than everything else, so the hash is remembered for as long as size,
    inode and times of every file stay the same.

    Parameters
    ----------
    path
        A regular file, or a folder of regular files.
    progress
        Called every 64 MiB while it is hashed, with the bytes of the present file that are done; may raise to give up.

    Raises
    ------
    InputError
        If it is, or a folder holds, something that is not a regular file, or if something cannot be read.
    """
    try:
        stamp, changed = _stamp(path)
        note = note_of(path)
        known = _known(note)
        if known.get("stamp") == stamp:
            with suppress(OSError):  # the note may have been swept this moment
                os.utime(note)  # shows `starting.sweep` that the file is in use
            return known["hash"]
        began = time.time_ns()
        digest = _hash(path, progress)
        if changed < began - _SETTLED_NS and _stamp(path)[0] == stamp:
            _note(note, json.dumps({"stamp": stamp, "hash": digest}))
    except OSError as error:
        raise InputError(
            f"{path.name} cannot be read ({error.strerror or error}).", "Check its permissions and the disk."
        ) from error
    return digest


def once_per_content(path: Path, what: str, check: Callable[[], None]) -> None:
    """Run a check of a file, unless the file passed it before and has not changed since.

    Parameters
    ----------
    path
        A regular file.
    what
        The check's name, in letters.
    check
        Raises if the file does not pass.

    Raises
    ------
    OSError
        If the file is not there. What `check` raises is passed on.
    """
    note = note_of(path).with_suffix(f".{what}")
    stamp, changed = _stamp(path)
    try:
        if note.read_text(encoding="ascii") == stamp:
            return
    except (OSError, ValueError):
        pass
    began = time.time_ns()
    check()
    if changed < began - _SETTLED_NS and _stamp(path)[0] == stamp:
        _note(note, stamp)


def _note(note: Path, text: str) -> None:
    # If it cannot be written, the content is hashed or checked again next time.
    with suppress(OSError), complete_or_absent(note) as draft:
        draft.write_text(text, encoding="utf-8")


def stamp_of(path: Path) -> str:
    """Return a text that changes whenever a file, or a file of a folder, does; empty if it cannot be read."""
    try:
        return _stamp(path)[0]
    except (OSError, ValueError, InputError):  # opening it says why
        return ""


def note_of(path: Path) -> Path:
    """Return the file that remembers the hash of a path; its modification time is that of the last opening."""
    return home_folder("hashes") / f"{hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:40]}.json"


def combined_hash(digest: str, *choices: str) -> str:
    """Return the hash of a content under choices that change what is read of it; without choices, `digest` itself."""
    if not choices:
        return digest
    return hashlib.sha256(json.dumps([digest, *choices]).encode()).hexdigest()


def turned_hash(digest: str) -> str:
    """Return the hash of a content whose matrices are read with cells and genes exchanged."""
    return hashlib.sha256(f"{digest} transposed".encode()).hexdigest()


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (relative path with ``/``, path) of every file of a folder, in sorted order.

    Raises
    ------
    InputError
        If it holds a link, a pipe or something else that is not a regular file.
    """
    found = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        for name in [*folders, *names]:
            path = Path(parent) / name
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            if not stat.S_ISREG(mode):
                raise InputError(
                    f"{folder.name} holds {name}, which is a link or not a regular file.",
                    "Copy the folder with the files themselves (cp -rL), then open the copy.",
                )
            found.append((path.relative_to(folder).as_posix(), path))
    yield from sorted(found)


def _raise(error: OSError) -> None:
    raise error


def bytes_hash(data: bytes | memoryview) -> str:
    """Return the hash that `content_hash` returns for a file with these bytes."""
    from blake3 import blake3

    return blake3(data).hexdigest()


def file_hash(path: Path, progress: BytesDone = lambda done: None) -> str:
    """Return the hash that `content_hash` returns for a file, reading it now.

    Parameters
    ----------
    path
        A regular file.
    progress
        Called every 64 MiB, and at the end, with the bytes that are done; may raise to give up.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    from blake3 import blake3

    state = blake3()
    _feed(state, path, progress)
    return state.hexdigest()


def _hash(path: Path, progress: BytesDone) -> str:
    if not path.is_dir():
        return file_hash(path, progress)
    from blake3 import blake3

    state = blake3()
    for relative, file_path in files_below(path):
        state.update(json.dumps([relative, file_path.stat().st_size]).encode())
        _feed(state, file_path, progress)
    return state.hexdigest()


def _feed(state: blake3, path: Path, progress: BytesDone) -> None:
    # Read, not mapped: if somebody shortens a mapped file meanwhile, the process is killed.
    piece, done = memoryview(bytearray(_PIECE)), 0
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(piece):
            state.update(piece[:size])
            done += size
            if done % _TELL_AFTER < size:
                progress(done)
    progress(done)


def _stamp(path: Path) -> tuple[str, int]:
    """Return a text that changes whenever a file does, and the time of the last change in nanoseconds since 1970."""
    state, latest = hashlib.sha256(), 0
    for relative, file_path in files_below(path) if path.is_dir() else [("", path)]:
        status = file_path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would wait for ever
            raise InputError(f"{path.name} is neither a file nor a folder.", "Name a file.")
        latest = max(latest, status.st_mtime_ns, status.st_ctime_ns)
        parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        state.update(json.dumps([relative, *parts]).encode())
    return state.hexdigest(), latest


def _known(note: Path) -> dict[str, str]:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    sound = isinstance(known, dict) and all(isinstance(value, str) for value in known.values()) and "hash" in known
    return known if sound else {}
