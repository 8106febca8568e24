"""Export: choose what is exported, see the plan, write the export, download it."""

from __future__ import annotations

import hashlib

import streamlit as st

from cellucid_core.configuration import format_size
from cellucid_core.dataset import NotComputed, View
from cellucid_core.errors import CellucidError, WorkRefused
from cellucid_core.export import ExportPlan, ExportSettings, Planner
from cellucid_core.preflight import PreflightReport, Scope, preflight
from cellucid_core.serving.jobs import JobProgress, genes_job, submit
from pages.exporting.live import live_panel
from pages.exporting.result import export_job_of, follow_export, settings_mark, show_finished, show_said, start_export
from pages.exporting.settings import CHOICES, choose_settings
from pages.opening.empty import need_dataset
from pages.session.jobs import follow
from pages.session.owner import owner
from pages.session.state import dataset_source, in_time, kept, literal, show_error, workspace
from pages.session.undo import Undoable, begin_undo, undo_button
from pages.widgets.heading import heading
from pages.widgets.style import CARDS, SPLIT

UNDOABLE = Undoable(widgets=CHOICES, choices={"obs_keys": "the cell columns"})


def checked(view: View, settings: ExportSettings) -> PreflightReport:
    """Return preflight's report on what would be exported; it is computed again only if that changed."""
    scope = Scope.of(settings)
    key = (view.dataset.content_hash, view.mapping.digest(), scope)
    known = st.session_state.get("export_report")
    if known is None or known[0] != key:
        st.session_state["export_report"] = known = (key, preflight(view, scope))
    report: PreflightReport = known[1]
    return report


def planned(view: View, settings: ExportSettings) -> ExportPlan:
    """Return the plan; the planner keeps the parts that a changed setting does not affect.

    Raises
    ------
    CellucidError
        If the genes cannot be ranked, or their ranking was cancelled.
    """
    key = (view.dataset.content_hash, view.mapping.digest())
    known = st.session_state.get("export_planner")
    if known is None or known[0] != key:
        st.session_state["export_planner"] = known = (key, Planner(view))
    planner: Planner = known[1]
    place = st.empty()

    def report(what: str, done: int, total: int) -> None:
        place.progress(done / max(1, total), text=f"{what}: {done:,} of {total:,} genes")

    try:
        with st.spinner("Planning …", show_time=False):
            plan = planner.plan(settings, report, ready_only=True)
    except NotComputed:
        rank_genes(view, settings)
        plan = planner.plan(settings, report)
    place.empty()
    return plan


def rank_genes(view: View, settings: ExportSettings) -> None:
    """Let a worker rank the genes of a large matrix, showing progress; planning then finds the result on disk.

    Raises
    ------
    CellucidError
        If it fails or is cancelled.
    """
    # One ranking serves any number of highly variable genes; that of markers is as deep as asked for.
    parts = settings.genes.each
    what = sorted({f"{part.kind} {part.column} {part.n if part.kind == 'markers' else ''}" for part in parts})
    key = f"genes {view.dataset.content_hash} {view.mapping.digest()} {what}"
    stopped: set[str] = st.session_state.setdefault("export_genes_stopped", set())
    if key in stopped:
        if not st.button("Rank the genes", icon=":material/sort:"):
            raise WorkRefused("The genes are not ranked yet.", "Click “Rank the genes”, or choose other genes.")
        stopped.discard(key)
    job = submit(
        genes_job,
        {"source": dataset_source(), "mapping": view.mapping, "settings": settings},
        owner=owner(),
        kind="genes",
        title=f"Genes of {view.dataset.name}",
        key=key,
    )
    follow(job, "genes", ranking_words, lambda: stopped.add(key))
    try:
        job.result()
    except CellucidError:
        stopped.add(key)  # otherwise every click would begin it again
        raise
    finally:
        job.forget()


def ranking_words(progress: JobProgress) -> str:
    """Return how far the ranking of genes is, in words."""
    of = f": {progress.done:,.0f} of {progress.total:,.0f} genes" if progress.total > 1 else " …"
    return f"{progress.what or 'Starting'}{of}"


