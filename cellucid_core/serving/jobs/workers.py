"""Run jobs in a limited number of processes, and serve their owners in turn."""

from __future__ import annotations

import errno
import threading
import time
from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from cellucid_core.configuration import Configuration, format_duration, read_configuration
from cellucid_core.errors import CellucidError, WorkRefused
from cellucid_core.serving.jobs import processes
from cellucid_core.serving.jobs.fair_queue import FairQueue
from cellucid_core.serving.jobs.in_process import STOP, Work, disk_refused, place_order, read_outcome
from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.record import Record, clean, job_made, tell
from cellucid_core.serving.logs import LOGGER, log_error

#: Largest number of jobs that wait or run, of one owner and of all.
MOST_OF_ONE, MOST_OF_ALL = 10, 200
#: The two lines.
_QUICK, _LONG = "quick", "long"
#: Seconds after which the packages of jobs are imported, if no job asks for them earlier.
_WARM_AFTER = 20.0
#: Seconds to wait after each failed attempt to start a process.
_PAUSES = (0.05, 0.2, 0.5, 1.0)
#: Kinds of jobs that a person has to wait for before going on.
QUICK_KINDS = ("open",)
#: Errors of a disk that is full, read-only or broken; a process that cannot be started has others.
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class Workers:
    """Runs jobs in processes of their own.

    There are two lines, one for opening files, which people wait for, and one for everything else. If there is more
    than one worker, neither line takes all of them.

    Parameters
    ----------
    settings
        Number of workers and limits; by default those of the environment.
    """

    def __init__(self, settings: Configuration | None = None) -> None:
        settings = settings or read_configuration()
        self._most, self._memory = settings.workers, settings.worker_memory
        self._limits = {_QUICK: settings.opening_limit, _LONG: settings.job_limit}
        self._lines: dict[str, FairQueue[Job]] = {_QUICK: FairQueue(), _LONG: FairQueue()}
        self._running: dict[str, Job] = {}
        self._jobs: dict[str, Job] = {}
        self._change = threading.Condition()
        self._open = True
        #: How many have ended, by kind and state, and the seconds that they took, by kind.
        self.ended: Counter[tuple[str, str]] = Counter()
        self.seconds: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._serve, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, record: Record, work: Work, arguments: Mapping[str, Any]) -> Job:
        """Put a job into its line; if its owner has asked for the same key and that has not ended, return that job.

        Raises
        ------
        WorkRefused
            If too many jobs of the owner, or of all, wait or run; or as `record.job_made`.
        """
        with self._change:
            active = [job for job in self._jobs.values() if job.active]
            for job in active:
                if record.key and (job.record.owner, job.record.key) == (record.owner, record.key):
                    return job
            if sum(job.record.owner == record.owner for job in active) >= MOST_OF_ONE:
                raise WorkRefused(
                    f"{MOST_OF_ONE} of your jobs are waiting or running already.",
                    "Wait until one of them is finished, or cancel one.",
                )
            if len(active) >= MOST_OF_ALL:
                raise WorkRefused("The server is busy.", "Try again in a few minutes.")
            with job_made(record):
                place_order(record.folder, work, arguments)
            job = Job(record, self._cancel, self._place)
            self._jobs[job.id] = job
            self._lines[_line(job)].put(record.owner, job)
            self._change.notify_all()
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job that waits or runs here, or None."""
        return self._jobs.get(job_id)

    def pass_on(self, job_ids: Collection[str], owner: str) -> None:
        """Let jobs that wait or run here count as those of another owner, given by the mark."""
        with self._change:
            for job in (self._jobs[one] for one in job_ids if one in self._jobs):
                line = self._lines[_line(job)]
                waited = line.remove(job.record.owner, job)
                job.record = replace(job.record, owner=owner)
                if waited:
                    line.put(owner, job)

    def counts(self) -> dict[str, int]:
        """Return how many jobs wait (``queued``) and run (``running``)."""
        return {"queued": sum(map(len, self._lines.values())), "running": len(self._running)}

    @property
    def serving(self) -> bool:
        """Whether the thread that starts jobs is alive."""
        return self._thread.is_alive()

    def close(self) -> None:
        """End all jobs as interrupted, and start no more."""
        with self._change:
            self._open = False
            left = [job for job in self._jobs.values() if job.active]
            self._change.notify_all()
        self._thread.join(10)
        for job in left:
            if job.future is not None:
                job.future.cancel()
        for job in left:
            clean(job.folder)
            job.change(state="interrupted", finished=time.time(), error=_STOPPED)

    # ---- lines -------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        with self._change:  # so that importing does not slow down the first page
            self._change.wait_for(lambda: not self._open or any(map(len, self._lines.values())), _WARM_AFTER)
        try:
            processes.warm_up()
        except Exception as error:  # each start of a job tries again
            log_error(error, "warm-up")
        while True:
            with self._change:
                while self._open and (job := self._next()) is None:
                    self._change.wait()
                if not self._open or job is None:
                    return
                self._running[job.id] = job
            try:
                self._start(job)
            except Exception as error:  # other jobs are still started
                log_error(error, "job")
                future: Future[None] = Future()
                future.set_exception(error)
                self._finish(job, future)

    def _next(self) -> Job | None:
        taken = Counter(_line(job) for job in self._running.values())
        most = max(1, self._most - 1)
        if taken.total() >= self._most:
            return None
        for name, line in self._lines.items():
            if taken[name] < most and (job := line.get()) is not None:
                return job
        return None

    def _start(self, job: Job) -> None:
        job.change(state="running", started=time.time())
        line = _line(job)
        how: dict[str, Any] = {"memory": self._memory, "limit": self._limits[line], "yielding": line == _LONG}
        future = _started(job.folder, how)
        with self._change:
            job.future = future
            if job.cancelled:
                future.cancel()
        future.add_done_callback(lambda done: threading.Thread(target=self._finish, args=(job, done)).start())

    def _place(self, job: Job) -> int:
        with self._change:
            line = list(self._lines[_line(job)])
            return line.index(job) if job in line else 0

    def _cancel(self, job: Job) -> None:
        with self._change:
            job.cancelled = True
            waited = self._lines[_line(job)].remove(job.record.owner, job)
            future = job.future
        if waited:
            clean(job.folder)
            self._note(job, state="cancelled", finished=time.time())
        elif future is not None:
            future.cancel()

    def _finish(self, job: Job, future: Future[None]) -> None:
        """Note how a job ended, once its process is gone, and make room for the next one."""
        try:
            if not self._open:  # `close` notes how it ended
                return
            changes = self._ending(job, future)
            if changes["state"] != "done":
                clean(job.folder)  # waits for the process
            self._note(job, finished=time.time(), **changes)
        except Exception as error:  # otherwise whoever waits for the job would wait for ever
            log_error(error, "job")
            self._note(job, state="failed", finished=time.time(), error=tell(_died()))
        finally:
            with self._change:
                self._running.pop(job.id, None)
                self._change.notify_all()

    def _ending(self, job: Job, future: Future[None]) -> dict[str, Any]:
        outcome = read_outcome(job.folder)
        if job.cancelled or (job.folder / STOP).exists():
            return {"state": "cancelled"}
        error: BaseException | None = future.exception()
        if outcome is not None:
            if "unforeseen" in outcome:
                LOGGER.error("error", extra={"facts": {"where": f"job {job.kind}", **outcome["unforeseen"]}})
            if "error" in outcome:
                return {"state": "failed", "error": outcome["error"]}
            return {"state": "done", "result": outcome["result"]}
        if isinstance(error, OSError) and error.errno in _DISK:  # not even the outcome could be written
            return {"state": "failed", "error": tell(disk_refused(error))}
        if isinstance(error, TimeoutError):
            return {"state": "failed", "error": tell(_too_slow(job, self._limits[_line(job)]))}
        return {"state": "failed", "error": tell(_died())}

    def _note(self, job: Job, **changes: Any) -> None:
        job.change(**changes)
        record = job.record
        seconds = record.finished - record.started if record.started else 0.0
        with self._change:
            self._jobs.pop(job.id, None)
            self.ended[record.kind, record.state] += 1
            self.seconds[record.kind] += seconds  # type: ignore[assignment]
        waited = (record.started or record.finished) - record.created
        facts = {"kind": record.kind, "state": record.state, "waited": round(waited, 1), "seconds": round(seconds, 1)}
        LOGGER.info("job", extra={"facts": facts})


_STOPPED = tell(WorkRefused("The server was stopped while this was being done.", "Start it again."))
_running: Workers | None = None


def workers() -> Workers | None:
    """Return the workers of this server, or None if there are none."""
    return _running


def set_workers(now: Workers | None) -> None:
    """Set the workers that do jobs from now on; None: jobs run in the caller's process."""
    global _running
    _running = now


def _started(folder: Path, how: Mapping[str, Any]) -> Future[None]:
    for pause in _PAUSES:
        try:
            return processes.start(folder, **how)
        except (OSError, EOFError):  # the process that workers are forked from has died; the next try starts it again
            time.sleep(pause)
    return processes.start(folder, **how)


def _line(job: Job) -> str:
    return _QUICK if job.kind in QUICK_KINDS else _LONG


def _too_slow(job: Job, limit: float) -> CellucidError:
    if _line(job) == _QUICK:
        return WorkRefused(
            f"Opening this took longer than {format_duration(limit)} and was stopped.",
            "The file may be damaged. If it is just very large, raise CELLUCID_OPENING_LIMIT.",
        )
    return WorkRefused(
        f"This took longer than {format_duration(limit)} and was stopped; nothing was kept.",
        "Ask for less, or raise CELLUCID_JOB_LIMIT.",
    )


def _died() -> CellucidError:
    return WorkRefused(
        "The process that did this was stopped by the system, most likely because the machine ran out of memory; "
        "nothing was kept.",
        "Try again when the server is less busy, or ask for fewer genes or cells.",
    )
