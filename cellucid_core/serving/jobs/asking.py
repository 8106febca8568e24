"""Submit jobs, and find an owner's jobs again, wherever they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from cellucid_core.database import jobs, owner_mark, pass_rows, this_server
from cellucid_core.serving.jobs.in_process import (
    Stopped,
    Work,
    disk_refused,
    perform,
    read_outcome,
    stop_if_asked,
    too_large,
)
from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.record import Record, clean, job_made, load, new_id, records, tell
from cellucid_core.serving.jobs.tasks import uses_of
from cellucid_core.serving.jobs.workers import workers


def submit(
    work: Work,
    arguments: Mapping[str, Any],
    *,
    owner: str,
    kind: str,
    title: str,
    about: Mapping[str, Any] | None = None,
    key: str = "",
) -> Job:
    """Run a function in another process, or on a thread of this one if there are no workers.

    Parameters
    ----------
    work
        A function of a module, called with ``folder`` (where it may write; deleted unless it succeeds), ``report`` (a
        `JobReporter`) and the arguments. What it returns is kept as JSON.
    arguments
        Values that can be pickled.
    owner
        The owner, whom `find_job` and `jobs_of` ask for; owners are served in turn.
    kind
        One word for logs and metrics; ``open`` is put into the line that people wait for.
    title
        What it does, for people.
    about
        What the page needs to know when it finds the job again; JSON.
    key
        With workers, if a job of the same owner and key has not ended, that one is returned; empty: never.

    Raises
    ------
    WorkRefused
        If too many jobs of the owner, or of all, wait or run; if the disk or the database cannot be written to.
    InputError
        If the working folder cannot be used.
    """
    record = Record(
        new_id(),
        kind,
        title,
        owner_mark(owner),
        key,
        dict(about or {}),
        created=time.time(),
        server=this_server(),
        uses=uses_of(dict(arguments)),
    )
    if (crew := workers()) is not None:
        return crew.submit(record, work, arguments)
    return _do_here(record, work, arguments)


def find_job(job_id: str, owner: str) -> Job | None:
    """Return a job by its id, or None if the owner has no such job."""
    record = load(job_id)
    return _seen(record) if record is not None and record.owner == owner_mark(owner) else None


def jobs_of(owner: str, kind: str | None = None) -> list[Job]:
    """Return the jobs of an owner, the newest first; those that have ended are kept for a day (`record.KEPT`)."""
    kinds = [jobs.c.kind == kind] if kind is not None else []
    return [_seen(record) for record in records(jobs.c.owner == owner_mark(owner), *kinds)]


def pass_jobs(connection: Connection, source: str, target: str, only: Collection[str] | None = None) -> tuple[str, ...]:
    """Give the jobs of one owner, in whatever state, to another; see `database.pass_rows`."""
    passed = pass_rows(connection, jobs, source, target, only)
    if (crew := workers()) is not None:
        crew.pass_on(passed, owner_mark(target))
    return passed


def _seen(record: Record) -> Job:
    """Return the job that this server's workers have; of another server's job, one that reads its row."""
    crew = workers()
    return (crew.find(record.id) if crew is not None else None) or Job(record)


def _do_here(record: Record, work: Work, arguments: Mapping[str, Any]) -> Job:
    with job_made(record):
        pass

    def cancel(job: Job) -> None:
        job.cancelled = True

    job = Job(record, cancel)

    def stop() -> None:
        if job.cancelled:
            raise Stopped
        stop_if_asked(job.folder)

    def run() -> None:
        job.change(state="running", started=time.time())
        try:
            perform(job.folder, work, arguments, stop=stop)
        except Stopped:
            clean(job.folder)
            job.change(state="cancelled", finished=time.time())
            return
        except OSError as error:
            outcome = {"error": tell(disk_refused(error))}
        else:
            outcome = read_outcome(job.folder) or {"error": tell(too_large(0))}
        if "error" in outcome:
            clean(job.folder)
            job.change(state="failed", finished=time.time(), error=outcome["error"])
        else:
            job.change(state="done", finished=time.time(), result=outcome["result"])

    threading.Thread(target=run, name=f"job {record.kind}", daemon=True).start()
    return job
