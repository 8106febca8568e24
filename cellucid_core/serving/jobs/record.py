"""A job's state as a row of the database; what it reads and writes while it runs is in ``CELLUCID_HOME/jobs/<id>``.

So its owner finds the job again after a reload, in another tab, on another server, and after a restart.
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import ColumnElement, Row, delete, insert, select, update

from cellucid_core.cache import clear_drafts, clear_leftovers, entries_of, home_folder
from cellucid_core.database import forget_dead_servers, jobs, living_servers, reading, writing
from cellucid_core.errors import CellucidError, InputError, WorkRefused

#: Lock in the job's folder that its process holds while it lives.
LOCK = ".alive"
#: Ending of a job's folder while it is deleted.
DELETED = ".deleted"
#: States of a job that has not ended.
ACTIVE = ("queued", "running")
#: Seconds for which a finished job, and what it wrote, are kept.
KEPT = 24 * 3600.0
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Record:
    """The row of a job.

    Attributes
    ----------
    id
        32 hexadecimal digits that cannot be guessed.
    kind
        ``open``, ``export``, …: one word for logs and metrics.
    title
        What the job does, for people.
    owner
        Mark of its owner (`cellucid_core.database.owner_mark`).
    key
        Two requests of an owner with the same key are one job; empty: no request is the same.
    about
        What the page needs to know when it finds the job again; JSON.
    state
        ``queued``, ``running``, ``done``, ``failed``, ``cancelled`` or ``interrupted``.
    created, started, finished
        Seconds since 1970; 0: not yet.
    result
        What the job returned; JSON.
    error
        ``type``, ``what`` and ``fix`` of the error that it ended with, or None.
    server
        Id of the server that runs it (`cellucid_core.database.this_server`).
    uses
        Content hashes of the datasets and paths of the files that it works on; it is deleted with them.
    told
        Whether a session has told somebody how it ended.
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
    told: bool = False

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return home_folder("jobs") / self.id


def new_id() -> str:
    """Return an id that nobody can guess."""
    return secrets.token_hex(16)


@contextmanager
def job_made(record: Record) -> Iterator[None]:
    """Create a job's folder, let the block fill it, then insert its row; if one of these fails, nothing is left.

    Raises
    ------
    WorkRefused
        If the disk cannot be written to, or the database cannot be used.
    """
    try:
        record.folder.mkdir(mode=0o700)
        yield
        with writing() as connection:
            connection.execute(insert(jobs).values(**asdict(record)))
    except BaseException as error:  # also what cannot be pickled, or an interrupt
        shutil.rmtree(record.folder, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise WorkRefused(
            f"The server's disk cannot be written to ({error.strerror or error}).", "Free some space on it."
        ) from None


def change_row(job_id: str, **changes: Any) -> None:
    """Change columns of a job's row; a job that was deleted meanwhile stays deleted."""
    with writing() as connection:
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(**changes))


def delete_row(job_id: str) -> None:
    """Delete a job's row."""
    with writing() as connection:
        connection.execute(delete(jobs).where(jobs.c.id == job_id))


def load(job_id: str) -> Record | None:
    """Return the record of a job, or None if there is none; see `records`."""
    return next(iter(records(jobs.c.id == job_id)), None) if _ID.fullmatch(job_id) else None


def records(*which: ColumnElement[bool]) -> list[Record]:
    """Return the records of the jobs that fulfil all conditions, the newest first.

    A job that waits or runs on a server that is gone is marked as interrupted, and its folder is deleted.
    """
    with reading() as connection:
        rows = connection.execute(select(jobs).where(*which).order_by(jobs.c.created.desc())).all()
        living = living_servers(connection) if any(row.state in ACTIVE for row in rows) else set()
    return [_interrupted(row) if row.state in ACTIVE and row.server not in living else _record(row) for row in rows]


def error_of(record: Record) -> CellucidError:
    """Return the error that a job ended with, an `InputError` or a `WorkRefused`."""
    told = record.error or {"what": "This was cancelled.", "fix": "Start it again if it is still wanted."}
    kind = InputError if told.get("type") == "InputError" else WorkRefused
    return kind(told["what"], told["fix"])


def tell(error: CellucidError) -> dict[str, str]:
    """Return an error as a record keeps it; the opposite of `error_of`."""
    kind = "InputError" if isinstance(error, InputError) else "WorkRefused"
    return {"type": kind, "what": error.what, "fix": error.fix}


def clean(folder: Path, patience: float = 10.0) -> None:
    """Delete the folder of a job that did not finish, and the drafts it left, once its process is gone.

    After `patience` seconds it gives up; `sweep_jobs` deletes the folder later.
    """
    if not folder.is_dir():
        return
    with suppress(Timeout, OSError), FileLock(folder / LOCK, timeout=patience):
        shutil.rmtree(folder, ignore_errors=True)
    _clear_drafts()


def _clear_drafts() -> None:
    for name in ("stores", "computed"):
        clear_drafts(home_folder(name))
    clear_leftovers()


def sweep_jobs(now: float | None = None) -> int:
    """Mark jobs whose server is gone as interrupted, delete what they left, and jobs that ended `KEPT` seconds ago.

    Returns
    -------
    int
        How many jobs were deleted.
    """
    now = time.time() if now is None else now
    records(jobs.c.state.in_(ACTIVE))  # marks them
    with writing() as connection:
        forget_dead_servers(connection)
        ended = jobs.c.state.not_in(ACTIVE) & (jobs.c.finished < now - KEPT)
        gone = set(connection.scalars(delete(jobs).where(ended).returning(jobs.c.id)))
        kept = set(connection.scalars(select(jobs.c.id)))
    for folder in entries_of(home_folder("jobs")):
        with suppress(OSError):
            left = folder.name not in kept and now - folder.stat().st_mtime > KEPT  # without a row, as after a crash
            if folder.name in gone or left or folder.name.endswith(DELETED):
                shutil.rmtree(folder, ignore_errors=True)
    _clear_drafts()
    return len(gone)


def _record(row: Row[Any]) -> Record:
    return Record(**row._mapping)


def _interrupted(row: Row[Any]) -> Record:
    error = WorkRefused("The server was restarted while this was being done.", "Start it again.")
    changes: dict[str, Any] = {"state": "interrupted", "finished": time.time(), "error": tell(error)}
    record = replace(_record(row), **changes)
    clean(record.folder, patience=1.0)
    change_row(record.id, **changes)
    return record
