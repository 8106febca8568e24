"""Outlier quantiles as cellucid 0.9.5 stores them: bit by bit what its viewer would compute.

They differ from the compact format's in arithmetic only: sums are taken in float64, cell by cell and then column by
column, so that every program that follows the order gets the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.export.cellucid_ready.columns import Categories, Column
from cellucid_core.export.compact import group_cells


def quantiles(latent: np.ndarray, codes: np.ndarray, n_categories: int, min_points: int) -> np.ndarray:
    """Return for each cell the share of its category that is as far from the category's mean as it is, or nearer.

    Parameters
    ----------
    latent
        (n_cells, k) float32.
    codes
        (n_cells,) int64, −1 for no category.
    min_points
        Cells of smaller categories get NaN.

    Returns
    -------
    numpy.ndarray
        (n_cells,) float32, in 0…1 or NaN.
    """
    result = np.full(len(latent), np.nan, np.float32)
    groups = group_cells(codes, n_categories)
    for category in np.flatnonzero(groups.sizes >= min_points):
        cells = groups.cells(int(category))
        inside = latent[cells].astype(np.float64)
        squares = np.zeros(len(cells))
        for column in inside.T:
            # cumsum adds one by one; sum would add in pairs and round differently.
            apart = column - np.cumsum(column)[-1] / len(cells)
            squares += apart * apart
        distances = np.sqrt(squares)
        ranks = np.searchsorted(np.sort(distances), distances, side="right")
        result[cells] = ranks.astype(np.float32) / np.float32(len(cells))
    return result


def outlier_record(obs: Mapping[str, Column], latent_key: str, latent: np.ndarray, min_points: int) -> dict[str, Any]:
    """Return ``uns['cellucid']['outlierQuantiles']``: the quantiles of every column that is shown as categories.

    A column in which no category is large enough has no entry.
    """
    fields = {}
    for key, column in obs.items():
        codes, n_categories = _codes(column)
        if n_categories and np.bincount(codes[codes >= 0], minlength=n_categories).max() >= min_points:
            fields[key] = quantiles(latent, codes, n_categories, min_points)
    return {"latentKey": latent_key, "minPoints": min_points, "fields": fields}


def _codes(column: Column) -> tuple[np.ndarray, int]:
    """Return a column's categories as codes (−1: missing) and their number; 0 for numbers."""
    if isinstance(column, Categories):
        return column.codes.astype(np.int64), len(column.labels)
    if isinstance(column, pd.arrays.BooleanArray):
        return column.to_numpy(dtype=np.int64, na_value=-1), 2
    if isinstance(column, np.ndarray) and column.dtype == bool:
        return column.astype(np.int64), 2
    if isinstance(column, np.ndarray) and column.dtype == object:
        return np.arange(len(column)), len(column)  # text that does not repeat
    return np.zeros(0, np.int64), 0
