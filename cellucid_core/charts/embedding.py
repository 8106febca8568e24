"""The embedding coloured by a score or by groups: a point per cell, or a grid of means where there are many cells."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page, palette
from cellucid_core.charts.density import density_contour
from cellucid_core.charts.labels import legend_labels
from cellucid_core.charts.layout import SCREEN, Room, inline
from cellucid_core.errors import InputError

#: Above this many cells the embedding is binned before it is sent to the browser.
MAX_POINTS = 20_000
#: Bins along each side.
_BINS = 150
#: Blue to yellow with growing lightness, as viridis, without the ends that cannot be seen on dark or on light.
SEQUENTIAL = ("#5B5AA5", "#3E7CB1", "#2A9D8F", "#57B86B", "#A6CF4A", "#E6D52E")
NO_VALUE = "#9AA0A6"
NO_VALUE_NAME = "no value"
_MOST_IN_LEGEND = 60
#: Share of a chart's width that a legend may take up, so that it also fits below one of two plots.
_HALF = 0.68
_LEGEND_LETTERS = 28
#: Multiples of the golden ratio, modulo 1, spread evenly: a shuffle without a seed.
_GOLDEN = 0.6180339887498949
#: The wheel alone scrolls the page that the plot stands on; a pinch on a touchpad arrives as a wheel with Ctrl.
_WHEEL = "wheel![event.ctrlKey || event.metaKey]"
EMBEDDING_CAPTION = "Drag to move, Ctrl + wheel or pinch to zoom, double click to go back"
LEGEND_CAPTION = "click a name in the legend to see it alone"


def embedding(
    xy: np.ndarray,
    values: np.ndarray | pd.Series | Sequence[Any],
    title: str,
    *,
    colors: Mapping[str, str] | None = None,
    categorical: bool | None = None,
    axes: tuple[str, str] | None = None,
    size: int = 440,
    outline: Page | None = None,
    room: Room = SCREEN,
) -> Any:
    """Draw cells on an embedding.

    Parameters
    ----------
    xy
        (n_cells,), (n_cells, 1) or (n_cells, 2) coordinates; for a 3D embedding the two axes to show. With one
        coordinate, numbers are drawn against it and groups are spread out in height.
    values
        (n_cells,) numbers, or groups.
    title
        What the colour means.
    colors
        Group → colour, in the order of the legend; by default the palette over the groups in order.
    categorical
        Whether values are groups; None decides by their type.
    axes
        Names of the two axes.
    size
        Height of the plot in pixels; it is as wide as its container, and both axes have the same scale.
    outline
        A page whose outline (`density_contour`) is drawn over the cells, where there are two coordinates.
    room
        What room names have; a narrower chart is less high.

    Returns
    -------
    altair.Chart or altair.LayerChart
        It can be moved and zoomed, and a click on a group in the legend greys out the others. One point per cell up to
        20,000 cells, the highest on top; above, a grid whose tiles show the mean, or the most frequent group, of their
        cells.

    Raises
    ------
    InputError
        There are not one or two coordinates and one value per cell.
    """
    import altair as alt

    drawn = _prepare(xy, values, title, colors, categorical, room)
    scales = _equal_scales(alt, drawn.domains) if drawn.equal else _plain_scales(alt, drawn.domains)
    chart = _unit(alt, drawn, axes, scales, size).add_params(_zoom(alt))
    if drawn.equal and outline is not None:
        chart = _outlined(alt, chart, xy, outline, scales)
    return chart.properties(
        width="container",
        height=round(size * room.width / SCREEN.width),
        # The legend stands below and must not take from the plot's height.
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    ).configure_view(strokeWidth=0)


def embedding_pair(
    xy: np.ndarray,
    values: Sequence[tuple[str, np.ndarray | pd.Series]],
    *,
    colors: Mapping[str, str] | None = None,
    size: int = 300,
    outline: Page | None = None,
    room: Room = SCREEN,
) -> Any:
    """Draw cells on an embedding once per set of values, side by side; moving or zooming one plot does so in all.

    Parameters
    ----------
    xy
        (n_cells, 2) coordinates.
    values
        For each plot: what its colours mean, and (n_cells,) numbers or groups.
    colors, outline, room
        As of `embedding`; colours are those of groups.
    size
        Width and height of each plot in pixels.

    Returns
    -------
    altair.HConcatChart
        Points or tiles as `embedding` draws them.

    Raises
    ------
    InputError
        There are not two coordinates and one value per cell.
    """
    import altair as alt

    if np.ndim(xy) != 2 or np.shape(xy)[1] != 2:
        raise InputError("Plots side by side need two coordinates.")
    # One selection that belongs to all plots links them.
    warnings.filterwarnings("ignore", message="Automatically deduplicated selection")
    zoom = _zoom(alt)
    shared = Room(room.width / len(values), whole=True) if room.whole else room
    plots: list[Any] = []
    for title, column in values:
        drawn = _prepare(xy, column, title, colors, None, shared)
        scales = _plain_scales(alt, drawn.domains)
        chart = _unit(alt, drawn, None, scales, size, f"isolate_{len(plots)}").add_params(zoom)
        if outline is not None:
            chart = _outlined(alt, chart, xy, outline, scales)
        plots.append(chart.properties(width=size, height=size))
    return (
        alt.hconcat(*plots, spacing=16, autosize="pad")
        .resolve_scale(color="independent")
        .resolve_legend(color="independent")
        .configure_view(strokeWidth=0)
    )


@dataclass(frozen=True)
class _Drawn:
    """What is drawn: rows of points, or of tiles where ``tiled``; ``groups`` are empty for numbers."""

    rows: list[dict[str, Any]]
    tiled: bool
    domains: tuple[list[float], list[float]]
    title: str
    groups: list[str]
    colors: Mapping[str, str] | None
    n_cells: int
    equal: bool
    room: Room


def _prepare(
    xy: np.ndarray,
    values: np.ndarray | pd.Series | Sequence[Any],
    title: str,
    colors: Mapping[str, str] | None,
    categorical: bool | None,
    room: Room,
) -> _Drawn:
    """Turn cells into points or tiles."""
    xy = np.asarray(xy, dtype=np.float64)
    xy = xy[:, None] if xy.ndim == 1 else xy
    column = pd.Series(values)
    if xy.ndim != 2 or xy.shape[1] not in (1, 2) or len(xy) != len(column):
        raise InputError("An embedding plot needs one or two coordinates and one value per cell.")
    groups, numbers = read_values(column, colors, categorical)
    equal = xy.shape[1] == 2
    if not equal:
        spread = np.modf(np.arange(1, len(xy) + 1) * _GOLDEN)[0] if groups else np.nan_to_num(numbers)
        xy = np.column_stack([xy[:, 0], spread])
    kept = np.isfinite(xy).all(axis=1)
    xy, numbers = xy[kept], numbers[kept]
    domains = _domains(xy, equal=equal)
    tiled = len(xy) > MAX_POINTS
    rows = _tiles(xy, numbers, groups, domains) if tiled else _points(xy, numbers, groups)
    return _Drawn(rows, tiled, domains, title, groups, colors, len(xy), equal, room)


def read_values(
    values: np.ndarray | pd.Series | Sequence[Any], colors: Mapping[str, str] | None, categorical: bool | None
) -> tuple[list[str], np.ndarray]:
    """Return the groups in the order of the legend (empty for numbers), and each cell's place among them or number.

    The second is (n_cells,) float64, NaN for a cell without a value.

    Parameters
    ----------
    values, colors, categorical
        As of `embedding`.
    """
    column = pd.Series(values)
    if categorical is None:
        numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        categorical = not numeric
    if categorical:
        groups, codes = _codes(column, colors)
        return groups, np.where(codes < 0, np.nan, codes)
    numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return [], np.where(np.isfinite(numbers), numbers, np.nan)


def group_shades(groups: list[str], colors: Mapping[str, str] | None) -> list[str]:
    """Return the colour of each group: its own from `colors`, or one of the palette."""
    spare = palette(len(groups))
    return [(colors or {}).get(name, spare[i]) for i, name in enumerate(groups)]


def _codes(column: pd.Series, colors: Mapping[str, str] | None) -> tuple[list[str], np.ndarray]:
    """Return group names in legend order and each cell's group, −1 for none."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = [str(c) for c in column.cat.categories]
        codes = column.cat.codes.to_numpy(dtype=np.int64)
    else:
        codes, found = pd.factorize(column)
        names = [str(value) for value in found]
    order = (
        list(colors)
        if colors is not None
        else (names if isinstance(column.dtype, pd.CategoricalDtype) else sorted(set(names)))
    )
    order += [name for name in dict.fromkeys(names) if name not in set(order)]
    place = {name: i for i, name in enumerate(order)}
    table = np.array([*(place[name] for name in names), -1], dtype=np.int64)
    codes = table[codes]
    # A group without cells is left out of the legend; every other group keeps its colour.
    present = np.unique(codes[codes >= 0])
    new = np.full(len(order) + 1, -1, dtype=np.int64)
    new[present] = np.arange(len(present))
    return [order[i] for i in present], new[codes]


