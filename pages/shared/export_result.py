"""The right side of the Export page: write it, then download it, look at it, do it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from cellucid_core import charts
from cellucid_core.dataset import View
from cellucid_core.dataset.home import home_folder
from cellucid_core.errors import CellucidError, InputError
from cellucid_core.export import Again, ExportPlan, ExportResult, ExportSettings, Progress, do_again, write
from cellucid_core.prepared.decoding import PreparedExport
from cellucid_core.prepared.structure import Categories
from cellucid_core.serving.workspaces import KeptExport, files_in_use
from pages.shared.collection import collection_box
from pages.shared.download import download_link, offer
from pages.shared.figure import draw_chart
from pages.shared.workspace import counted, literal, show_error, workspace

SUFFIXES = {"compact": ".zip", "h5ad": ".h5ad", "zarr.zip": ".zarr.zip"}
#: Exports that no workspace refers to are kept for their links for a day.
_KEPT_SECONDS = 24 * 3600
#: Genes that the preview's list names; more would make the page slow, and typing finds any of these.
MOST_LISTED_GENES = 5_000


@dataclass(frozen=True)
class Finished:
    """A finished export, the token it can be downloaded with (None without a cookie), and how to do it again."""

    dataset_id: str
    result: ExportResult
    token: str | None
    settings: ExportSettings
    again: Again
    left_out: tuple[str, ...]


def finished_again(kept: KeptExport) -> Finished:
    """Return an export that a workspace kept, with a new link for this browser."""
    token = offer(kept.result.path, f"{kept.dataset_id}{SUFFIXES[kept.settings.format]}")
    return Finished(kept.dataset_id, kept.result, token, kept.settings, kept.again, kept.left_out)


def in_units(size: float) -> str:
    """Return a size for people: "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError


def in_time(seconds: float) -> str:
    """Return a time for people: "under 1 s", "12 s", "3 min"."""
    if seconds < 1:
        return "under 1 s"
    return f"{seconds:,.0f} s" if seconds < 90 else f"{seconds / 60:,.0f} min"


class Watcher:
    """Shows how far an export is: what is being done, genes done, their rate, and the time left.

    Parameters
    ----------
    n_genes
        Genes that will be written.
    """

    def __init__(self, n_genes: int) -> None:
        self._bar = st.progress(0.0, text="Starting …")
        self._n_genes = n_genes
        self._began = self._shown = time.monotonic()
        self._before = 0
        self._genes_began: float | None = None

    def __call__(self, progress: Progress) -> None:
        """Show a step; a click on Cancel, or closing the page, raises here."""
        now = time.monotonic()
        if progress.what != "Writing genes":
            self._before = progress.done
        elif self._genes_began is None:
            self._genes_began = now
        if now - self._shown < 0.1 and progress.done < progress.total:
            return
        self._shown = now
        share = min(1.0, progress.done / max(1, progress.total))
        self._bar.progress(share, text=" · ".join([self._done(progress, now), *self._left(share, now)]))

    def _done(self, progress: Progress, now: float) -> str:
        genes = min(progress.done - self._before, self._n_genes)
        if progress.what != "Writing genes" or self._genes_began is None:
            return progress.what
        spent = now - self._genes_began
        rate = f" · {genes / spent:,.0f} genes/s" if spent > 0.5 else ""
        return f"Writing genes: {genes:,} of {self._n_genes:,}{rate}"

    def _left(self, share: float, now: float) -> list[str]:
        spent = now - self._began
        return [f"{in_time(spent / share * (1 - share))} left"] if share > 0.02 and spent > 2 else []


def run_export(view: View, settings: ExportSettings, plan: ExportPlan) -> None:
    """Write the export; a click on Cancel, or closing the page, ends it and leaves nothing behind.

    Raises
    ------
    CellucidError
        If it cannot be written.
    """
    folder = home_folder("exports")
    in_use = {path.name for path in files_in_use() if path.parent == folder.resolve()}
    for old in folder.iterdir():
        if old.name not in in_use and time.time() - old.stat().st_mtime > _KEPT_SECONDS and old.is_file():
            old.unlink(missing_ok=True)
    name = f"{plan.dataset_id}{SUFFIXES[settings.format]}"
    target = folder / f"{plan.dataset_id}-{time.time_ns()}{SUFFIXES[settings.format]}"
    watcher = Watcher(len(plan.genes.ids))
    st.button("Cancel", key="export_cancel", icon=":material/close:", on_click=_cancelled)
    try:
        result = write(view, settings, target, progress=watcher, genes=plan.genes)
    except OSError as error:
        raise InputError(
            f"The export could not be written ({error.strerror or error}), and nothing of it was left behind.",
            "Free some space on the server's disk, or choose fewer genes, and try again.",
        ) from error
    token = offer(result.path, name)
    chosen = set(view.obs_keys)
    left_out = tuple(str(key) for key in view.dataset.obs.columns if key not in chosen)
    workspace().export = Finished(plan.dataset_id, result, token, settings, _again(view, settings, name), left_out)


