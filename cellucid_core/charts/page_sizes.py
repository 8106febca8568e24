"""How many cells each page has: the chart that is shown before a gene is chosen and there are scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cellucid_core.cell_pages import Page
from cellucid_core.charts.distributions import page_colors
from cellucid_core.charts.labels import name_axis, row_step
from cellucid_core.charts.layout import SCREEN, Room, inline

_ROW = 26
PAGE_SIZES_CAPTION = "Cells in each page; these are compared"


def page_sizes(pages: Sequence[Page], *, room: Room = SCREEN) -> Any:
    """Draw a bar per page, as long as the page has cells.

    Parameters
    ----------
    pages
        In order.
    room
        What room their names have.

    Returns
    -------
    altair.LayerChart
        As wide as its container; pages are rows, in their colours.
    """
    import altair as alt

    rows = [
        {"top": i - 0.36, "bottom": i + 0.36, "zero": 0, "page": page.name, "cells": page.n, "color": color, "at": i}
        for i, (page, color) in enumerate(zip(pages, page_colors(pages), strict=True))
    ]
    scale = alt.Scale(domain=[max(len(rows), 1) - 0.5, -0.5], nice=False, zero=False)
    step = row_step([page.name for page in pages], _ROW, room)
    names = name_axis(alt, [page.name for page in pages], step=step, columns=False, room=room)
    tooltip = [alt.Tooltip("page:N", title="page"), alt.Tooltip("cells:Q", format=",", title="cells")]
    base = alt.Chart(inline(alt, rows)).encode(tooltip=tooltip)
    axis = alt.Axis(title="Cells", format=",.0f", tickMinStep=1, tickCount=6, grid=True, domain=False, ticks=False)
    bars = base.mark_rect(cornerRadius=1).encode(
        y=alt.Y("top:Q", scale=scale, axis=names),
        y2="bottom:Q",
        x=alt.X("zero:Q", axis=axis),
        x2="cells:Q",
        color=alt.Color("color:N", scale=None),
    )
    numbers = base.mark_text(align="left", dx=5, fontSize=11, color="#8C939A").encode(
        # The same axes as the bars: axes of layers are merged, and defaults here would win.
        y=alt.Y("at:Q", scale=scale, axis=names),
        x=alt.X("cells:Q", axis=axis),
        text=alt.Text("cells:Q", format=","),
    )
    size = alt.AutoSizeParams(type="fit-x", contains="padding")
    chart = alt.layer(bars, numbers).properties(width="container", height=max(len(rows), 1) * step, autosize=size)
    return chart.configure_view(strokeWidth=0)
