"""Several signatures at once: a heatmap, a table to pick from, tests, pages, and the scores as files."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import streamlit as st

from cellucid_core import charts
from cellucid_core.dataset import View
from cellucid_core.errors import CellucidError
from cellucid_core.signature import (
    ManySignatures,
    clustered,
    compare_signatures,
    long_csv,
    pages_of_highest,
    score_many,
    shared_prefix,
    wide_csv,
    wide_parquet,
)
from pages.session.figure import figure
from pages.session.state import counted, kept, literal, show_error, widget_key, workspace
from pages.signature.gene_box import CHOSEN
from pages.signature.inputs import Inputs
from pages.signature.new_page import add_pages
from pages.widgets.remembered import remembered

_PICKED = "several_picked"


def show_several(view: View, inputs: Inputs) -> None:
    """Draw all open gene sets, scored; a click on one shows it above.

    Raises
    ------
    CellucidError
        If the dataset has no expression matrix, or an option of the method makes no sense.
    """
    file = workspace().gene_sets
    if file is None:
        st.info(
            "Open gene sets with **From a file** or **Ready sets**, under the genes: all of them are scored in one "
            "pass and compared here.",
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
    called = {page.name: page.label for page in many.pages}
    prefix = shared_prefix([one.name for one in many.signatures])
    if (many.table["note"] == "").any():
        _show_heatmap(many, called, prefix, key)
    table = many.table if (many.table["note"] != "").any() else many.table.drop(columns="note")
    if not table["description"].astype(bool).any():
        table = table.drop(columns="description")
    table = table.assign(highest=table["highest"].replace(called))
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
    _show_comparison(view, many, inputs, called, key)
    _offer_pages(view, many)
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
        st.download_button(
            "Cells × signatures (Parquet)",
            data=lambda: wide_parquet(view, many),
            file_name="gene_signatures.parquet",
            mime="application/vnd.apache.parquet",
            icon=":material/download:",
            on_click="ignore",
        )


def _show_heatmap(many: ManySignatures, called: dict[str, str], prefix: str, key: Hashable) -> None:
    with st.container(horizontal=True):
        ordered = st.toggle("Order by similarity", value=True, **kept("several_ordered"))
        standardized = st.toggle(
            "Z-score each signature",
            value=True,
            **kept("several_standardized"),
            help="Over the pages; changes only the colours.",
        )

    def draw(room: charts.Room) -> Any:
        long = clustered(many.long) if ordered else many.long
        long = long.assign(page=long["page"].replace(called), signature=long["signature"].str.removeprefix(prefix))
        return charts.signature_heatmap(long, standardized=standardized, room=room)

    caption = charts.HEATMAP_CAPTION if standardized else charts.MEANS_CAPTION
    left_away = f" · the common beginning of the names, {prefix}, is left out" if prefix else ""
    figure(draw, caption + left_away, "signatures_heatmap", made_of=(key, ordered, standardized))


def _show_comparison(view: View, many: ManySignatures, inputs: Inputs, called: dict[str, str], key: Hashable) -> None:
    """Draw the tests of every signature in every page against all other cells, computed on request."""
    with st.expander("Every signature in every page, tested", icon=":material/table_rows:"):
        if not inputs.pages:
            st.caption("Choose pages to compare them.")
            return
        unit = inputs.sample_key or "cell"
        if not st.toggle("Test them", **kept("several_tested"), help=f"Each page against all other cells, by {unit}."):
            return
        table = remembered(
            "signature many tests",
            (key, inputs.sample_key, inputs.p_adjust),
            lambda: compare_signatures(view, many, sample_key=inputs.sample_key, p_adjust=inputs.p_adjust),
        )
        how = st.column_config.NumberColumn
        st.dataframe(
            table.drop(columns="unit").assign(page=table["page"].replace(called)),
            hide_index=True,
            width="stretch",
            column_config={
                "d": how(format="%.2f", help="Cohen's d against all other cells, over cells."),
                "p_value": how("p", format="%.2g"),
                "p_adjusted": how("adjusted p", format="%.2g"),
            },
        )
        paired = "; paired where a sample is on both sides" if inputs.sample_key else ""
        st.caption(f"Welch's t by {literal(unit)}{paired}. All rows are adjusted together.")


def _offer_pages(view: View, many: ManySignatures) -> None:
    """Draw the button that makes a page for each signature, of the cells in which it is the highest."""
    if note := st.session_state.pop("several_note", ""):
        st.info(literal(note), icon=":material/info:")
    with st.expander("Pages: which signature is highest in each cell", icon=":material/add:"):
        standardized = st.toggle(
            "Z-score each signature over the cells first",
            value=many.method not in ("ucell", "aucell"),
            **kept("several_highest"),
            help="Off where all signatures are scored on one scale (UCell, AUCell).",
        )
        if not st.button("Make the pages", icon=":material/add:"):
            return
        try:
            made = pages_of_highest(view, many, standardized=standardized)
        except CellucidError as error:
            show_error(error)
            return
        add_pages(made.pages)
        for note in made.notes:
            st.session_state["several_note"] = note
        st.rerun()


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
    """Make the signature of the chosen row the one that the page shows."""
    rows = st.session_state[_PICKED]["selection"]["rows"]
    file = workspace().gene_sets
    if rows and file is not None and rows[0] < len(file.sets.signatures):
        st.session_state[widget_key(CHOSEN)] = file.sets.signatures[rows[0]].name
