"""Cells in three dimensions: places and colours for the part of the page that turns them in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.charts.embedding import MAX_POINTS, NO_VALUE, NO_VALUE_NAME, SEQUENTIAL, group_shades, read_values
from cellucid_core.errors import InputError


@dataclass(frozen=True)
class Cloud:
    """Cells as points.

    Attributes
    ----------
    rows
        For each point: ``xyz`` between −1 and 1, all axes scaled by the same factor; ``rgb``, 0 to 255 each; ``value``,
        the group or number as text.
    legend
        What a colour means, and the colour, ``#RRGGBB``: each group, or the lowest and the highest number.
    n_cells
        How many cells have coordinates; of more than 20,000, 20,000 evenly spaced in their order are points.
    """

    rows: list[dict[str, Any]]
    legend: list[tuple[str, str]]
    n_cells: int


def point_cloud(
    xyz: np.ndarray,
    values: np.ndarray | pd.Series | Sequence[Any],
    *,
    colors: Mapping[str, str] | None = None,
    categorical: bool | None = None,
) -> Cloud:
    """Return cells in three dimensions, coloured by a number or a group.

    Parameters
    ----------
    xyz
        (n_cells, 3) coordinates; cells without finite ones are left out.
    values, colors, categorical
        As of `embedding`.

    Raises
    ------
    InputError
        There are not three coordinates and one value per cell.
    """
    xyz = np.asarray(xyz, dtype=np.float64)
    groups, numbers = read_values(values, colors, categorical)
    if xyz.ndim != 2 or xyz.shape[1] != 3 or len(xyz) != len(numbers):
        raise InputError("A cloud of points needs three coordinates and one value per cell.")
    kept = np.flatnonzero(np.isfinite(xyz).all(axis=1))
    n_cells = len(kept)
    if n_cells > MAX_POINTS:
        kept = kept[np.arange(MAX_POINTS) * n_cells // MAX_POINTS]
    xyz, numbers = xyz[kept], numbers[kept]
    if n_cells:
        low, high = xyz.min(axis=0), xyz.max(axis=0)
        xyz = (xyz - (low + high) / 2) / (float((high - low).max()) / 2 or 1.0)
    if groups:
        shades = group_shades(groups, colors)
        table = np.array([_rgb(shade) for shade in [*shades, NO_VALUE]])
        codes = np.where(np.isnan(numbers), len(groups), np.nan_to_num(numbers)).astype(np.int64)
        rgb, legend = table[codes], list(zip(groups, shades, strict=True))
        words = [*groups, NO_VALUE_NAME]
        said: list[Any] = [words[code] for code in codes]
    else:
        rgb, legend = _gradient(numbers)
        said = [NO_VALUE_NAME if np.isnan(v) else f"{v:.4g}" for v in numbers]
    rows = [
        {"xyz": place, "rgb": shade, "value": value}
        for place, shade, value in zip(np.round(xyz, 4).tolist(), rgb.tolist(), said, strict=True)
    ]
    return Cloud(rows, legend, n_cells)


def _gradient(numbers: np.ndarray) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Return the colour of each number between the lowest and the highest, (n, 3) int64, and the legend."""
    finite = numbers[np.isfinite(numbers)]
    if len(finite) == 0:
        return np.tile(_rgb(NO_VALUE), (len(numbers), 1)), []
    low, high = float(finite.min()), float(finite.max())
    share = (np.nan_to_num(numbers, nan=low) - low) / ((high - low) or 1.0)
    table = np.array([_rgb(shade) for shade in SEQUENTIAL])
    at = np.linspace(0, 1, len(table))
    rgb = np.column_stack([np.interp(share, at, table[:, i]) for i in range(3)]).round().astype(np.int64)
    rgb[~np.isfinite(numbers)] = _rgb(NO_VALUE)
    return rgb, [(f"{low:.4g}", SEQUENTIAL[0]), (f"{high:.4g}", SEQUENTIAL[-1])]


def _rgb(shade: str) -> list[int]:
    return [int(shade[i : i + 2], 16) for i in (1, 3, 5)]
