"""Files to download: scores, statistics, the cell table, a record of the run, and Python lines that reproduce it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import asdict
from typing import Any

import streamlit as st

from cellucid_core.cache import scratch_folder
from cellucid_core.csv_safety import NOTE
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.reports import ReportFigure, signature_html
from cellucid_core.signature import (
    SignatureRun,
    api_code,
    csv_chunks,
    obs_csv,
    python_code,
    record_json,
    run_record,
    statistics_csv,
    summary_csv,
    write_h5ad,
    write_parquet,
)
from cellucid_core.signature.reporting import split_csv
from pages.session.figure import figure_style
from pages.session.server_file import offer_file
from pages.session.state import kept, show_error, workspace
from pages.signature.scores_chart import chart_choices
from pages.widgets.remembered import known

#: The packages that the Python lines use.
LINES = ("cellucid_core", "scanpy and scipy")


def show_files(view: View, run: SignatureRun, key: Hashable, chart: ReportFigure) -> None:
    """Draw the downloads of a run.

    Parameters
    ----------
    key
        The key of the run, see `pages.gene_signature.run_key`.
    chart
        The chart of the scores, for the HTML report.
    """
    told, choices = _of_session(run, key), workspace().choices
    st.markdown(
        "The whole page as one HTML file: figures, tables, genes, settings and the record. It opens offline and can be "
        "printed."
    )
    download(
        "Download this analysis (HTML)",
        lambda: signature_html(view, run, scores=chart, choices=choices, **told).encode(),
        "gene_signature.html",
        "text/html",
        type="primary",
    )
    st.markdown(
        "One row per page and cell: `cell_id` exactly as in the file, so that it joins back, `page`, `score`, "
        "`raw_score` before scaling, `genes_used`, and `cell_index`, the row in the file."
    )
    st.caption(NOTE)
    with st.container(horizontal=True):
        download(
            "Download the scores (CSV)",
            lambda: "".join(csv_chunks(run.table(view))).encode(),
            "gene_signature_scores.csv",
            "text/csv",
        )
        download("Scores (Parquet)", lambda: _parquet(view, run), "gene_signature_scores.parquet")
    st.markdown("The cell table with the score and the page of every cell, and the numbers of this page.")
    with st.container(horizontal=True):
        download("Cell table (CSV)", lambda: "".join(obs_csv(view, run)).encode(), "cells_with_score.csv", "text/csv")
        download("Pages (CSV)", lambda: summary_csv(run).encode(), "gene_signature_pages.csv", "text/csv")
        download(
            "Tests (CSV)",
            lambda: statistics_csv(run).encode(),
            "gene_signature_tests.csv",
            "text/csv",
            disabled=not run.tests,
        )
        if (split := run.split) is not None:
            download(
                "Within pages (CSV)",
                lambda: split_csv(split, run.pages).encode(),
                "gene_signature_within_pages.csv",
                "text/csv",
            )
        download(
            "Record (JSON)",
            lambda: record_json(run_record(view, run, **told)).encode(),
            "gene_signature_run.json",
            "application/json",
        )
    if view.dataset.path.suffix == ".h5ad" and not view.dataset.parts:
        offer_file(
            "Make a copy of the .h5ad with the score",
            "signature_h5ad",
            key,
            lambda target: write_h5ad(view, run, target),
            f"{view.dataset.id}-with-score.h5ad",
        )
    with st.expander("Reproduce it in Python", icon=":material/code:"):
        with_ours = st.segmented_control("Using", LINES, default=LINES[0], required=True, **kept("lines")) == LINES[0]
        if with_ours:
            st.caption("These lines compute the same numbers from the file, with this dashboard's own package.")
        else:
            st.caption("These lines compute the same numbers from the file, with the field's own packages.")
        try:
            code = api_code(view, run, choices=choices) if with_ours else python_code(view, run)
        except CellucidError as error:
            show_error(error)
        else:
            st.code(code, language="python", height=320)
            download("Save the lines", code.encode, "reproduce_signature.py", "text/x-python")


def download(
    label: str, data: Callable[[], bytes], name: str, mime: str = "application/octet-stream", **arguments: Any
) -> None:
    """Draw a button that downloads a file; `data` makes it when the button is clicked."""
    st.download_button(
        label, data=data, file_name=name, mime=mime, icon=":material/download:", on_click="ignore", **arguments
    )


def _parquet(view: View, run: SignatureRun) -> bytes:
    with scratch_folder() as folder:
        target = folder / "scores.parquet"
        write_parquet(view, run, target)
        return target.read_bytes()


def _of_session(run: SignatureRun, key: Hashable) -> dict[str, Any]:
    """Return what the record says beside the run; collected now, as files are made in threads without a session."""
    work = workspace()
    return {
        "made": {page.name: page.made for page in work.pages},
        "replaced": {old: new for old, new in work.replaced.items() if new in set(run.match.found)},
        "every_method": known("signature every method", key),
        "mixed_model": known("signature mixed model", key),
        "figure": {**asdict(figure_style()), **chart_choices()},
    }
