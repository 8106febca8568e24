"""Finished uploads: each is a file named by its content, so that everybody who sent the same content shares it."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from sqlalchemy import delete, select, update

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import combined_hash, content_hash, file_hash, home_folder
from cellucid_core.configuration import read_configuration
from cellucid_core.database import uploads, writing
from cellucid_core.errors import InputError
from cellucid_core.names import unique
from cellucid_core.serving.incoming import data_file, find_upload

#: Seconds within which a finished upload is opened, waiting in the queue included.
_OPENED_WITHIN = 3600.0


def pack_uploads(files: Sequence[tuple[Path, str]]) -> Path:
    """Put files that make one dataset, a matrix and its lists, into one zip among the uploads; return its path.

    Parameters
    ----------
    files
        Path of each finished upload, and the user's name for it.
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
    """Move a complete upload to its place, named by its content, and return its path and the user's name for it.

    May be called again, with the same result.

    Parameters
    ----------
    token, browser
        The upload's token, and the cookie of the browser that asks for it.
    progress
        Called with the share that is done, 0 to 1, while the file is hashed.

    Raises
    ------
    InputError
        If there is no such upload, or it is not complete.
    DatabaseRefused
        If the database cannot be used.
    """
    upload = find_upload(token, browser)
    if upload is None:
        raise _gone()
    folder = home_folder("uploads")
    if upload.kept and (folder / upload.kept).is_file():
        data_file(token).unlink(missing_ok=True)  # left if the server was killed in between
        return folder / upload.kept, upload.name
    source = data_file(token)
    if upload.offset != upload.size or not source.is_file() or source.stat().st_size != upload.size:
        raise InputError(f"{upload.name} has not arrived completely.", "Upload it again.")
    try:
        digest = file_hash(source, lambda done: progress(done / upload.size) if progress is not None else None)
    except FileNotFoundError:  # another tab has taken it meanwhile, or it was cancelled
        return take_upload(token, browser, progress)
    target = folder / f"{digest}{upload_suffix(upload.name)}"
    # Before the file is moved, so that whoever deletes the same content now sees that somebody else needs it.
    with writing() as connection:
        kept = update(uploads).where(uploads.c.id == upload.id).values(kept=target.name, changed=time.time())
        if connection.execute(kept).rowcount == 0:  # it was cancelled meanwhile
            raise _gone()
    if target.exists() and content_hash(target) == digest:
        source.unlink(missing_ok=True)  # may be gone, if another tab took it as well
    else:  # new, or the file there is damaged
        with suppress(FileNotFoundError):
            source.chmod(0o644)
            source.replace(target)
    return target, upload.name


def _gone() -> InputError:
    return InputError("This upload is not on the server any more.", "Upload the file again.")


def upload_suffix(name: str) -> str:
    """Return the ending under which an upload is kept, since it can tell the format: ``a.b.csv.gz`` → ``.csv.gz``."""
    suffix = "".join(Path(name).suffixes[-2:]).lower()
    return suffix if re.fullmatch(r"(\.[a-z0-9]{1,12}){0,2}", suffix) else ""


def forget_kept(file: str, whose: Collection[str]) -> bool:
    """Delete the rows of a finished upload that is about to be deleted, so that it counts towards nobody's quota.

    Parameters
    ----------
    file
        Its name among the finished uploads, which is the same for everybody who sent the same content.
    whose
        Marks of the owners for whom it is deleted.

    Returns
    -------
    bool
        Whether the file may be deleted. False if somebody else has sent it and may be opening it now; then only the
        rows of `whose` are deleted.
    """
    since = time.time() - _OPENED_WITHIN - read_configuration().opening_limit
    it, mine = uploads.c.kept == file, uploads.c.owner.in_(whose)
    with writing() as connection:
        others = connection.scalar(select(uploads.c.id).where(it, ~mine, uploads.c.changed > since).limit(1))
        connection.execute(delete(uploads).where(it if others is None else it & mine))
    return others is None
