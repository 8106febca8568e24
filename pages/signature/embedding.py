"""The cells of a run on the embedding."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from cellucid_core import charts
from cellucid_core.dataset import View
from cellucid_core.signature import SignatureRun
from pages.session.figure import figure
from pages.session.state import kept, widget_key
from pages.widgets.remembered import remembered
from pages.widgets.rotating_cloud import draw_cloud
from pages.widgets.style import PAIR

#: Ways to show the cells on the embedding; the option "No page", which is no page's name.
_FLAT, _TURNING, _NO_OUTLINE = ("Score and pages", "Score"), "In 3D", "\x1f"


def show_embedding(view: View, run: SignatureRun, key: Hashable) -> None:
    """Draw the cells coloured by their score, beside their pages if chosen, or as a turning cloud in 3D.

    Parameters
    ----------
    key
        The key of the run, see `pages.gene_signature.run_key`.
    """
    flat = 2 if 2 in view.dimensions else 1 if 1 in view.dimensions else None
    kinds = [*(_FLAT if flat == 2 else _FLAT[1:] if flat else []), *([_TURNING] if 3 in view.dimensions else [])]
    if not kinds:
        st.info("There is no embedding to draw on.", icon=":material/scatter_plot:")
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    if st.session_state.get(widget_key("embedding_shown"), kinds[0]) not in kinds:  # its embedding is gone
        del st.session_state[widget_key("embedding_shown")]
    kind = left.segmented_control("Show", kinds, default=kinds[0], **kept("embedding_shown"), required=True)
    pages = {page.name: page for page in run.spoken}
    outline = None
    if flat == 2 and kind != _TURNING:
        name = right.selectbox(
            "Outline",
            [_NO_OUTLINE, *pages],
            format_func=lambda name: "No page" if name == _NO_OUTLINE else name,
            key=widget_key("outline"),
            help="The line around the densest places that hold 80 % of a page's cells.",
        )
        outline = pages.get(name)
    if kind == _TURNING:
        made = remembered(
            "signature cloud", key, lambda: charts.point_cloud(view.embedding(3), run.raw, categorical=False)
        )
        draw_cloud(made, run.title)
        return

    def draw(room: charts.Room) -> Any:
        assert flat is not None
        xy = view.embedding(flat)
        if kind != _FLAT[0]:
            return charts.embedding(xy, run.raw, run.title, outline=outline, room=room)
        codes = np.full(view.n_cells, -1)
        for code, page in enumerate(run.spoken):
            codes[page.cells] = code
        groups = pd.Series(pd.Categorical.from_codes(codes, pd.Index(list(pages))))
        colors = {page.name: page.color for page in run.spoken if page.color}
        return charts.embedding_pair(
            xy, [(run.title, run.raw), ("page", groups)], colors=colors, outline=outline, room=room
        )

    colours = tuple(page.color for page in run.spoken)
    alone = f"; {charts.LEGEND_CAPTION}" if kind == _FLAT[0] else ""
    with st.container(key=PAIR if kind == _FLAT[0] else None):
        figure(
            draw,
            f"Each cell at its place. {charts.EMBEDDING_CAPTION}{alone}",
            "signature_embedding",
            made_of=(key, kind, outline and outline.name, colours),
        )
