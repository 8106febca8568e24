"""Several signatures at once: a heatmap, a table to pick from, and the scores of all."""

from __future__ import annotations

import streamlit as st

from cellucid_core import charts
from cellucid_core.dataset import View
from cellucid_core.signature import ManySignatures, long_csv, score_many, wide_csv
from pages.session.state import counted, literal, widget_key, workspace
from pages.signature.gene_box import CHOSEN
from pages.signature.inputs import Inputs
from pages.widgets.figure import figure
from pages.widgets.remembered import remembered

_PICKED = "several_picked"


def show_several(view: View, inputs: Inputs) -> None:
    """Draw all signatures of the open file; a click on one shows it above."""
    file = workspace().gene_sets
    if file is None:
        st.info(
            "Open a GMT file with **From a file**, under the genes: all its signatures are scored in one pass and "
            "compared here.",
            icon=":material/table_rows:",
        )
        return
    pages = inputs.pages or []
    key = (
        view.dataset.content_hash,
        view.mapping.digest(),
        tuple(file.sets.signatures),
        tuple(page.digest() for page in pages),
        tuple(page.name for page in pages),
        inputs.method,
        inputs.repeats,
        inputs.seed,
        inputs.options,
    )
    many = remembered("signature many", key, lambda: _score(view, inputs))
    scored = many.table["note"] == ""
    if scored.any():
        figure(
            remembered("signature heatmap", key, lambda: charts.signature_heatmap(many.long)),
            charts.HEATMAP_CAPTION,
            "signatures_heatmap",
        )
    table = many.table if (many.table["note"] != "").any() else many.table.drop(columns="note")
    if not table["description"].astype(bool).any():
        table = table.drop(columns="description")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key=_PICKED,
        on_select=_show_picked,
        selection_mode="single-row",
        column_config={
            "found": st.column_config.NumberColumn("genes found", format="localized"),
            "genes": st.column_config.NumberColumn("of", format="localized"),
            "highest": st.column_config.TextColumn("highest in"),
            "d": st.column_config.NumberColumn("d against the rest", format="%.2f"),
        },
    )
    st.caption(f"{counted(len(table), 'signature')} of {literal(file.name)}. Choose a row to see that signature above.")
    with st.container(horizontal=True):
        st.download_button(
            "One column per signature (CSV)",
            data=lambda: "".join(wide_csv(view, many)).encode(),
            file_name="gene_signatures_wide.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "One row per signature, page and cell (CSV)",
            data=lambda: "".join(long_csv(view, many)).encode(),
            file_name="gene_signatures_long.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def _score(view: View, inputs: Inputs) -> ManySignatures:
    file = workspace().gene_sets
    assert file is not None
    bar = st.progress(0.0, text="Scoring …")
    total = len(file.sets.signatures)

    def report(share: float) -> None:
        bar.progress(min(1.0, share), text=f"Scoring {counted(total, 'signature')} … {share:.0%}")

    try:
        return score_many(
            view,
            file.sets.signatures,
            method=inputs.method,
            pages=inputs.pages,
            repeats=inputs.repeats,
            seed=inputs.seed,
            options=inputs.options,
            progress=report,
        )
    finally:
        bar.empty()


def _show_picked() -> None:
    """Show the chosen row's signature on the page."""
    rows = st.session_state[_PICKED]["selection"]["rows"]
    file = workspace().gene_sets
    if rows and file is not None and rows[0] < len(file.sets.signatures):
        st.session_state[widget_key(CHOSEN)] = file.sets.signatures[rows[0]].name
