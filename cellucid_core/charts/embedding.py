"""The embedding coloured by a score or by groups: points for some cells, a grid of means for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import palette
from cellucid_core.charts.layout import inline
from cellucid_core.errors import InputError

#: Above this many cells the embedding is binned before it is sent to the browser.
MAX_POINTS = 20_000
#: Bins along the longer side.
_BINS = 150
#: Blue to yellow by lightness, as viridis, without the ends that vanish on a dark or on a light background.
SEQUENTIAL = ("#5B5AA5", "#3E7CB1", "#2A9D8F", "#57B86B", "#A6CF4A", "#E6D52E")
NO_VALUE = "#9AA0A6"
_NO_VALUE_NAME = "no value"
_MOST_IN_LEGEND = 60
_GOLDEN = 0.6180339887498949


def embedding(
    xy: np.ndarray,
    values: np.ndarray | pd.Series | Sequence[Any],
    title: str,
    *,
    colors: Mapping[str, str] | None = None,
    categorical: bool | None = None,
    axes: tuple[str, str] | None = None,
    size: int = 440,
) -> Any:
    """Draw cells on an embedding.

    Parameters
    ----------
    xy
        (n_cells, 1 or 2) coordinates; of a 3D embedding the two axes to show. With one, numbers are drawn against it
        and groups are spread out in height.
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

    Returns
    -------
    altair.Chart
        One point per cell up to 20,000 cells, the highest on top; above, a grid whose tiles show the mean, or the most
        frequent group, of their cells.

    Raises
    ------
    InputError
        Coordinates and values do not belong together.
    """
    xy = np.asarray(xy, dtype=np.float64)
    xy = xy[:, None] if xy.ndim == 1 else xy
    column = pd.Series(values)
    if xy.ndim != 2 or xy.shape[1] not in (1, 2) or len(xy) != len(column):
        raise InputError("An embedding plot needs one or two coordinates and one value per cell.")
    if categorical is None:
        numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        categorical = not numeric
    if categorical:
        groups, codes = _codes(column, colors)
        numbers = codes.astype(np.float64)
        numbers[codes < 0] = np.nan
    else:
        groups = []
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        numbers = np.where(np.isfinite(numbers), numbers, np.nan)
    equal = xy.shape[1] == 2
    if not equal:
        spread = np.modf(np.arange(1, len(xy) + 1) * _GOLDEN)[0] if categorical else np.nan_to_num(numbers)
        xy = np.column_stack([xy[:, 0], spread])
    kept = np.isfinite(xy).all(axis=1)
    xy, numbers = xy[kept], numbers[kept]
    domains = _domains(xy, equal=equal)
    if len(xy) <= MAX_POINTS:
        rows = _points(xy, numbers, groups)
        return _chart(rows, None, domains, title, groups, colors, axes, size, len(xy), equal=equal)
    rows = _tiles(xy, numbers, groups, domains)
    return _chart(rows, _BINS, domains, title, groups, colors, axes, size, len(xy), equal=equal)


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
    # A group without cells here stays out of the legend, while every colour stays with its group.
    present = np.unique(codes[codes >= 0])
    new = np.full(len(order) + 1, -1, dtype=np.int64)
    new[present] = np.arange(len(present))
    return [order[i] for i in present], new[codes]


def _domains(xy: np.ndarray, *, equal: bool) -> tuple[list[float], list[float]]:
    """Return the shown ranges of both axes: with `equal`, of the same length around the middle."""
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
    """One row per cell; cells without a value first, then the lowest, so that the highest is not covered."""
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
    """One row per tile of the grid that holds cells: mean of the finite values, or the most frequent group."""
    start = np.array([domains[0][0], domains[1][0]])
    tile = (np.array([domains[0][1], domains[1][1]]) - start) / _BINS
    column, row = np.minimum(((xy - start) / tile).astype(np.int64), _BINS - 1).T
    where = row * _BINS + column
    cells = np.bincount(where, minlength=_BINS * _BINS)
    known = ~np.isnan(numbers)
    if groups:
        pairs, counts = np.unique(where[known] * len(groups) + numbers[known].astype(np.int64), return_counts=True)
        shown = np.full(_BINS * _BINS, np.nan)
        # Ascending counts, and of equal ones the earlier group last: the last one written stays.
        order = np.lexsort((-pairs, counts))
        shown[pairs[order] // len(groups)] = pairs[order] % len(groups)
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            shown = np.bincount(where[known], weights=numbers[known], minlength=_BINS * _BINS) / np.bincount(
                where[known], minlength=_BINS * _BINS
            )
    full = np.flatnonzero(cells)
    left, low = start[0] + full % _BINS * tile[0], start[1] + full // _BINS * tile[1]
    # Tiles overlap a little, or the seams between them would show.
    columns = (left, left + 1.2 * tile[0], low, low + 1.2 * tile[1])
    corners = (np.round(values, 4).tolist() for values in columns)
    return [
        {"x": a, "x2": b, "y": c, "y2": d, "value": v, "cells": k}
        for a, b, c, d, v, k in zip(*corners, _shown(shown[full], groups), cells[full].tolist(), strict=True)
    ]


def _shown(numbers: np.ndarray, groups: list[str]) -> list[Any]:
    """Return what a mark says: a group's name, a number, or None."""
    if groups:
        return [_NO_VALUE_NAME if np.isnan(v) else groups[int(v)] for v in numbers]
    return [None if np.isnan(v) else float(f"{v:.5g}") for v in numbers]


