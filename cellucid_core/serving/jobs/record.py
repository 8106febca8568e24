"""A job's state as plain files: ``CELLUCID_HOME/jobs/<id>/job.json``, beside what the job wrote.

Whoever knows the owner finds the job again: after a reload, in another tab, after a restart of the server.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cellucid_core.atomic import complete_or_absent
from cellucid_core.cache import clear_drafts, clear_leftovers, home_folder
from cellucid_core.errors import CellucidError, InputError, WorkRefused

SCHEMA = "cellucid-job"
VERSION = 1
FILE = "job.json"
#: Held by the job's process for as long as it lives.
LOCK = ".alive"
#: How the name of a job's folder ends while it is deleted.
DELETED = ".deleted"
ACTIVE = ("queued", "running")
#: Seconds for which a finished job, and what it wrote, are kept.
KEPT = 24 * 3600.0
_SERVERS = ".servers"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """What is kept of a job.

    Attributes
    ----------
    id
        32 hexadecimal digits that cannot be guessed.
    kind
        ``open``, ``export``, …: one word for logs and metrics.
    title
        For people.
    owner
        Hash of whom it belongs to.
    key
        What makes asking twice the same job, or empty.
    about
        What the page wants to know when it finds the job again; JSON.
    state
        ``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``interrupted``.
    created, started, finished
        Seconds since 1970; 0: not yet.
    result
        What the job returned; JSON.
    error
        ``type``, ``what`` and ``fix`` of the error it ended with, or None.
    server
        Which server runs it.
    uses
        Content hashes of the datasets and paths of the files that it works on: it goes with them.
    """

    id: str
    kind: str
    title: str
    owner: str
    key: str = ""
    about: dict[str, Any] = field(default_factory=dict)
    state: str = "queued"
    created: float = 0.0
    started: float = 0.0
    finished: float = 0.0
    result: Any = None
    error: dict[str, str] | None = None
    server: str = ""
    uses: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return jobs_folder() / self.id


def jobs_folder() -> Path:
    """Return the folder of all jobs."""
    return home_folder("jobs")


def owner_mark(owner: str) -> str:
    """Return what is kept of an owner: who reads the files cannot take their place."""
    return hashlib.sha256(owner.encode()).hexdigest()


def new_id() -> str:
    """Return an id that nobody guesses."""
    return secrets.token_hex(16)


def save(record: Record) -> None:
    """Write a record; a job that was swept meanwhile stays gone."""
    with suppress(FileNotFoundError), complete_or_absent(record.folder / FILE) as draft:
        draft.write_text(json.dumps({"schema": SCHEMA, "version": VERSION, **asdict(record)}), encoding="utf-8")


@contextmanager
def folder_made(record: Record) -> Iterator[None]:
    """Make a job's folder, with what the block puts there and its record, or nothing.

    Raises
    ------
    WorkRefused
        If the disk is full.
    """
    try:
        record.folder.mkdir(mode=0o700)
        yield
        save(record)
    except OSError as error:
        shutil.rmtree(record.folder, ignore_errors=True)
        raise WorkRefused(
            f"The server's disk cannot be written to ({error.strerror or error}).", "Free some space on it."
        ) from None


def load(job_id: str) -> Record | None:
    """Return the record of a job, or None if there is none that can be read."""
    if not _ID.fullmatch(job_id):
        return None
    try:
        found = json.loads((jobs_folder() / job_id / FILE).read_text(encoding="utf-8"))
        if (found.pop("schema"), found.pop("version")) != (SCHEMA, VERSION):
            return None
        record = Record(**found)
        if record.id != job_id:
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if record.state in ACTIVE and not _lives(record.server):
        record = _interrupted(record)
    return record


def all_records() -> Iterator[Record]:
    """Yield the records of all jobs, in no order."""
    for folder in jobs_folder().iterdir():
        record = load(folder.name)
        if record is not None:
            yield record


def error_of(record: Record) -> CellucidError:
    """Return the error that a job ended with."""
    told = record.error or {"what": "This was cancelled.", "fix": "Start it again if it is still wanted."}
    kind = InputError if told.get("type") == "InputError" else WorkRefused
    return kind(told["what"], told["fix"])


def tell(error: CellucidError) -> dict[str, str]:
    """Return an error as a record keeps it."""
    kind = "InputError" if isinstance(error, InputError) else "WorkRefused"
    return {"type": kind, "what": error.what, "fix": error.fix}


def clean(folder: Path, patience: float = 10.0) -> None:
    """Delete what a job left that did not finish, once its process is gone."""
    if not folder.is_dir():
        return
    with suppress(Timeout, OSError), FileLock(folder / LOCK, timeout=patience):
        for path in list(folder.iterdir()):
            if path.name == FILE:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    if not (folder / FILE).exists():  # deleted meanwhile, and the lock made it again
        shutil.rmtree(folder, ignore_errors=True)
    _clear_drafts()


def _clear_drafts() -> None:
    for name in ("stores", "computed"):
        clear_drafts(home_folder(name))
    clear_leftovers()


def sweep_jobs(now: float | None = None) -> int:
    """Mark jobs whose server is gone as interrupted, delete what they left, and jobs that finished long ago.

    Returns
    -------
    int
        How many jobs were deleted.
    """
    now = time.time() if now is None else now
    gone = 0
    for folder in jobs_folder().iterdir():
        if folder.name.endswith(DELETED):  # killed while it was deleted
            shutil.rmtree(folder, ignore_errors=True)
        if not _ID.fullmatch(folder.name):
            continue
        record = load(folder.name)
        with suppress(OSError):
            last = folder.stat().st_mtime if record is None else record.finished or now
            if now - last > KEPT:
                shutil.rmtree(folder, ignore_errors=True)
                gone += 1
    for mark in home_folder("jobs", _SERVERS).iterdir():
        if not _lives(mark.name):
            mark.unlink(missing_ok=True)
    _clear_drafts()
    return gone


def this_server() -> str:
    """Return the mark of this process; everybody can tell by it whether the process lives."""
    return _mark(home_folder("jobs", _SERVERS))[0]


@cache
def _mark(folder: Path) -> tuple[str, FileLock]:
    name = secrets.token_hex(16)
    lock = FileLock(folder / name, thread_local=False)
    lock.acquire()  # until the process ends
    return name, lock


def _lives(server: str) -> bool:
    mark = home_folder("jobs", _SERVERS) / server
    if not _ID.fullmatch(server) or not mark.exists():
        return False
    try:
        with FileLock(mark, timeout=0):
            return False
    except Timeout:
        return True


def _interrupted(record: Record) -> Record:
    error = WorkRefused("The server was restarted while this was being done.", "Start it again.")
    record = replace(record, state="interrupted", finished=time.time(), error=tell(error))
    clean(record.folder, patience=1.0)
    save(record)
    return record
