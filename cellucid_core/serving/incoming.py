"""Uploads on their way: a file that grows, a record of how far it is trusted, and its place when it is complete.

An upload is named by a random token that only the browser that began it knows; on disk it is named by the token's hash.
The record says how many bytes were received whole: what a dropped connection or a killed server left beyond is cut off
before the next byte is written. Nothing is kept in memory, so an upload outlives the server.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
import zipfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import combined_hash, content_hash, file_hash, home_folder
from cellucid_core.configuration import Configuration, format_duration, format_size, read_configuration
from cellucid_core.errors import InputError
from cellucid_core.names import unique
from cellucid_core.reading import check_file_name
from cellucid_core.serving.sign_in import browser_owner, holder_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
#: Seconds that a finished upload may wait for its turn before it is opened.
_OPENED_WITHIN = 3600.0


class TooLarge(InputError):
    """More than the limit, the quota or the disk allows."""


@dataclass(frozen=True)
class Upload:
    """The record of an upload.

    Attributes
    ----------
    name
        What the user's file is called, without folders.
    size
        Bytes it will have.
    owner
        Whose it is: the user who was signed in, or the browser that began it (`sign_in.holder_of`).
    offset
        Bytes received and trusted.
    changed
        When it last grew, in seconds since 1970.
    kept
        Its file's name among the finished uploads, once it is complete and was taken.
    """

    name: str
    size: int
    owner: str
    offset: int
    changed: float
    kept: str = ""


def _folder() -> Path:
    return home_folder("incoming")


def _stem(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:40]


def _data(token: str) -> Path:
    return _folder() / f"{_stem(token)}.data"


def lock_file(token: str) -> Path:
    """Return the file whose lock a writer of this upload holds."""
    return _folder() / f"{_stem(token)}.lock"


def clean_name(name: str) -> str:
    """Return a file's name as it is shown: the last part of a path, no control or invisible characters, not long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if len(shown) > 200:  # the endings tell the format
        shown = shown[:160] + shown[-40:]
    return shown or "upload"


def begin_upload(name: str, size: int, browser: str) -> str:
    """Make room for an upload and return its token.

    Parameters
    ----------
    name
        What the user's file is called.
    size
        Its bytes.
    browser
        Value of the cookie of the browser that sends it (`browser_cookie.browser_of`).

    Raises
    ------
    InputError
        If a file of that name cannot be opened, or is empty.
    TooLarge
        If it is more than the limit, the user's or browser's quota, or the disk.
    """
    name = clean_name(name)
    check_file_name(name)
    if size < 1:
        raise InputError(f"{name} is empty (0 bytes).", "Save or download it again, then open it.")
    settings = read_configuration()
    if size > settings.upload_limit:
        raise TooLarge(
            f"{name} has {format_size(size)}; this server takes files of at most {format_size(settings.upload_limit)}.",
            "Leave out cells, genes or layers, or ask the server's operator for more.",
        )
    owner = holder_of(browser)
    records = [record for _, record in _records()]
    mine = sum(record.size for record in records if record.owner == owner)
    if mine + size > settings.quota:
        raise TooLarge(
            f"{name} has {format_size(size)}; of your {format_size(settings.quota)} on this server "
            f"{format_size(max(0, settings.quota - mine))} are left.",
            f"Uploads that nobody opens are deleted after {format_duration(settings.time_to_live)}.",
        )
    coming = sum(record.size - record.offset for record in records if not record.kept)
    _require_room(size + coming, name, settings)
    token = secrets.token_urlsafe(32)
    _data(token).touch(mode=0o600)
    _save(token, Upload(name, size, owner, 0, time.time()))
    return token


def _require_room(size: int, name: str, settings: Configuration) -> None:
    if size + settings.free_space > shutil.disk_usage(_folder()).free:
        raise TooLarge(
            f"The server's disk has no room for {name}.", "Ask its operator to free some space, or try again later."
        )


def find_upload(token: str, browser: str | None) -> Upload | None:
    """Return an upload's record; None if there is none, it is another's, or it has expired."""
    if browser is None or not _TOKEN.fullmatch(token):
        return None
    record = _read(_folder() / f"{_stem(token)}.json")
    if record is None or not secrets.compare_digest(record.owner, holder_of(browser)):
        return None
    return None if _expired(record, read_configuration()) else record


