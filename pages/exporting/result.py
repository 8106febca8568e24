"""The right side of the Export page: writing an export, its download, its preview, and the lines that repeat it."""

from __future__ import annotations

import hashlib
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from cellucid_core import charts
from cellucid_core.cache import home_folder
from cellucid_core.configuration import format_size
from cellucid_core.dataset import DatasetSource, View
from cellucid_core.errors import CellucidError, WorkRefused
from cellucid_core.export import Again, ExportPlan, ExportResult, ExportSettings, do_again
from cellucid_core.export.cellucid_ready import ReadyExport
from cellucid_core.names import listed
from cellucid_core.prepared import PreparedExport
from cellucid_core.serving.jobs import Job, JobProgress, export_job, submit
from cellucid_core.serving.workspaces import KeptExport, files_in_use
from pages.exporting.collection import collection_box
from pages.session.figure import draw_chart
from pages.session.jobs import follow, is_news, latest, my_job, told
from pages.session.owner import owner
from pages.session.server_file import SUFFIXES, Finished
from pages.session.state import counted, dataset_source, in_time, literal, show_error, workspace
from pages.widgets.download import download_link
from pages.widgets.rotating_cloud import draw_cloud

#: Seconds for which exports that no workspace refers to are kept, for their download links.
_KEPT_SECONDS = 24 * 3600
_JOBS, _SAID = "export_jobs", "export_said"
#: Most genes in the preview's list; more would make the page slow. Typing finds any of them.
MOST_LISTED_GENES = 5_000


def progress_words(progress: JobProgress, n_genes: int) -> str:
    """Return what is being done in words: the step, genes written of `n_genes`, genes per second, and the time left."""
    words = [progress.what or "Starting …"]
    if progress.what == "Writing genes":
        genes = min(progress.done - progress.before, n_genes)
        words = [f"Writing genes: {genes:,.0f} of {n_genes:,}"]
        words += [f"{progress.rate:,.0f} genes/s"] if progress.rate is not None else []
    words += [f"{in_time(progress.left)} left"] if progress.left is not None else []
    return " · ".join(words)


def settings_mark(view: View, settings: ExportSettings) -> str:
    """Return 24 hexadecimal digits that differ between exports of one dataset with other choices or settings."""
    return hashlib.sha256(f"{view.mapping.digest()} {settings!r}".encode()).hexdigest()[:24]


def start_export(view: View, settings: ExportSettings, plan: ExportPlan) -> None:
    """Start the job that writes the export; it goes on whatever happens to the page.

    Raises
    ------
    WorkRefused
        If this owner has too many jobs already.
    """
    work = workspace()
    name = f"{plan.dataset_id}{SUFFIXES[settings.format]}"
    chosen = set(view.obs_keys)
    about = {
        "content_hash": view.dataset.content_hash,
        "dataset_id": plan.dataset_id,
        "file_name": name,
        "format": settings.format,
        "settings_mark": settings_mark(view, settings),
        "n_genes": len(plan.genes.ids),
        "again": asdict(_again(view, settings, name)),
        "left_out": [str(key) for key in view.dataset.obs.columns if key not in chosen],
    }
    job = submit(
        export_job,
        {
            "source": dataset_source(),
            "mapping": work.mapping,
            "settings": settings,
            "genes": plan.genes,
            "file_name": name,
        },
        owner=owner(),
        kind="export",
        title=f"Export of {plan.dataset_id}",
        about=about,
        key=f"export {about['content_hash']} {about['settings_mark']}",
    )
    st.session_state.setdefault(_JOBS, {})[view.dataset.content_hash] = job.id


def export_job_of(view: View) -> Job | None:
    """Return the dataset's export job that is running, or whose result this session has not shown yet; else None.

    It is the latest one of this session; in a new session, the latest one of this owner.
    """
    known: dict[str, str] = st.session_state.setdefault(_JOBS, {})
    content = view.dataset.content_hash
    if content not in known:
        job = latest("export", lambda job: job.about.get("content_hash") == content, again=True)
        known[content] = "" if job is None else job.id
    job = my_job(known[content])
    return job if job is not None and is_news(job) else None


def follow_export(job: Job) -> None:
    """Wait for an export, showing progress; take over its result, and run the page again."""
    n_genes = int(job.about["n_genes"])
    follow(job, "export", lambda progress: progress_words(progress, n_genes))
    try:
        _take_over(job)
    except CellucidError as error:
        if job.state != "done" or not job.was_told:  # else it was taken over before, and deleted since
            st.session_state[_SAID] = error
    told(job)
    st.rerun()


def show_said() -> None:
    """Show once why the last export failed, or that it was cancelled."""
    said = st.session_state.pop(_SAID, None)
    if isinstance(said, CellucidError):
        show_error(said)
    elif said:
        st.info(said, icon=":material/close:")


def _take_over(job: Job) -> None:
    if job.state == "cancelled":
        st.session_state[_SAID] = "Cancelled. Nothing was left behind."
        return
    about = job.about
    result = _kept(ExportResult.from_json(job.result()), f"{about['dataset_id']}-{job.id}{SUFFIXES[about['format']]}")
    kept = KeptExport(
        about["dataset_id"],
        result,
        about["format"],
        about["settings_mark"],
        Again(**about["again"]),
        tuple(about["left_out"]),
    )
    workspace().export = Finished.offered(kept)


