"""Uploads that are being received: a file that grows, and a row that says how many of its bytes are trusted.

An upload is known by a random token that only the browser that began it has; here it is named by the token's hash.
Bytes that a dropped connection or a killed server wrote beyond the trusted ones are cut off before the next are
written. An upload outlives the server and can go on at another one. Complete uploads are `kept_uploads`.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection, delete, func, insert, select, update

from cellucid_core.cache import entries_of, home_folder
from cellucid_core.configuration import Configuration, format_duration, format_size, read_configuration
from cellucid_core.database import (
    DatabaseRefused,
    living_servers,
    one_at_a_time,
    owner_mark,
    pass_rows,
    reading,
    this_server,
    uploads,
    writing,
)
from cellucid_core.errors import InputError, WorkRefused
from cellucid_core.reading import check_file_name
from cellucid_core.serving.sign_in import owner_of_browser

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class TooLarge(InputError):
    """More than the limit, the quota or the disk allows, or than was announced."""


class NoRoom(TooLarge):
    """More than the disk allows."""


class ChecksumMismatch(ValueError):
    """What was written differs from what was sent."""


@dataclass(frozen=True)
class Upload:
    """The row of an upload.

    Attributes
    ----------
    id
        Hash of its token.
    name
        Name of the user's file, without folders.
    size
        Bytes of the whole file.
    owner
        Mark of its owner (`cellucid_core.database.owner_mark`).
    offset
        Bytes that were received and are trusted.
    changed
        When it last grew or was taken, in seconds since 1970.
    kept
        Name of its file among the finished uploads, once it was taken (`kept_uploads.take_upload`); else empty.
    writer
        Id of the server that is receiving bytes of it, or empty.
    """

    id: str
    name: str
    size: int
    owner: str
    offset: int
    changed: float
    kept: str = ""
    writer: str = ""


def _folder() -> Path:
    return home_folder("incoming")


def _stem(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:40]


def data_file(token: str) -> Path:
    """Return the path of an upload's growing file."""
    return _folder() / f"{_stem(token)}.data"


#: Uploads that this process is receiving bytes of.
_writing: set[str] = set()
_claiming = Lock()


@contextmanager
def sole_writer(token: str) -> Iterator[None]:
    """Keep all others, on this server or another one, from writing to an upload within the block.

    Raises
    ------
    WorkRefused
        If somebody is writing to it.
    """
    stem, me = _stem(token), this_server()
    taken = WorkRefused("Another connection is sending this file.", "Wait a moment.")
    with _claiming:
        if stem in _writing:
            raise taken
        _writing.add(stem)
    try:
        with writing() as connection:
            # Claims of servers that are gone are void. So is one of this server: nobody here writes to it any more.
            free = uploads.c.writer.not_in(living_servers(connection) - {me})
            claim = update(uploads).where(uploads.c.id == stem, free).values(writer=me)
            if connection.execute(claim).rowcount == 0 and _find(connection, stem) is not None:
                raise taken
        try:
            yield
        finally:
            with suppress(DatabaseRefused), writing() as connection:
                connection.execute(
                    update(uploads).where(uploads.c.id == stem, uploads.c.writer == me).values(writer="")
                )
    finally:
        _writing.discard(stem)


def clean_name(name: str) -> str:
    """Return a file's name for showing: the last part of a path, at most 200 characters, none of them invisible."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(c for c in last if unicodedata.category(c)[0] != "C").strip()
    if len(shown) > 200:  # the end is kept, because endings tell the format
        shown = shown[:160] + shown[-40:]
    return shown or "upload"


def begin_upload(name: str, size: int, browser: str) -> str:
    """Add the row and the empty file of an upload, and return its token.

    Parameters
    ----------
    name
        Name of the user's file.
    size
        Bytes of the file.
    browser
        Value of the cookie of the browser that sends it (`browser_cookie.browser_of`).

    Raises
    ------
    InputError
        If a file of that name cannot be opened, or the file is empty.
    TooLarge
        If it is larger than the limit, what is left of the owner's quota, or the room on the disk.
    DatabaseRefused
        If the database cannot be written.
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
    token, owner = secrets.token_urlsafe(32), owner_mark(owner_of_browser(browser))
    upload = Upload(_stem(token), name, size, owner, 0, time.time())
    with writing() as connection:
        one_at_a_time(connection, "uploads")  # of two that begin at once, the second must count the first
        mine = connection.scalar(select(func.sum(uploads.c.size)).where(uploads.c.owner == owner)) or 0
        if mine + size > settings.quota:
            raise TooLarge(
                f"{name} has {format_size(size)}; of your {format_size(settings.quota)} on this server "
                f"{format_size(max(0, settings.quota - mine))} are left.",
                f"Uploads that nobody opens are deleted after {format_duration(settings.time_to_live)}.",
            )
        to_come = func.sum(uploads.c.size - uploads.c.offset)
        coming = connection.scalar(select(to_come).where(uploads.c.kept == "")) or 0
        _require_room(size + int(coming), name, settings)
        connection.execute(insert(uploads).values(**asdict(upload)))
        data_file(token).touch(mode=0o600)
    return token


def _require_room(size: int, name: str, settings: Configuration) -> None:
    if size + settings.free_space > shutil.disk_usage(_folder()).free:
        raise NoRoom(
            f"The server's disk has no room for {name}.", "Ask its operator to free some space, or try again later."
        )