def _cancelled() -> None:
    st.session_state["export_cancelled"] = True


def _again(view: View, settings: ExportSettings, name: str) -> Again:
    work, source = workspace(), workspace().source
    path = source.path if source else str(view.dataset.path)
    if source and source.name:  # an upload lies under the hash of its content; the user knows it by its name
        path = source.name + "".join(Path(path).suffixes[-2:] if path.endswith(".gz") else Path(path).suffixes[-1:])
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
    )


def show_finished(done: Finished) -> None:
    """Draw what was written: checked, to be downloaded, what is in it, how to do it again."""
    result = done.result
    with st.container(border=True):
        st.markdown(
            f":green[:material/check_circle:] **{in_units(result.bytes)}** in "
            f"**{result.files:,} file{'s' if result.files != 1 else ''}**, written in **{result.seconds:.1f} s**"
        )
        if result.verified and done.settings.format != "compact":
            st.caption("Everything was read back and compared with its source.")
        elif result.verified:
            st.caption(
                f"All {result.arrays:,} arrays verified against their source, "
                f"largest error {result.max_error_steps:.2f} steps."
            )
        _download(done)
        _summary(done)
    if done.settings.format == "compact":
        with st.container(border=True):
            _preview(result.path)
        collection_box(result.path, done.dataset_id)
    with st.expander("Do it again", icon=":material/replay:"):
        _do_again(done.again)


def _download(done: Finished) -> None:
    if not download_link(done.token, f"Download {in_units(done.result.bytes)}"):
        return
    where = "Unpack it into the folder that the viewer reads." if done.settings.format == "compact" else ""
    st.caption(f"{where} The link works for 12 hours, in this browser only.".strip())
    if done.result.sha256:
        st.caption("SHA-256 of the file, to check a copy by:")
        st.code(done.result.sha256, language=None, wrap_lines=True)


def _summary(done: Finished) -> None:
    result = done.result
    st.markdown(f"{counted(result.n_cells, 'cell')} · {counted(result.n_genes, 'gene')}")
    for fix in result.fixes:
        st.markdown(f":material/build: {literal(fix)}")
    if done.left_out:
        names = ", ".join(done.left_out[:8]) + (f" and {len(done.left_out) - 8:,} more" if done.left_out[8:] else "")
        st.markdown(f":material/visibility_off: Columns left out: {literal(names)}")
    for warning in result.warnings:
        st.warning(literal(warning), icon=":material/warning:")


def _preview(path: Path) -> None:
    """Draw the points of the written file, coloured by what is in it."""
    try:
        with PreparedExport(path) as export:
            genes = list(export.genes)
            named = {key: ("column", key) for key in export.columns}
            for gene in genes[:MOST_LISTED_GENES]:
                named.setdefault(f"{gene} (gene)", ("gene", gene))
            left, right = st.columns([3, 2])
            groups = [i for i, key in enumerate(export.columns) if isinstance(export.columns[key], Categories)]
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
    draw_chart(charts.embedding(points[:, :2], values, key, size=380))
    more = f" The list names the first {MOST_LISTED_GENES:,} genes." if len(genes) > MOST_LISTED_GENES else ""
    axes = " The first two of three axes." if dimension == 3 else ""
    st.caption(f"Decoded from the file that was written, as the viewer does it.{axes}{more}")


def _do_again(again: Again) -> None:
    st.caption("Both write the same file from the same data. On the command line:")
    st.code(again.command, language="bash", wrap_lines=True)
    st.caption("In Python:")
    st.code(again.python, language="python", wrap_lines=True)
    for name, content in again.files.items():
        st.download_button(f"The list they read ({name})", content, name, "text/plain", key=f"again_{name}")
