"""Charts of the signature library: Pareto front, correlation heatmap, fractions of cell types, levels as a tree."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import palette
from cellucid_core.charts.layout import inline

TREE_CAPTION = (
    "Each box is a cell type with its cells; to its right are the types of the next level most of whose cells it holds"
)
FRONT_CAPTION = "Each point is a set of genes that no other set beats in both measures; the marked one gives the DEGs"

_DARK, _LIGHT = "#1B2226", "#FFFFFF"
_POINT, _CHOSEN = "#3A8FC7", "#E69F00"
#: Orange for opposite, white for unrelated, blue for alike: these can be told apart with every colour vision.
_DIVERGING = ["#B35806", "#F1A340", "#F7F7F7", "#67A9CF", "#0B4F8A"]
_MOST_NUMBERS = 14
_CELL, _LEAF = 26, 28
_LABEL = 190
#: Width in pixels for which the labels of a tree are cut; a wider chart only gets more space.
_TREE_WIDTH = 430
#: Share of a colour in a pale colour; the rest is white.
_PALE = 0.38


def pareto_front(front: np.ndarray, chosen: int | None = None) -> Any:
    """Draw a Pareto front.

    Parameters
    ----------
    front
        (n, 2) float: sum of absolute correlations, sum of distances, of each set of genes on the front.
    chosen
        The row that was chosen, or None.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    import altair as alt

    rows = [{"correlation": float(c), "distance": float(d), "chosen": i == chosen} for i, (c, d) in enumerate(front)]
    x = alt.X("correlation:Q", title="Sum of correlations (low is good)", scale=alt.Scale(zero=False, nice=True))
    y = alt.Y("distance:Q", title="Sum of distances (high is good)", scale=alt.Scale(zero=False, nice=True))
    tooltip = [
        alt.Tooltip("correlation:Q", format=".4~g", title="sum of correlations"),
        alt.Tooltip("distance:Q", format=".4~g", title="sum of distances"),
    ]
    line = alt.Chart(inline(alt, rows)).mark_line(color=_POINT, opacity=0.4, strokeWidth=1.5).encode(x=x, y=y)
    points = (
        alt.Chart(inline(alt, [row for row in rows if not row["chosen"]]))
        .mark_point(filled=True, color=_POINT, size=36, opacity=0.85)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    picked = (
        alt.Chart(inline(alt, [row for row in rows if row["chosen"]]))
        .mark_point(shape="diamond", filled=True, fill=_CHOSEN, stroke=_DARK, strokeWidth=1.5, size=170, opacity=1)
        .encode(x=x, y=y, tooltip=tooltip)
    )
    return _finish(alt, alt.layer(line, points, picked), 320)


def correlation_heatmap(table: pd.DataFrame, rows_title: str | None = None, columns_title: str | None = None) -> Any:
    """Draw correlations as a heatmap, orange (−1) over white (0) to blue (1), with numbers up to 14 columns.

    Parameters
    ----------
    table
        Correlations, NaN drawn as 0; the names of rows and columns are the labels, each once.
    rows_title, columns_title
        What rows and columns are.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    import altair as alt

    names, groups = [str(name) for name in table.index], [str(name) for name in table.columns]
    values = np.nan_to_num(table.to_numpy(dtype=np.float64))
    rows = [
        {"row": name, "column": group, "r": float(f"{values[i, j]:.4g}"), "strong": bool(abs(values[i, j]) > 0.6)}
        for i, name in enumerate(names)
        for j, group in enumerate(groups)
    ]
    x = alt.X(
        "column:N",
        sort=groups,
        title=columns_title,
        axis=alt.Axis(labelAngle=-40, labelLimit=_LABEL, labelOverlap=False, ticks=False, domain=False),
    )
    y = alt.Y(
        "row:N",
        sort=names,
        title=rows_title,
        axis=alt.Axis(labelLimit=_LABEL, labelOverlap=False, ticks=False, domain=False),
    )
    base = alt.Chart(inline(alt, rows)).encode(x=x, y=y)
    scale = alt.Scale(domain=[-1, -0.5, 0, 0.5, 1], range=_DIVERGING, clamp=True)
    layers = [
        base.mark_rect(stroke=_LIGHT, strokeWidth=0.5).encode(
            color=alt.Color("r:Q", scale=scale, legend=alt.Legend(title="r", gradientLength=140, tickCount=5)),
            tooltip=[
                alt.Tooltip("row:N", title=rows_title or "cell type"),
                alt.Tooltip("column:N", title=columns_title or "cell type"),
                alt.Tooltip("r:Q", format=".3f", title="correlation"),
            ],
        )
    ]
    if len(groups) <= _MOST_NUMBERS:
        layers.append(
            base.mark_text(fontSize=11).encode(
                text=alt.Text("r:Q", format=".2f"),
                color=alt.condition("datum.strong", alt.value(_LIGHT), alt.value(_DARK)),
            )
        )
    return _finish(alt, alt.layer(*layers), max(140, _CELL * len(names)))


def stacked_fractions(fractions: pd.DataFrame, colors: Mapping[str, str] | None = None) -> Any:
    """Draw the fractions of cell types per sample as stacked bars, one row per sample.

    Parameters
    ----------
    fractions
        Samples × cell types, each row summing to 1.
    colors
        Cell type → colour; by default the palette in the order of the columns.

    Returns
    -------
    altair.Chart
        As wide as its container.
    """
    import altair as alt

    types = [str(name) for name in fractions.columns]
    samples = [str(name) for name in fractions.index]
    chosen = dict(zip(types, palette(len(types)), strict=True)) | dict(colors or {})
    values = fractions.to_numpy(dtype=np.float64)
    rows = [
        {"sample": sample, "type": kind, "order": j, "fraction": float(f"{values[i, j]:.5g}")}
        for i, sample in enumerate(samples)
        for j, kind in enumerate(types)
    ]
    scale = alt.Scale(domain=types, range=[chosen[kind] for kind in types])
    legend = alt.Legend(
        title=None, orient="bottom", columns=_legend_columns(types), labelLimit=_LABEL + 60, symbolStrokeWidth=0
    )
    chart = (
        alt.Chart(inline(alt, rows))
        .mark_bar(stroke=_LIGHT, strokeWidth=0.4)
        .encode(
            x=alt.X(
                "fraction:Q",
                stack="zero",
                scale=alt.Scale(domain=[0, 1], nice=False),
                axis=alt.Axis(title="Share of cells", format="%", tickCount=5, domain=False, ticks=False),
            ),
            y=alt.Y(
                "sample:N",
                sort=samples,
                title=None,
                axis=alt.Axis(labelLimit=_LABEL, labelOverlap=False, ticks=False, domain=False),
            ),
            color=alt.Color("type:N", scale=scale, sort=types, legend=legend),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("sample:N", title="sample"),
                alt.Tooltip("type:N", title="cell type"),
                alt.Tooltip("fraction:Q", format=".1%", title="share"),
            ],
        )
    )
    return _finish(alt, chart, max(90, 24 * len(samples)))


def level_tree(levels: Sequence[tuple[str, Mapping[str, int | None]]], parents: Mapping[str, Mapping[str, str]]) -> Any:
    """Draw levels of cell types side by side, every type to the right of the type that holds it.

    Parameters
    ----------
    levels
        Name of each level, the broadest first, with its cell types and their numbers of cells (None: not known).
    parents
        Level → cell type → the type of the level before that holds it.

    Returns
    -------
    altair.LayerChart
        As wide as its container.
    """
    import altair as alt

    boxes, n_leaves = _boxes(levels, parents)
    tops = list(levels[0][1])
    colors = palette(len(tops) + 1)
    for box in boxes:
        known = box["cells"] is not None
        box["words"] = f"{box['cells']:,} cells" if known else "cells not recorded"
        box["label"] = f"{box['type']} · {box['cells']:,}" if known else box["type"]
    # Level names stand on the axis, whose text follows the theme; JSON in ASCII, so that no name can end the string.
    heads = alt.Axis(
        orient="top",
        values=list(range(len(levels))),
        labelExpr=f"{json.dumps([name for name, _ in levels])}[datum.value]",
        labelAlign="left",
        labelFontWeight="bold",
        labelLimit=int(_TREE_WIDTH / len(levels)),
        title=None,
        ticks=False,
        grid=False,
        domain=False,
    )
    x = alt.X("left:Q", scale=alt.Scale(domain=[0, len(levels)], nice=False), axis=heads)
    lines = alt.Scale(domain=[n_leaves, 0], nice=False)
    base = alt.Chart(inline(alt, boxes)).encode(
        x=x,
        tooltip=[
            alt.Tooltip("type:N", title="cell type"),
            alt.Tooltip("level:N", title="level"),
            alt.Tooltip("words:N", title="cells"),
        ],
    )
    places = list(range(len(tops) + 1))
    # Pale boxes with dark text read on a light and on a dark page.
    fill = alt.Scale(domain=places, range=[_pale(color) for color in colors])
    rects = base.mark_rect(cornerRadius=3, opacity=1, strokeWidth=1.2).encode(
        x2="right",
        y=alt.Y("top:Q", scale=lines, axis=None),
        y2="bottom",
        fill=alt.Fill("of:O", scale=fill, legend=None),
        stroke=alt.Stroke("of:O", scale=alt.Scale(domain=places, range=colors), legend=None),
    )
    labels = base.mark_text(
        align="left", dx=8, fontSize=12, color=_DARK, limit=int(_TREE_WIDTH / len(levels)) - 16
    ).encode(y=alt.Y("middle:Q", scale=lines, axis=None), text="label:N")
    return _finish(alt, alt.layer(rects, labels), max(60, _LEAF * n_leaves))


def _pale(color: str) -> str:
    """Return a colour mixed with white."""
    parts = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * _PALE):02X}" for part in parts)


def _boxes(
    levels: Sequence[tuple[str, Mapping[str, int | None]]], parents: Mapping[str, Mapping[str, str]]
) -> tuple[list[dict[str, Any]], int]:
    """Return a box per type and the number of lines: a leaf takes one line, any other type the lines of what it holds.

    Types that no type of the level before holds stand alone.
    """
    boxes: list[dict[str, Any]] = []
    free = 0

    def place(at: int, kind: str, of: int) -> tuple[int, int]:
        nonlocal free
        name, types = levels[at]
        start = free
        if at + 1 < len(levels):
            below, holders = levels[at + 1][1], parents.get(levels[at + 1][0], {})
            for child in below:
                if holders.get(child) == kind:
                    place(at + 1, child, of)
        if free == start:
            free += 1
        boxes.append(
            {
                "level": name,
                "type": kind,
                "cells": types[kind],
                "left": at + 0.01,
                "right": at + 0.985,
                "top": start + 0.06,
                "bottom": free - 0.06,
                "middle": (start + free) / 2,
                "of": of,
            }
        )
        return start, free

    for of, kind in enumerate(levels[0][1]):
        place(0, kind, of)
    for at in range(1, len(levels)):
        # Types that no type of the level before holds stand alone.
        above, holders = levels[at - 1][1], parents.get(levels[at][0], {})
        for kind in levels[at][1]:
            if holders.get(kind) not in above:
                place(at, kind, len(levels[0][1]))
    return boxes, free


def _legend_columns(types: Sequence[str]) -> int:
    """Return how many legend entries fit side by side."""
    longest = max((len(kind) for kind in types), default=1)
    return int(np.clip(400 // (7 * min(longest, 34) + 40), 1, 4))


def _finish(alt: Any, chart: Any, height: int) -> Any:
    return chart.properties(
        width="container", height=height, autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    ).configure_view(strokeWidth=0)