def _kept(result: ExportResult, name: str) -> ExportResult:
    """Move an export from its job's folder, which is kept for a day, to the folder of the workspaces' exports."""
    folder = home_folder("exports")
    in_use = {path.name for path in files_in_use() if path.parent == folder.resolve()}
    for old in folder.iterdir():
        with suppress(OSError):  # another session deletes them, too
            if old.name not in in_use and time.time() - old.stat().st_mtime > _KEPT_SECONDS and old.is_file():
                old.unlink()
    target = folder / name
    try:
        with suppress(FileNotFoundError):  # another tab of this person was quicker
            result.path.replace(target)
    except OSError as error:
        raise WorkRefused(
            f"The export was written, but cannot be kept ({error.strerror}).", "Free some disk space, then reload."
        ) from error
    if not target.is_file():
        raise WorkRefused("The export was deleted meanwhile.", "Export it again.")
    return replace(result, path=target)


def _again(view: View, settings: ExportSettings, name: str) -> Again:
    work, source = workspace(), workspace().source
    path = _known_as(source) if source else str(view.dataset.path)
    samples: dict[str, str] | list[str] | None = None
    if view.dataset.parts and source is not None:
        parts = [part for part in source.parts if not part.left_out]
        samples = {str(part.name): _known_as(part) for part in parts} or [part.name for part in view.dataset.parts]
    table = source.cell_metadata if source else None
    assert work.dataset is not None
    return do_again(
        work.dataset,
        work.choices,
        work.fixes,
        settings,
        source=path,
        target=name,
        modality=source.modality if source else None,
        cell_metadata=f"cells{Path(table).suffix}" if table else None,
        samples=samples,
    )


def _known_as(source: DatasetSource) -> str:
    """Return the file name as the user knows it: on disk an upload is named by the hash of its content."""
    path = source.path
    if not source.name or not path:
        return path
    return source.name + "".join(Path(path).suffixes[-2:] if path.endswith(".gz") else Path(path).suffixes[-1:])


def show_finished(done: Finished) -> None:
    """Draw a finished export: whether it was verified, its download, what it holds, and the lines that repeat it."""
    result = done.result
    files = counted(result.files if done.format == "compact" else 1, "file")
    with st.container(border=True):
        st.markdown(
            f":green[:material/check_circle:] **{format_size(result.bytes)}** in **{files}**, "
            f"written in **{result.seconds:.1f} s**"
        )
        if result.verified and done.format != "compact":
            st.caption("Everything was read back and compared with its source.")
        elif result.verified:
            st.caption(
                f"All {result.arrays:,} arrays verified against their source, "
                f"largest error {result.max_error_steps:.2f} quantization steps."
            )
        _download(done)
        _summary(done)
    with st.container(border=True):
        _preview(result.path, PreparedExport if done.format == "compact" else ReadyExport)
    if done.format == "compact":
        collection_box(result.path, done.dataset_id)
    with st.expander("Repeat this export", icon=":material/replay:"):
        _do_again(done.again)


def _download(done: Finished) -> None:
    if not download_link(done.token, f"Download {format_size(done.result.bytes)}"):
        return
    where = "Unpack it into the folder that the viewer reads." if done.format == "compact" else ""
    st.caption(f"{where} The link works for 12 hours, in this browser only.".strip())
    if done.result.sha256:
        st.caption("SHA-256 of the file, to check a copy:")
        st.code(done.result.sha256, language=None, wrap_lines=True)


def _summary(done: Finished) -> None:
    result = done.result
    st.markdown(f"{counted(result.n_cells, 'cell')} · {counted(result.n_genes, 'gene')}")
    for fix in result.fixes:
        st.markdown(f":material/build: {literal(fix)}")
    if done.left_out:
        st.markdown(f":material/visibility_off: Columns left out: {literal(listed(done.left_out, 8))}")
    for warning in result.warnings:
        st.warning(literal(warning), icon=":material/warning:")


def _preview(path: Path, reader: type[PreparedExport] | type[ReadyExport]) -> None:
    """Draw the points of the written file, coloured by one of its columns or genes."""
    try:
        with reader(path) as export:
            genes = list(export.genes)
            named = {key: ("column", key) for key in export.columns}
            for gene in genes[:MOST_LISTED_GENES]:
                named.setdefault(f"{gene} (gene)", ("gene", gene))
            left, right = st.columns([3, 2])
            groups = [i for i, key in enumerate(export.columns) if key in export.groupings]
            chosen = left.selectbox(
                "Colour the written file by",
                list(named),
                index=groups[0] if groups else 0 if named else None,
                key=f"export_preview_{path.stem}",
                placeholder="Nothing to colour by",
            )
            dimension = right.segmented_control(
                "Dimensions",
                export.dimensions,
                format_func=lambda d: f"{d}D",
                default=2 if 2 in export.dimensions else export.dimensions[-1],
                key=f"export_preview_dimension_{path.stem}",
                required=True,
            )
            points = export.points(dimension)
            kind, key = named.get(chosen or "", ("", "cells"))
            if kind == "gene":
                values: np.ndarray | pd.Series = export.gene(key)
            else:
                values = pd.Series(export.column(key)) if kind else np.full(len(points), "cell")
    except CellucidError as error:
        show_error(error)
        return
    if dimension == 3:
        draw_cloud(charts.point_cloud(points, values), key)
    else:
        draw_chart(charts.embedding(points, values, key, size=380))
        st.caption(f"{charts.EMBEDDING_CAPTION}; {charts.LEGEND_CAPTION}.")
    more = f" The list names the first {MOST_LISTED_GENES:,} genes." if len(genes) > MOST_LISTED_GENES else ""
    st.caption(f"Decoded from the written file, as the viewer does.{more}")


def _do_again(again: Again) -> None:
    st.caption("Either of these writes the same file from the same data. On the command line:")
    st.code(again.command, language="bash", wrap_lines=True)
    st.caption("In Python:")
    st.code(again.python, language="python", wrap_lines=True)
    for name, content in again.files.items():
        st.download_button(
            f"Download the gene list that they read ({name})", content, name, "text/plain", key=f"again_{name}"
        )