def _chart(
    rows: list[dict[str, Any]],
    bins: int | None,
    domains: tuple[list[float], list[float]],
    title: str,
    groups: list[str],
    colors: Mapping[str, str] | None,
    axes: tuple[str, str] | None,
    size: int,
    n_cells: int,
    *,
    equal: bool,
) -> Any:
    import altair as alt

    scales = _equal_scales(alt, domains) if equal else [alt.Scale(domain=d, nice=False, zero=False) for d in domains]

    def axis(i: int) -> Any:
        return alt.Axis(
            title=axes[i] if axes else None, labels=False, ticks=False, grid=False, domain=False, titlePadding=4
        )

    x, y = alt.X("x:Q", axis=axis(0), scale=scales[0]), alt.Y("y:Q", axis=axis(1), scale=scales[1])
    base = alt.Chart(inline(alt, rows))
    if bins is None:
        # Points shrink with their number, so that few are seen and many do not smear.
        area = float(np.clip(90_000 / max(n_cells, 1), 9, 60))
        chart = base.mark_circle(size=area, opacity=0.85, strokeWidth=0).encode(x=x, y=y)
        tooltip = [alt.Tooltip("value", type="nominal" if groups else "quantitative", title="value")]
    else:
        chart = base.mark_rect(strokeWidth=0).encode(x=x, y=y, x2="x2", y2="y2")
        tooltip = [
            alt.Tooltip("value", type="nominal" if groups else "quantitative", title="most" if groups else "mean"),
            alt.Tooltip("cells:Q", format=",", title="cells"),
        ]
    return (
        chart.encode(color=_color(alt, title, groups, rows, colors), tooltip=tooltip)
        .properties(
            width="container",
            height=size,
            # The legend stands below and must not take from the plot's height.
            autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
        )
        .configure_view(strokeWidth=0)
    )


def _equal_scales(alt: Any, domains: tuple[list[float], list[float]]) -> list[Any]:
    """Return scales on which one unit is as long in x as in y, however wide the page makes the plot."""
    scales = []
    for domain, ratio in zip(domains, ("width / height", "height / width"), strict=True):
        middle, half = (domain[0] + domain[1]) / 2, (domain[1] - domain[0]) / 2
        low, high = (alt.ExprRef(f"{middle} {sign} {half} * max(1, {ratio})") for sign in "-+")
        scales.append(alt.Scale(domainMin=low, domainMax=high, nice=False, zero=False))
    return scales


def _color(
    alt: Any, title: str, groups: list[str], rows: list[dict[str, Any]], colors: Mapping[str, str] | None
) -> Any:
    """Return the colour encoding with its legend."""
    if not groups:
        legend = alt.Legend(title=title, titleLimit=300, gradientLength=220, gradientThickness=10, orient="bottom")
        scale = alt.Scale(range=list(SEQUENTIAL), interpolate="lab", nice=False, zero=False)
        return alt.condition(
            "isValid(datum.value)", alt.Color("value:Q", scale=scale, legend=legend), alt.value(NO_VALUE)
        )
    spare = palette(len(groups))
    shown = [(colors or {}).get(name, spare[i]) for i, name in enumerate(groups)]
    names = list(groups)
    if any(row["value"] == _NO_VALUE_NAME for row in rows) and _NO_VALUE_NAME not in names:
        names.append(_NO_VALUE_NAME)
        shown.append(NO_VALUE)
    legend = alt.Legend(
        title=title,
        titleLimit=300,
        orient="bottom",
        symbolOpacity=1,
        symbolSize=90,
        symbolType="circle",
        symbolStrokeWidth=0,
        symbolLimit=0,
        labelLimit=200,
        # Narrow enough for half a page; the longest label decides.
        columns=int(np.clip(420 // (7 * max(map(len, names), default=1) + 30), 2, 6)),
    )
    return alt.Color(
        "value:N",
        scale=alt.Scale(domain=names, range=shown),
        sort=None,
        legend=legend if len(names) <= _MOST_IN_LEGEND else None,
    )
