"""Check a bulk matrix against a signature, and estimate its fractions of cell types."""

from __future__ import annotations

from typing import Any

import streamlit as st

from cellucid_core import charts
from cellucid_core.cache import scratch_folder
from cellucid_core.errors import CellucidError
from cellucid_core.library import Bulk, BulkCheck, Entry, Level, Logged, Method, check_bulk, deconvolve, read_bulk
from pages.library.entry import entry_labels, signature_of
from pages.session.figure import draw_chart
from pages.session.state import literal, show_error
from pages.widgets.remembered import remembered
from pages.widgets.style import CARDS

_METHODS: dict[Method, str] = {"nnls": "Non-negative least squares", "nusvr": "Nu support-vector regression"}
_LOGS: dict[Logged, str] = {
    "none": "Linear (counts, CPM, TPM)",
    "2": "log2(x + 1)",
    "e": "ln(x + 1)",
    "10": "log10(x + 1)",
}


def bulk_panel(entries: list[Entry]) -> None:
    """Draw the choice of a signature and a bulk matrix, the check of the two, and the deconvolution.

    Raises
    ------
    CellucidError
        If the chosen entry cannot be read.
    """
    if not entries:
        st.info("Build a signature or read a file first; bulk samples are checked against it.", icon=":material/info:")
        return
    pick, at = st.columns(2)
    labels = entry_labels(entries)
    entry = pick.selectbox("Signature", entries, format_func=lambda one: labels[one.id], key="bulk_entry")
    signature = signature_of(entry)
    names = [level.name for level in signature.levels]
    level = signature.level(at.selectbox("Level", names, key=f"bulk_level_{entry.id}"))
    upload = st.file_uploader(
        "A bulk matrix: CSV or TSV, genes in rows, samples in columns",
        key="bulk_upload",
        help="Linear values: counts, CPM or TPM. The file is not kept.",
    )
    if upload is None:
        return
    try:
        made_of = (upload.file_id, entry.id, level.name)
        bulk = remembered("bulk", made_of, lambda: _read(upload, level))
        found = check_bulk(bulk, level)
        _cards(bulk, found)
        for text in found.findings:
            st.warning(literal(text), icon=":material/warning:")
        if not found.findings:
            st.success("The matrix fits the signature.", icon=":material/check_circle:")
        if level.degs:
            _deconvolution(bulk, found, level, made_of)
    except CellucidError as error:
        show_error(error)


def _cards(bulk: Bulk, found: BulkCheck) -> None:
    with st.container(key=f"{CARDS}_bulk"):
        samples, genes, degs, ids = st.columns(4)
    samples.metric("Samples", f"{bulk.values.shape[1]:,}", border=True)
    genes.metric("Genes matched", f"{found.matched:,} of {found.level_genes:,}", border=True)
    n_degs = len(found.degs_found) + len(found.degs_missing)
    degs.metric("DEGs found", f"{len(found.degs_found):,} of {n_degs:,}", border=True)
    ids.metric("Gene ids", found.bulk_ids, border=True)


def _read(upload: Any, level: Level) -> Bulk:
    with scratch_folder() as folder:
        path = folder / "bulk"
        path.write_bytes(upload.getbuffer())
        return read_bulk(path, upload.name, level.genes)


def _deconvolution(bulk: Bulk, found: BulkCheck, level: Level, made_of: tuple[str, ...]) -> None:
    how, scale = st.columns(2)
    method = how.selectbox("Method", list(_METHODS), format_func=_METHODS.__getitem__, key="bulk_method")
    logged = scale.selectbox(
        "Values are",
        list(_LOGS),
        index=1 if found.looks_logged else 0,
        format_func=_LOGS.__getitem__,
        key=f"bulk_logged_{found.looks_logged}",
    )
    with st.spinner("Estimating fractions …"):
        result = remembered(
            "fractions", (*made_of, method, logged), lambda: deconvolve(bulk, level, method, logged=logged)
        )
    draw_chart(charts.stacked_fractions(result.fractions))
    st.caption(
        f"Estimated from {len(result.genes):,} DEGs; each sample sums to 100 %. "
        f"Fit (correlation with the samples): {result.fit.min():.2f} to {result.fit.max():.2f}. "
        "This is a quick estimate; Statescope's full model also refines the expression per cell type and gives its "
        "uncertainty."
    )
    st.download_button(
        "Download the fractions (CSV)",
        data=result.fractions.assign(fit=result.fit).to_csv().encode(),
        file_name="fractions.csv",
        mime="text/csv",
        icon=":material/download:",
        type="primary",
        on_click="ignore",
    )
