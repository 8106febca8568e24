"""The sidebar: which dataset is open and how preflight judges it, on every page."""

from __future__ import annotations

import streamlit as st

from cellucid_core.errors import CellucidError
from pages.opening.findings import light_badge
from pages.session.changes import pending_change
from pages.session.state import counted, literal, show_error, workspace


def draw_sidebar() -> None:
    """Draw the dataset card."""
    work = workspace()
    with st.sidebar, st.container(border=True):
        if work.dataset is None:
            st.caption("No dataset is open. Upload one or open the demo on the start page.")
            return
        st.markdown(f"**{literal(work.dataset.name)}**")
        try:
            st.markdown(light_badge())
            view = work.view
            dimensions = ", ".join(f"{d}D" for d in view.dimensions) or "none"
            st.caption(f"{counted(view.n_cells, 'cell')} · {counted(view.n_genes, 'gene')}  \nEmbedding: {dimensions}")
        except CellucidError as error:
            show_error(error)
        if pending_change() is not None:
            st.caption(":material/hourglass_top: A change is being computed")
        if work.fixes:
            st.caption(f"{len(work.fixes)} fix{'es' if len(work.fixes) > 1 else ''} applied")
