"""Slow changes of a dataset (such as a UMAP) are computed by a worker and taken over when it is done.

The worker leaves its results on disk, so that applying the same fixes in this process is quick. Until then the dataset
stays as it is, and every page can be used. After a reload, or within a day, another session goes on with the job.
"""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from cellucid_core.dataset import Mapping, NotComputed
from cellucid_core.errors import CellucidError, WorkRefused
from cellucid_core.serving.jobs import Job, JobProgress, fix_job, jobs_of, submit
from cellucid_core.serving.workspaces import choices_from_json, choices_to_json
from pages.session.jobs import follow, my_job
from pages.session.keeping import keeper
from pages.session.owner import owner
from pages.session.state import Wanted, Workspace, dataset_source, in_time, widget_key, workspace

#: Session state: content hash of a dataset → id of its job, empty if there is none.
_JOBS = "fix_jobs"
#: Session state: computations that were cancelled while a dataset was opened again.
_STOPPED = "fixes_stopped"
#: Session state: an error, or a sentence, that the findings panel shows once.
ERROR, SAID = "fix_error", "fix_said"
#: Seconds after which the progress says how long a step has been running.
_LONG = 3.0


def settle() -> None:
    """Start the computation of a wanted change, and take over a finished one; called at the beginning of each run."""
    work = workspace()
    if work.dataset is None:
        return
    _begin(work)
    job = pending_change()
    if job is None or job.active:
        return
    _known()[work.dataset.content_hash] = ""
    try:
        _take_over(work, job)
    except CellucidError as error:
        _refuse(work, error)
    finally:
        job.forget()  # else a later session would take it over again, even if it was undone
    _begin(work)  # once more, if a choice that the result depends on was changed meanwhile


def _begin(work: Workspace) -> None:
    """Start a job for the wanted change, if there is one."""
    if work.dataset is None or work.wanted is None:
        return
    wanted, work.wanted = work.wanted, None
    try:
        _known()[work.dataset.content_hash] = _submit(work, wanted).id
    except CellucidError as error:
        _refuse(work, error)


def pending_change() -> Job | None:
    """Return the job that computes a change of the open dataset, or None if there is none."""
    work = workspace()
    if work.dataset is None:
        return None
    known, content = _known(), work.dataset.content_hash
    if content not in known:  # a new session
        place = {"content_hash": content, "workspace": keeper().name}
        mine = (job for job in jobs_of(owner(), "fix") if place.items() <= job.about.items())
        known[content] = next((job.id for job in mine if job.state != "cancelled"), "")
    return my_job(known[content])


def follow_change() -> None:
    """Wait until the pending change is computed, showing progress, and run the page again."""
    job = pending_change()
    if job is not None:
        follow(job, "fix", _words)
        st.rerun()


def resume_elsewhere(work: Workspace, choices: Mapping, fixes: tuple[str, ...]) -> None:
    """Apply kept choices and fixes; results that are no longer on disk are computed by a worker and waited for.

    Raises
    ------
    CellucidError
        If they cannot be computed, or that is cancelled.
    """
    try:
        work.resume(choices, fixes)
    except NotComputed:
        assert work.dataset is not None
        stopped: set[tuple[str, str, tuple[str, ...]]] = st.session_state.setdefault(_STOPPED, set())
        this = (work.dataset.content_hash, choices.digest(), fixes)
        if this in stopped:
            stopped.discard(this)
            raise
        job = _submit(work, Wanted(choices, fixes))
        follow(job, "resume", _words, lambda: stopped.add(this))
        try:
            job.result()
        finally:
            job.forget()
        work.resume(choices, fixes)


def show_choices(work: Workspace) -> None:
    """Set the mapping's widgets, where they were drawn before, to the current choices."""
    values: dict[str, str | None] = {f"embedding_{d}": work.choices.embeddings.get(d) for d in (1, 2, 3)}
    values |= {name: getattr(work.choices, name) for name in ("latent", "matrix", "gene_id", "connectivities")}
    for name, value in values.items():
        key = widget_key(f"map_{name}")
        if key in st.session_state:
            st.session_state[key] = "none" if value is None else value


def _known() -> dict[str, str]:
    known: dict[str, str] = st.session_state.setdefault(_JOBS, {})
    return known


def _submit(work: Workspace, wanted: Wanted) -> Job:
    assert work.dataset is not None
    content = work.dataset.content_hash
    about = {
        "content_hash": content,
        "workspace": keeper().name,
        "choices": choices_to_json(wanted.choices, work.usual),
        "before": _state(work),
    }
    return submit(
        fix_job,
        {
            "source": dataset_source(),
            "choices": wanted.choices,
            "fixes": wanted.fixes,
            "everything": wanted.everything,
        },
        owner=owner(),
        kind="fix",
        title=f"Fixing {work.dataset.name}",
        about=about,
        key=f"fix {content} {wanted.choices.digest()} {wanted.fixes} {wanted.everything} {about['workspace']}",
    )


def _state(work: Workspace) -> dict[str, Any]:
    return {"choices": choices_to_json(work.choices, work.usual), "fixes": list(work.fixes)}


def _take_over(work: Workspace, job: Job) -> None:
    """Take over the result of a job that ended.

    Raises
    ------
    CellucidError
        If the job failed, or the dataset was changed since it began.
    """
    assert work.dataset is not None
    if job.state == "cancelled":
        st.session_state[SAID] = "Cancelled. Nothing was changed."
        show_choices(work)
        return
    fixes = tuple(job.result()["fixes"])
    now, before, chosen = _state(work), job.about["before"], job.about["choices"]
    if now == {"choices": chosen, "fixes": list(fixes)}:  # applied already, when the dataset was opened again
        return
    chose = chosen != before["choices"]
    if now["fixes"] != before["fixes"] or (chose and now["choices"] != before["choices"]):
        raise WorkRefused(
            "The dataset was changed while this was computed.", "Make the change again; it will be quick now."
        )
    choices = choices_from_json(chosen, work.dataset, work.usual)[0] if chose else work.choices
    try:
        work.resume(choices, fixes)
    except NotComputed:
        if now["choices"] == before["choices"]:
            raise WorkRefused("The computed result is no longer on disk.", "Make the change again.") from None
        work.wanted = Wanted(choices, fixes)  # a choice that the result depends on was changed meanwhile
    show_choices(work)


def _refuse(work: Workspace, error: CellucidError) -> None:
    st.session_state[ERROR] = error
    show_choices(work)


def _words(progress: JobProgress) -> str:
    what = progress.what or "Starting"
    spent = time.time() - progress.step_began if progress.step_began else 0.0
    return f"{what} ({in_time(spent)} so far) …" if spent > _LONG else f"{what} …"
