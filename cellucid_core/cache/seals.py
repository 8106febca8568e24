"""Find out whether files are still as they were written, by the sizes and CRC-32 noted when they were complete.

Small files are checked each time; large ones if their size, times or inode changed, else once a day, so that opening a
large store again does not read all of it. CRC-32 finds damage, not forgery: whoever can write here can write anything.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from zlib_ng import zlib_ng

from cellucid_core.atomic import complete_or_absent

#: Bytes up to which a file is read every time.
_SMALL = 4 * 2**20
#: Seconds after which a large file that looks unchanged is read again.
_AGAIN = 86_400.0
_CHUNK = 8 * 2**20


def seal(files: Iterable[Path], record: Path) -> None:
    """Note the sizes and checksums of files that are complete.

    Parameters
    ----------
    files
        Files in the folder of the record.
    record
        The JSON file to write; a file with the ending ``.checked`` beside it notes when each file was checked.
    """
    files = list(files)
    found = {path.name: {"size": path.stat().st_size, "crc32": _crc(path)} for path in files}
    checked = {path.name: [time.time(), *_stamp(path)] for path in files}
    for file, content in ((record.with_suffix(".checked"), checked), (record, found)):
        with complete_or_absent(file) as draft:
            draft.write_text(json.dumps(content), encoding="utf-8")


def is_sound(record: Path, now: float | None = None) -> bool:
    """Tell whether all files of a record are as they were sealed.

    Parameters
    ----------
    record
        As given to `seal`. Without a readable record the answer is False.
    now
        Seconds since 1970; by default the present time.
    """
    now = time.time() if now is None else now
    checked_file = record.with_suffix(".checked")
    try:
        sealed = json.loads(record.read_text(encoding="utf-8"))
        checked = _checked(checked_file)
        seen: dict[str, list[float]] = {}
        for name, known in sealed.items():
            path = record.parent / name
            stamp = _stamp(path)
            if stamp[0] != known["size"]:
                return False
            last = checked.get(name, [])
            fresh = last[1:] == stamp and 0 <= now - last[0] < _AGAIN
            if known["size"] <= _SMALL or not fresh:
                if _crc(path) != known["crc32"]:
                    return False
                last = [now, *stamp]
            seen[name] = last
        if not sealed:
            return False
        if any(seen[name] != checked.get(name) for name in seen if sealed[name]["size"] > _SMALL):
            with complete_or_absent(checked_file) as draft:
                draft.write_text(json.dumps(seen), encoding="utf-8")
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # something is missing, or the record is damaged
        return False
    return True


def _checked(file: Path) -> dict[str, list[float]]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    sound = isinstance(found, dict) and all(isinstance(value, list) and value for value in found.values())
    return found if sound else {}


def _stamp(path: Path) -> list[float]:
    status = path.stat()
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb", buffering=0) as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := file.read(_CHUNK):
            value = zlib_ng.crc32(piece, value)
    return value
