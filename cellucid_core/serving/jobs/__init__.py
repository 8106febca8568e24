"""Run heavy work in other processes: limited in number, memory and time, queued fairly, cancellable, kept for later.

The engine is Pebble: it starts a process for a job, kills it when the job is cancelled or takes too long, and reports
when it died; no network is involved. dask.distributed was considered: it cannot stop a task that runs (so a C library
that loops would ignore cancelling and the time limit), its scheduler listens on a TCP port on which every local user
could run code unless certificates are set up, and it costs a dozen packages and a second at every start. Jobs are whole
functions with plain arguments, so their parts can still run on a cluster (`cellucid_core.running`). loky and
`concurrent.futures` cannot stop a single task either, and lose the whole pool when one worker dies.

This package adds the fair queue (`fair_queue`), the job's row in the database (`record`), and the limits of a worker
(`running`). A job is a function of a module of this package with plain arguments. It returns JSON and writes into the
job's folder, so that nothing half-made is left, whatever happens to its process.

Without a server (the command line, tests of pages) there are no worker processes: jobs run on a thread of the caller's
process, and everything else is the same.
"""

from __future__ import annotations

from cellucid_core.serving.jobs.asking import find_job, jobs_of, pass_jobs, submit
from cellucid_core.serving.jobs.deleting import delete_jobs
from cellucid_core.serving.jobs.job import Job
from cellucid_core.serving.jobs.progress import JobProgress
from cellucid_core.serving.jobs.record import sweep_jobs
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
    "Job",
    "JobProgress",
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
