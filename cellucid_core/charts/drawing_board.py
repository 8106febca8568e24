"""The embedding as a board to draw on: an ECharts option whose brush gives boxes and lassos in data coordinates.

Vega-Lite has no lasso. The cells inside a drawn area are found elsewhere, among all cells (`page_from_drawing`), so
the picture may be coarse: above 20,000 cells it shows one mark per tile of a grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import REST_COLOR, Page
from cellucid_core.charts.embedding import MAX_POINTS

_BINS = 140
_TOOLS_ROOM = 36
_MARGIN = 2


def drawing_board(xy: np.ndarray, pages: Sequence[Page] = (), *, axes: str = "", size: int = 500) -> dict[str, Any]:
    """Return the ECharts option of a chart on which cells can be encircled.

    Parameters
    ----------
    xy
        (n_cells, 2) coordinates; cells without finite ones are not drawn.
    pages
        Pages whose colours the cells have; a cell in several has that of the last, other cells are grey. There is no
        legend: names of any length are better read beside the chart.
    axes
        Name of the embedding, for screen readers.
    size
        Side of the plot in pixels: it is square and both axes have the same scale.

    Returns
    -------
    dict
        For `streamlit.echarts_chart` of width `size` and height `board_height(size)`; tables are data frames.
    """
    group = np.full(len(xy), -1, dtype=np.int64)
    for i, page in enumerate(pages):
        group[page.cells] = i
    drawn = np.isfinite(xy).all(axis=1)
    points, group = np.asarray(xy[drawn], dtype=np.float64), group[drawn]
    start, length = _square(points)
    many = len(points) > MAX_POINTS
    if many:
        points, group = _tiles(points, group, len(pages), start, length)
    names = ["other cells", *(page.name for page in pages)]
    colors = [REST_COLOR, *(page.color or REST_COLOR for page in pages)]
    present = [i for i in range(-1, len(pages)) if (group == i).any()]
    mark = {"symbol": "rect", "symbolSize": size / _BINS + 0.6} if many else {"symbolSize": _point_size(len(points))}
    axis = {"show": False, "type": "value"}
    return {
        "animation": False,
        "dataset": [{"source": pd.DataFrame(points[group == i], columns=["x", "y"])} for i in present],
        "series": [
            {
                "type": "scatter",
                "name": names[i + 1],
                "datasetIndex": place,
                "encode": {"x": "x", "y": "y"},
                "itemStyle": {"color": colors[i + 1], "opacity": 0.85},
                "silent": True,
                # The brush looks at every mark; drawn progressively, some would be hidden from it.
                "progressive": 0,
                **mark,
            }
            for place, i in enumerate(present)
        ],
        "grid": {"left": _MARGIN, "right": _MARGIN, "top": _TOOLS_ROOM, "bottom": _MARGIN},
        "xAxis": {**axis, "min": start[0], "max": start[0] + length},
        "yAxis": {**axis, "min": start[1], "max": start[1] + length},
        "legend": {"show": False},
        "tooltip": {"show": False},
        "toolbox": {
            "left": 0,
            "top": 2,
            "itemSize": 20,
            "itemGap": 14,
            "iconStyle": {"borderWidth": 1.6},
            "feature": {
                "brush": {
                    "type": ["polygon", "rect", "keep", "clear"],
                    "title": {"polygon": "Lasso", "rect": "Box", "keep": "Several areas", "clear": "Start again"},
                }
            },
        },
        "brush": {
            "xAxisIndex": "all",
            "throttleType": "debounce",
            "throttleDelay": 30,
            "inBrush": {"opacity": 1},
            "outOfBrush": {"opacity": 0.15},
            "brushStyle": {"borderWidth": 2, "color": "rgba(28, 110, 117, 0.12)", "borderColor": "#2b8a92"},
        },
        "aria": {"label": {"description": f"Cells on {axes or 'the embedding'}, to draw around"}},
    }


def board_height(size: int) -> int:
    """Return the height in pixels at which a board's plot is square."""
    return size + _TOOLS_ROOM - _MARGIN


def _square(points: np.ndarray) -> tuple[list[float], float]:
    """Return the lower left corner and the side length of a square around all points, with a margin."""
    if len(points) == 0:
        return [0.0, 0.0], 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    length = float((high - low).max()) * 1.04 or 1.0
    return ((low + high) / 2 - length / 2).tolist(), length


def _point_size(n: int) -> float:
    return float(np.clip(240 / np.sqrt(max(n, 1)), 2.5, 9))


def _tiles(
    points: np.ndarray, group: np.ndarray, n_groups: int, start: list[float], length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the centres of the tiles that hold cells, and the group that most cells of each have."""
    column, row = np.minimum(((points - start) / length * _BINS).astype(np.int64), _BINS - 1).T
    of = (row * _BINS + column) * (n_groups + 1) + group + 1
    counts = np.bincount(of, minlength=_BINS * _BINS * (n_groups + 1)).reshape(_BINS * _BINS, n_groups + 1)
    full = np.flatnonzero(counts.any(axis=1))
    centres = np.column_stack([full % _BINS, full // _BINS]) + 0.5
    return centres / _BINS * length + start, counts[full].argmax(axis=1) - 1
