"""Jobs whose data are deleted: they end at once and leave nothing, neither what they wrote nor their record."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress

from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.record import DELETED, Record, delete_row, records
from cellucid_core.serving.jobs.workers import workers

#: Seconds within which processes that are killed are gone.
_PATIENCE = 5.0


def delete_jobs(which: Callable[[Record], bool]) -> None:
    """Cancel jobs that wait or run, and delete the folders of these and of those that have ended.

    Parameters
    ----------
    which
        Tells of a job's record whether it goes.
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
        with suppress(OSError):  # renamed, so that a process that still ends writes nothing there any more
            job.folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