def show_plan(plan: ExportPlan) -> None:
    """Draw what would be written: number of files, size, time, and what would make the viewer slow."""
    with st.container(key=CARDS):
        genes, files, size, seconds = st.columns(4)
    genes.metric("Genes", f"{len(plan.genes.ids):,}", border=True)
    files.metric("Files", f"{plan.files:,}", border=True)
    size.metric("Size", f"≈ {format_size(plan.estimated_zip_bytes)}", border=True)
    words = in_time(plan.estimated_seconds)
    seconds.metric("Time", words if words.startswith("under") else f"≈ {words}", border=True)
    sizes = {item.name: item.estimated_bytes for item in plan.artefacts}
    rest = "file names" if plan.files > 1 else "the rest"
    sizes[rest] = plan.estimated_zip_bytes - sum(sizes.values())
    parts = " · ".join(
        f"{name} {format_size(size)}" for name, size in sorted(sizes.items(), key=lambda item: -item[1]) if size > 0
    )
    st.caption(f"{parts}. The time includes reading everything back.")
    for caution in plan.cautions:
        st.warning(f"**{literal(caution.what)}** {literal(caution.change)}", icon=":material/warning:")
    for warning in plan.warnings:
        if warning != plan.genes.missing_sentence:
            st.info(literal(warning), icon=":material/info:")


def agreed(plan: ExportPlan) -> bool:
    """Tell whether the export may be written: missing genes are left out only if the user ticks a box."""
    missing = plan.genes.missing
    if not missing:
        return True
    st.warning(literal(plan.genes.missing_sentence), icon=":material/warning:")
    if len(missing) > 5:
        with st.expander("All missing genes"):
            st.markdown(", ".join(literal(gene) for gene in missing[:500]) + (" …" if len(missing) > 500 else ""))
    which = hashlib.sha256("\n".join(missing).encode()).hexdigest()[:12]  # other missing genes need another tick
    return st.checkbox(
        f"Export without {'this gene' if len(missing) == 1 else 'these genes'}", **kept(f"export_without_{which}")
    )


def show_blocked(report: PreflightReport) -> None:
    """Draw the errors that must be fixed first."""
    st.error("**The export is blocked.** Fix these on the Upload & Preflight page first:")
    for finding in report.of("error"):
        st.markdown(f":red[:material/block:] **{literal(finding.title)}**  \n{literal(finding.detail)}")
    st.page_link("upload_preflight.py", label="Go to Upload & Preflight", icon=":material/fact_check:")


def begin_export(view: View, settings: ExportSettings, *, busy: bool) -> None:
    """Draw the plan and the Export button, or what blocks the export.

    Parameters
    ----------
    busy
        Whether an export of the dataset is being written, so that the button is disabled.
    """
    report = checked(view, settings)
    if report.status == "blocked":
        show_blocked(report)
        return
    plan = planned(view, settings)
    show_plan(plan)
    if plan.refusals:
        st.error("**This cannot be written.** " + literal(" ".join(plan.refusals)), icon=":material/block:")
    may = agreed(plan)
    if st.button(
        "Export",
        type="primary",
        icon=":material/archive:",
        width="stretch",
        disabled=not may or bool(plan.refusals) or busy,
    ):
        start_export(view, settings, plan)
        st.rerun()


def right_side(view: View, settings: ExportSettings | None) -> None:
    """Draw the plan and the button; whatever the settings are, also the running export and the finished one."""
    job = export_job_of(view)
    if settings is None:
        st.info("Fix the settings first; the error is shown above them.", icon=":material/tune:")
    else:
        try:
            begin_export(view, settings, busy=job is not None)
        except CellucidError as error:
            show_error(error)
    show_said()
    try:
        live_panel(view, settings, blocked=settings is not None and checked(view, settings).status == "blocked")
    except CellucidError as error:
        show_error(error)
    if job is not None:
        follow_export(job)
    done = workspace().export
    if done is not None:
        if settings is None or done.settings_mark != settings_mark(view, settings):
            st.caption("The settings have changed since this export was written.")
        show_finished(done)


head, _ = heading("Export for Cellucid")
need_dataset("export it for the Cellucid viewer")
view = workspace().view
begin_undo("export", UNDOABLE)
with st.container(key=SPLIT):
    left, right = st.columns([1, 1], gap="large")
with left:
    if error := st.session_state.pop("export_error", None):
        show_error(error)
    settings = choose_settings(view)
with head:
    undo_button("export", UNDOABLE)
with right:
    try:
        right_side(view, settings)
    except CellucidError as error:
        show_error(error)
