"""Show the progress of a job in the run that waits for it.

The page's script polls and draws. A click anywhere ends that run at its next drawing, but not the job: the next run
finds it again by its id, or by its owner after a reload.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from cellucid_core.configuration import read_configuration
from cellucid_core.serving.jobs import Job, JobProgress, find_job, jobs_of
from pages.session.owner import owner, who_may
from pages.session.state import counted

#: Seconds between two drawings, and seconds before the first: a quick job needs no bar.
_EVERY, _QUIET = 0.2, 0.3
_SEEN = "jobs_seen"


def my_job(job_id: str | None) -> Job | None:
    """Return this owner's job by its id, or None if there is none any more."""
    return find_job(job_id, owner()) if job_id else None


def follow(
    job: Job, key: str, words: Callable[[JobProgress], str] | None = None, on_cancel: Callable[[], object] | None = None
) -> None:
    """Wait until a job has ended, drawing its progress and a button that cancels it.

    Parameters
    ----------
    key
        The key of the button is ``<key>_cancel``.
    words
        Returns the progress in words; by default the current step.
    on_cancel
        Also called when the button is clicked.
    """
    if job.wait(_QUIET):
        return
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text="Starting …")
        st.button("Cancel", key=f"{key}_cancel", icon=":material/close:", on_click=_cancel, args=(job.id, on_cancel))
        if address := read_configuration().cluster_dashboard:
            st.caption(f"See what the cluster is doing on [Dask's dashboard]({address})")
    while not job.wait(_EVERY):
        progress = job.progress()
        bar.progress(progress.share, text=_waiting(job) or (words or _plain)(progress))
    place.empty()


def latest(kind: str, fits: Callable[[Job], bool] = lambda job: True, *, again: bool = False) -> Job | None:
    """Return this owner's latest job of a kind, from any session, if it is running or its end was not told yet.

    Parameters
    ----------
    fits
        Which jobs count.
    again
        Whether a finished job is returned although some session was told before.
    """
    job = next((job for job in jobs_of(owner(), kind) if job.state != "cancelled" and fits(job)), None)
    if job is None or job.active or not job.was_told or (again and job.state == "done"):
        return job
    return None


def is_news(job: Job) -> bool:
    """Tell whether this session has not yet been told how a job ended."""
    return job.id not in st.session_state.get(_SEEN, ())


def told(job: Job) -> None:
    """Note that this session has been told how a job ended."""
    st.session_state.setdefault(_SEEN, set()).add(job.id)
    job.note_told()


@who_may
def _cancel(job_id: str, more: Callable[[], object] | None) -> None:
    job = my_job(job_id)
    if job is not None:
        job.cancel()
    if more is not None:
        more()


def _waiting(job: Job) -> str:
    if job.state != "queued":
        return ""
    before = job.place
    return f"Waiting: {counted(before, 'job')} before this one …" if before else "Waiting: this job is next …"


def _plain(progress: JobProgress) -> str:
    return f"{progress.what or 'Starting'} …"