def _domains(xy: np.ndarray, *, equal: bool) -> tuple[list[float], list[float]]:
    """Return the shown ranges of both axes; with `equal` they have the same length."""
    if len(xy) == 0:
        return [0.0, 1.0], [0.0, 1.0]
    low, high = xy.min(axis=0), xy.max(axis=0)
    length = np.where(high > low, high - low, 1.0)
    if equal:
        length = np.full(2, length.max())
    middle = (low + high) / 2
    bounds = np.column_stack([middle - 0.515 * length, middle + 0.515 * length])
    return bounds[0].tolist(), bounds[1].tolist()


def _points(xy: np.ndarray, numbers: np.ndarray, groups: list[str]) -> list[dict[str, Any]]:
    """Return one row per cell: cells without a value first, then numbers ascending, so that the highest is on top."""
    if groups:
        # A fixed shuffle: neither the first nor the last group covers the others.
        order = np.argsort(np.modf(np.arange(len(xy)) * _GOLDEN)[0], kind="stable")
        order = order[np.argsort(~np.isnan(numbers[order]), kind="stable")]
    else:
        order = np.argsort(np.where(np.isnan(numbers), -np.inf, numbers), kind="stable")
    x, y = (np.round(xy[order, i], 4).tolist() for i in (0, 1))
    return [{"x": a, "y": b, "value": v} for a, b, v in zip(x, y, _shown(numbers[order], groups), strict=True)]