def find_upload(token: str, browser: str | None) -> Upload | None:
    """Return the row of an upload; None if there is none, it belongs to another owner, or it has expired."""
    if browser is None or not _TOKEN.fullmatch(token):
        return None
    with reading() as connection:
        record = _find(connection, _stem(token))
    if record is None or not secrets.compare_digest(record.owner, owner_mark(owner_of_browser(browser))):
        return None
    return None if _expired(record, read_configuration()) else record


def _find(connection: Connection, stem: str) -> Upload | None:
    row = connection.execute(select(uploads).where(uploads.c.id == stem)).first()
    return None if row is None else Upload(**row._mapping)


class Growing:
    """An upload that is being written to. A context manager; the caller is its `sole_writer`.

    Parameters
    ----------
    token, upload
        The upload, as `find_upload` returned it to the sole writer.

    Raises
    ------
    InputError
        If its file is gone.
    NoRoom
        If the disk is full.
    """

    def __init__(self, token: str, upload: Upload) -> None:
        self._token, self._upload = token, upload
        self._hash = hashlib.sha256()
        self._written = 0
        path = data_file(token)
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
            If there are more than were announced, or (`NoRoom`) the disk is full.
        """
        if self._upload.offset + self._written + len(piece) > self._upload.size:
            raise TooLarge(f"{self._upload.name} is longer than announced.", "Upload it again.")
        self._hash.update(piece)
        view = memoryview(piece)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise NoRoom(
                f"The server's disk has no room for the rest of {self._upload.name} ({os.strerror(error.errno or 0)}).",
                "Ask its operator to free some space; the upload goes on where it stopped.",
            ) from error
        self._written += len(piece)

    def commit(self, digest: bytes | None = None) -> Upload:
        """Trust what was written, and return the new row.

        Parameters
        ----------
        digest
            SHA-256 that the written bytes must have, 32 bytes; None: it is not checked.

        Raises
        ------
        ChecksumMismatch
            If they have another SHA-256; none of them is trusted then.
        InputError
            If the upload was cancelled, or another server went on with it.
        """
        if digest is not None and not secrets.compare_digest(self._hash.digest(), digest):
            raise ChecksumMismatch("checksum mismatch")
        upload = replace(self._upload, offset=self._upload.offset + self._written, changed=time.time())
        if upload.offset == upload.size:
            os.fsync(self._file.fileno())
        # Only these columns are changed: the owner may be another by now.
        as_it_was = (uploads.c.id == upload.id) & (uploads.c.offset == self._upload.offset)
        grown = update(uploads).where(as_it_was).values(offset=upload.offset, changed=upload.changed)
        with writing() as connection:
            if connection.execute(grown).rowcount == 0:
                raise InputError(f"The upload of {upload.name} was cancelled.", "Upload the file again.")
        return upload

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        # Bytes that are not trusted stay until the next writer cuts them off: this one may have been taken for dead
        # meanwhile, or not know that its row was written.
        self._file.close()


def cancel_upload(token: str) -> None:
    """Delete the row of an upload that was not taken, and its file."""
    with writing() as connection:
        connection.execute(delete(uploads).where(uploads.c.id == _stem(token), uploads.c.kept == ""))
    data_file(token).unlink(missing_ok=True)


def pass_uploads(
    connection: Connection, source: str, target: str, only: Collection[str] | None = None
) -> tuple[str, ...]:
    """Give the uploads of one owner, finished or not, to another; see `database.pass_rows`.

    They count towards the other's quota from then on, even if that is used up.
    """
    return pass_rows(connection, uploads, source, target, only)


def sweep_incoming(now: float | None = None, in_use: Callable[[str, str], bool] = lambda owner, kept: False) -> int:
    """Delete the rows of uploads that expired, and growing files without a row; return how many files were deleted.

    Files of finished uploads are left to `starting.sweep`.

    Parameters
    ----------
    now
        Seconds since 1970; by default the present time.
    in_use
        Called with the mark of the owner and the file's name of a finished upload; tells whether the owner still uses
        it. Then its row stays and counts towards the quota.
    """
    now = time.time() if now is None else now
    settings = read_configuration()
    with reading() as connection:
        found = [Upload(**row._mapping) for row in connection.execute(select(uploads))]
    expired = [one for one in found if _expired(one, settings, now) and not (one.kept and in_use(one.owner, one.kept))]
    with writing() as connection:
        for one in expired:  # the condition spares one that grew meanwhile
            as_it_was = (uploads.c.id == one.id) & (uploads.c.changed == one.changed)
            connection.execute(delete(uploads).where(as_it_was))
        known = set(connection.scalars(select(uploads.c.id)))
    gone = 0
    for path in entries_of(_folder()):
        with suppress(OSError):
            # The row of an upload that is just beginning may not be visible yet.
            if path.stem not in known and now - path.stat().st_mtime > 60:
                path.unlink(missing_ok=True)
                gone += 1
    return gone


def _expired(upload: Upload, settings: Configuration, now: float | None = None) -> bool:
    lifetime = settings.time_to_live if upload.kept else settings.upload_lifetime
    return (time.time() if now is None else now) - upload.changed > lifetime