class Growing:
    """An upload that is being written to. The caller holds the lock of `lock_file`.

    Parameters
    ----------
    token, upload
        The upload, as `find_upload` returned it under the lock.
    """

    def __init__(self, token: str, upload: Upload) -> None:
        self._token, self._upload = token, upload
        self._hash = hashlib.sha256()
        self._written = 0
        self._committed = False
        path = _data(token)
        if not path.exists() or path.stat().st_size < upload.offset:
            raise InputError(f"What was received of {upload.name} is gone.", "Upload it again.")
        _require_room(0, upload.name, read_configuration())
        self._file = path.open("r+b", buffering=0)
        self._file.truncate(upload.offset)
        self._file.seek(upload.offset)

    def write(self, piece: bytes) -> None:
        """Write the next bytes.

        Raises
        ------
        TooLarge
            If they are more than was announced, or the disk is full.
        """
        if self._upload.offset + self._written + len(piece) > self._upload.size:
            raise TooLarge(f"{self._upload.name} is longer than announced.", "Upload it again.")
        self._hash.update(piece)
        view = memoryview(piece)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise TooLarge(
                f"The server's disk has no room for the rest of {self._upload.name} ({os.strerror(error.errno or 0)}).",
                "Ask its operator to free some space; the upload goes on where it stopped.",
            ) from error
        self._written += len(piece)

    def commit(self, digest: bytes | None = None) -> Upload:
        """Trust what was written and return the new record.

        Raises
        ------
        ValueError
            If its SHA-256 is not the one given; nothing of it is kept.
        """
        if digest is not None and not secrets.compare_digest(self._hash.digest(), digest):
            raise ValueError("checksum mismatch")
        upload = replace(self._upload, offset=self._upload.offset + self._written, changed=time.time())
        if not _data(self._token).exists():
            raise InputError(f"The upload of {upload.name} was cancelled.", "Upload the file again.")
        if upload.offset == upload.size:
            os.fsync(self._file.fileno())
        upload = _owned_as_now(self._token, upload)
        _save(self._token, upload)
        self._committed = True
        return upload

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if not self._committed:
                self._file.truncate(self._upload.offset)
        except OSError:  # the record says what is trusted, whatever lies beyond
            pass
        finally:
            self._file.close()


def cancel_upload(token: str) -> None:
    """Forget an upload that is not complete and give its disk space back."""
    for suffix in (".json", ".data", ".lock"):
        (_folder() / f"{_stem(token)}{suffix}").unlink(missing_ok=True)


def pack_uploads(files: Sequence[tuple[Path, str]]) -> Path:
    """Put files that make one dataset, a matrix and its lists, into one archive among the uploads; return its path.

    Parameters
    ----------
    files
        Where each lies, named by its content, and the user's name for it.
    """
    names = unique(name for _, name in files)
    digest = combined_hash("packed", *(f"{name}\0{path.name}" for name, (path, _) in zip(names, files, strict=True)))
    target = home_folder("uploads") / f"{digest}.zip"
    if not target.exists():
        with complete_or_absent(target) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for name, (path, _) in zip(names, files, strict=True):
                archive.write(path, name)
    return target


def take_upload(token: str, browser: str | None, progress: Callable[[float], None] | None = None) -> tuple[Path, str]:
    """Put a complete upload in its place, named by its content, and return its path and the user's name for it.

    May be called again, with the same result.

    Parameters
    ----------
    token, browser
        The upload's name, and the cookie of the browser that asks for it.
    progress
        Called with the share that is done while the file is hashed.

    Raises
    ------
    InputError
        If there is no such upload, or it is not complete.
    """
    upload = find_upload(token, browser)
    if upload is None:
        raise InputError("This upload is not on the server any more.", "Upload the file again.")
    uploads = home_folder("uploads")
    if upload.kept and (uploads / upload.kept).is_file():
        _data(token).unlink(missing_ok=True)  # of a server that was killed in between
        return uploads / upload.kept, upload.name
    source = _data(token)
    if upload.offset != upload.size or not source.is_file() or source.stat().st_size != upload.size:
        raise InputError(f"{upload.name} has not arrived completely.", "Upload it again.")
    try:
        digest = file_hash(source, lambda done: progress(done / upload.size) if progress is not None else None)
    except FileNotFoundError:  # another tab has taken it meanwhile, or it was cancelled
        return take_upload(token, browser, progress)
    target = uploads / f"{digest}{upload_suffix(upload.name)}"
    # First, so that who deletes the same content now finds that somebody else wants it.
    _save(token, _owned_as_now(token, replace(upload, kept=target.name, changed=time.time())))
    if target.exists() and content_hash(target) == digest:
        source.unlink(missing_ok=True)  # another tab may have taken it, too
    else:  # new, or what lay there was damaged
        with suppress(FileNotFoundError):
            source.chmod(0o644)
            source.replace(target)
    return target, upload.name


