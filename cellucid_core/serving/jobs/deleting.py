"""Delete jobs with their data: they end at once, and neither their files nor their rows are left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress

from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.record import DELETED, Record, delete_row, records
from cellucid_core.serving.jobs.workers import workers

#: Seconds to wait for the processes of cancelled jobs to end.
_PATIENCE = 5.0


def delete_jobs(which: Callable[[Record], bool]) -> None:
    """Delete jobs with their rows and folders; those that wait or run are cancelled first.

    Parameters
    ----------
    which
        Tells whether the job of a record is deleted.
    """
    crew = workers()
    jobs = [(crew.find(one.id) if crew else None) or Job(one) for one in records() if which(one)]
    for job in jobs:
        job.cancel()
    end = time.monotonic() + _PATIENCE
    for job in jobs:
        job.wait(max(0.0, end - time.monotonic()))
        delete_row(job.id)
        aside = job.folder.with_suffix(DELETED)
        with suppress(OSError):  # renamed, so that a process that is still ending cannot write there
            job.folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