def _tiles(
    xy: np.ndarray, numbers: np.ndarray, groups: list[str], domains: tuple[list[float], list[float]]
) -> list[dict[str, Any]]:
    """Return one row per tile that holds cells, with the mean of their finite values or the most frequent group."""
    start = np.array([domains[0][0], domains[1][0]])
    tile = (np.array([domains[0][1], domains[1][1]]) - start) / _BINS
    column, row = np.minimum(((xy - start) / tile).astype(np.int64), _BINS - 1).T
    where = row * _BINS + column
    cells = np.bincount(where, minlength=_BINS * _BINS)
    known = ~np.isnan(numbers)
    if groups:
        pairs, counts = np.unique(where[known] * len(groups) + numbers[known].astype(np.int64), return_counts=True)
        shown = np.full(_BINS * _BINS, np.nan)
        # In order of count, and of equal counts the earlier group last: the last one written stays.
        order = np.lexsort((-pairs, counts))
        shown[pairs[order] // len(groups)] = pairs[order] % len(groups)
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            shown = np.bincount(where[known], weights=numbers[known], minlength=_BINS * _BINS) / np.bincount(
                where[known], minlength=_BINS * _BINS
            )
    full = np.flatnonzero(cells)
    left, low = start[0] + full % _BINS * tile[0], start[1] + full // _BINS * tile[1]
    # Tiles overlap a little, so that no seams show between them.
    columns = (left, left + 1.2 * tile[0], low, low + 1.2 * tile[1])
    corners = (np.round(values, 4).tolist() for values in columns)
    return [
        {"x": a, "x2": b, "y": c, "y2": d, "value": v, "cells": k}
        for a, b, c, d, v, k in zip(*corners, _shown(shown[full], groups), cells[full].tolist(), strict=True)
    ]


def _shown(numbers: np.ndarray, groups: list[str]) -> list[Any]:
    """Return the value that each mark shows: a group's name, a number of five digits, or None."""
    if groups:
        return [NO_VALUE_NAME if np.isnan(v) else groups[int(v)] for v in numbers]
    return [None if np.isnan(v) else float(f"{v:.5g}") for v in numbers]


def _unit(
    alt: Any, drawn: _Drawn, axes: tuple[str, str] | None, scales: list[Any], size: int, isolate: str = "isolate"
) -> Any:
    """Return the marks, with the legend in which a group can be clicked."""

    def axis(i: int) -> Any:
        return alt.Axis(
            title=axes[i] if axes else None, labels=False, ticks=False, grid=False, domain=False, titlePadding=4
        )

    x, y = alt.X("x:Q", axis=axis(0), scale=scales[0]), alt.Y("y:Q", axis=axis(1), scale=scales[1])
    base = alt.Chart(inline(alt, drawn.rows))
    kind = "nominal" if drawn.groups else "quantitative"
    if not drawn.tiled:
        # Points shrink with their number, so that a few can be seen and many do not merge.
        area = float(np.clip(90_000 / max(drawn.n_cells, 1), 9, 60)) * min(1.0, size / 440)
        solid = 0.85
        chart = base.mark_circle(size=area, opacity=solid, strokeWidth=0, clip=True).encode(x=x, y=y)
        tooltip = [alt.Tooltip("value", type=kind, title="value")]
    else:
        solid = 1.0
        chart = base.mark_rect(strokeWidth=0, clip=True).encode(x=x, y=y, x2="x2", y2="y2")
        tooltip = [
            alt.Tooltip("value", type=kind, title="most" if drawn.groups else "mean"),
            alt.Tooltip("cells:Q", format=",", title="cells"),
        ]
    color = _color(alt, drawn)
    if not drawn.groups:
        return chart.encode(color=color, tooltip=tooltip)
    chosen = alt.selection_point(name=isolate, fields=["value"], bind="legend")
    return chart.add_params(chosen).encode(
        color=alt.condition(chosen, color, alt.value(NO_VALUE)),
        opacity=alt.condition(chosen, alt.value(solid), alt.value(0.15)),
        tooltip=tooltip,
    )


def _zoom(alt: Any) -> Any:
    return alt.selection_interval(name="zoom", bind="scales", zoom=_WHEEL)


def _outlined(alt: Any, chart: Any, xy: np.ndarray, page: Page, scales: list[Any]) -> Any:
    """Put the outline of a page's cells over a chart, with a light line below it so that it shows on its own colour."""
    lines = density_contour(np.asarray(xy, dtype=np.float64)[page.cells])
    rows = [
        {"x": float(f"{a:.5g}"), "y": float(f"{b:.5g}"), "line": number, "at": at, "page": page.name}
        for number, line in enumerate(lines)
        for at, (a, b) in enumerate(line)
    ]
    base = alt.Chart(inline(alt, rows)).encode(
        x=alt.X("x:Q", scale=scales[0]),
        y=alt.Y("y:Q", scale=scales[1]),
        detail="line:N",
        order="at:Q",
    )
    halo = base.mark_line(color="#FFFFFF", strokeWidth=4, opacity=0.9, clip=True)
    line = base.mark_line(color=page.color or NO_VALUE, strokeWidth=2, clip=True).encode(
        tooltip=[alt.Tooltip("page:N", title="outline of")]
    )
    return alt.layer(chart, halo, line)


def _plain_scales(alt: Any, domains: tuple[list[float], list[float]]) -> list[Any]:
    return [alt.Scale(domain=domain, nice=False, zero=False) for domain in domains]


def _equal_scales(alt: Any, domains: tuple[list[float], list[float]]) -> list[Any]:
    """Return scales on which one unit is as long in x as in y, however wide the page makes the plot."""
    scales = []
    for domain, ratio in zip(domains, ("width / height", "height / width"), strict=True):
        middle, half = (domain[0] + domain[1]) / 2, (domain[1] - domain[0]) / 2
        low, high = (alt.ExprRef(f"{middle} {sign} {half} * max(1, {ratio})") for sign in "-+")
        scales.append(alt.Scale(domainMin=low, domainMax=high, nice=False, zero=False))
    return scales


def _color(alt: Any, drawn: _Drawn) -> Any:
    """Return the colour encoding with its legend."""
    groups, whole = drawn.groups, drawn.room.whole
    title_limit = 0 if whole else 300
    if not groups:
        legend = alt.Legend(
            title=drawn.title,
            titleLimit=title_limit,
            gradientLength=min(220, 0.8 * drawn.room.width),
            gradientThickness=10,
            orient="bottom",
        )
        scale = alt.Scale(range=list(SEQUENTIAL), interpolate="lab", nice=False, zero=False)
        return alt.condition(
            "isValid(datum.value)", alt.Color("value:Q", scale=scale, legend=legend), alt.value(NO_VALUE)
        )
    shown = group_shades(groups, drawn.colors)
    names = list(groups)
    if any(row["value"] == NO_VALUE_NAME for row in drawn.rows) and NO_VALUE_NAME not in names:
        names.append(NO_VALUE_NAME)
        shown.append(NO_VALUE)
    labels, letters = legend_labels(names, _LEGEND_LETTERS, drawn.room)
    legend = alt.Legend(
        title=drawn.title,
        titleLimit=title_limit,
        orient="bottom",
        symbolOpacity=1,
        symbolSize=90,
        symbolType="circle",
        symbolStrokeWidth=0,
        symbolLimit=0,
        labelLimit=0,
        labelExpr=f"{json.dumps(dict(zip(names, labels, strict=True)))}[datum.value]",
        # As many columns as fit below one of two plots with the longest label.
        columns=int(np.clip(_HALF * drawn.room.width // (7 * letters + 30), 1 if whole else 2, 6)),
    )
    return alt.Color(
        "value:N",
        scale=alt.Scale(domain=names, range=shown),
        sort=None,
        legend=legend if len(names) <= _MOST_IN_LEGEND else None,
    )