def upload_suffix(name: str) -> str:
    """Return the endings under which an upload is kept, for what is told by them: ``.csv.gz`` of ``a.b.csv.gz``."""
    suffix = "".join(Path(name).suffixes[-2:]).lower()
    return suffix if re.fullmatch(r"(\.[a-z0-9]{1,12}){0,2}", suffix) else ""


def forget_kept(file: str, mine: Callable[[Upload], bool]) -> bool:
    """Forget the records of a finished upload that is about to be deleted, so that it counts for nobody's quota.

    Parameters
    ----------
    file
        Its name among the finished uploads, which is the same for everybody who sent the same content.
    mine
        Tells of a record whether it is of somebody who has the upload deleted.

    Returns
    -------
    bool
        Whether it may be deleted. False if somebody else has sent it and may be opening it just now: then only the
        records of those who have it deleted are gone.
    """
    found = [(path, record) for path, record in _records() if record.kept == file]
    since = time.time() - _OPENED_WITHIN - read_configuration().opening_limit
    others = any(record.changed > since and not mine(record) for _, record in found)
    for path, record in found:
        if not others or mine(record):
            path.unlink(missing_ok=True)
    return not others


def owner_of(upload: Upload) -> str:
    """Return whose an upload is as pages call them: ``user-…`` or ``browser-…``."""
    return upload.owner if upload.owner.startswith("user-") else browser_owner(upload.owner)


def pass_uploads(source: str, target: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Give another holder the uploads of one, finished or not, and return the names of their records.

    They count for the other's quota from then on, whether that is used up or not.

    Parameters
    ----------
    source, target
        As `sign_in.holder_of` names them.
    only
        The records that change; by default all.
    """
    passed = []
    for path, known in _records():
        if known.owner != source or (only is not None and path.stem not in only):
            continue
        lock = FileLock(path.with_suffix(".lock"))
        # A piece that is on its way just now need not be waited for: it leaves the owner as it is by then.
        with suppress(Timeout):
            lock.acquire(timeout=1)
        try:
            record = _read(path)
            if record is not None and record.owner == source:
                _write(path, replace(record, owner=target))
                passed.append(path.stem)
        finally:
            lock.release()
    return tuple(passed)


def _owned_as_now(token: str, upload: Upload) -> Upload:
    """Return a record with the owner that it has by now: somebody may have signed in while bytes came."""
    known = _read(_folder() / f"{_stem(token)}.json")
    return upload if known is None else replace(upload, owner=known.owner)


def sweep_incoming(now: float | None = None, in_use: Callable[[Upload], bool] = lambda upload: False) -> int:
    """Delete uploads that expired and files without a record; return how many files went.

    Parameters
    ----------
    now
        Seconds since 1970; by default the time.
    in_use
        Tells of a finished upload whether its owner still has it. Then it goes on counting for the quota.
    """
    now = time.time() if now is None else now
    settings = read_configuration()
    alive = {
        path.stem
        for path, record in _records()
        if not _expired(record, settings, now) or (record.kept and in_use(record))
    }
    gone = 0
    for path in _folder().iterdir():
        try:
            # What begins just now has data before it has a record.
            if path.name.partition(".")[0] not in alive and now - path.stat().st_mtime > 60:
                path.unlink(missing_ok=True)
                gone += 1
        except OSError:
            continue
    return gone


def _expired(upload: Upload, settings: Configuration, now: float | None = None) -> bool:
    lifetime = settings.time_to_live if upload.kept else settings.upload_lifetime
    return (time.time() if now is None else now) - upload.changed > lifetime


def _records() -> Iterator[tuple[Path, Upload]]:
    for path in _folder().glob("*.json"):
        record = _read(path)
        if record is not None:
            yield path, record


def _read(path: Path) -> Upload | None:
    try:
        record = Upload(**json.loads(path.read_text(encoding="utf-8")))
        sound = 0 <= int(record.offset) <= int(record.size) and isinstance(record.owner, str)
        sound = sound and isinstance(record.name, str) and float(record.changed) >= 0
        # A damaged record must not name a file elsewhere.
        return record if sound and record.kept == Path(record.kept).name else None
    except (OSError, ValueError, TypeError):
        return None


def _save(token: str, upload: Upload) -> None:
    _write(_folder() / f"{_stem(token)}.json", upload)


def _write(path: Path, upload: Upload) -> None:
    with complete_or_absent(path) as draft:
        draft.write_text(json.dumps(asdict(upload)), encoding="utf-8")
