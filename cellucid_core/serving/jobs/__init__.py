"""Heavy work in processes of its own: bounded in number, memory and time, queued fairly, cancellable, kept for later.

The engine is Pebble: it starts a process for a job, kills it when the job is cancelled or takes too long, and says when
it died; no network is involved. dask.distributed was weighed first: it cannot stop a task that runs (so neither a
cancel button nor a time limit holds against a C library that loops), its scheduler listens on a TCP port on which every
local user could run code unless certificates are set up, and it costs a dozen packages and a second at every start;
what runs here are whole functions with plain arguments, which a cluster can take over when one machine is not enough.
loky and `concurrent.futures` cannot stop a single task either, and give up all of a pool when one worker dies.

Ours are the fair queue (`fair_queue`), the job's row in the database (`record`), and what a worker may use
(`running`). A job is a function of a module of this package and plain arguments; what it returns is JSON, what it
writes lies in the job's folder, so that whatever happens to its process, nothing half-made is left.

Without a server (the command line, tests of pages) there are no worker processes: jobs run on a thread of the caller's
process, with everything else the same.
"""

from __future__ import annotations

from cellucid_core.serving.jobs.asking import find_job, jobs_of, pass_jobs, submit
from cellucid_core.serving.jobs.deleting import delete_jobs
from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.progress import JobProgress, JobReporter
from cellucid_core.serving.jobs.record import ACTIVE, sweep_jobs
from cellucid_core.serving.jobs.tasks import (
    build_job,
    export_job,
    fix_job,
    gather_job,
    genes_job,
    live_job,
    open_job,
    zip_job,
)
from cellucid_core.serving.jobs.workers import Workers, set_workers, workers

__all__ = [
    "ACTIVE",
    "Job",
    "JobProgress",
    "JobReporter",
    "Workers",
    "build_job",
    "delete_jobs",
    "export_job",
    "find_job",
    "fix_job",
    "gather_job",
    "genes_job",
    "jobs_of",
    "live_job",
    "open_job",
    "pass_jobs",
    "set_workers",
    "submit",
    "sweep_jobs",
    "workers",
    "zip_job",
]
