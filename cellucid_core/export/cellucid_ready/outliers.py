"""Outlier quantiles as cellucid 0.9.5 stores them, equal to the bit to what its viewer would compute.

They differ from those of the compact format (`cellucid_core.export.compact.outlier_quantiles`) only in arithmetic: sums
are taken in float64 in a fixed order, cell by cell for a mean and column by column for a distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.export.cellucid_ready.columns import Categories, Column
from cellucid_core.export.compact import group_cells


def quantiles(latent: np.ndarray, codes: np.ndarray, n_categories: int, min_points: int) -> np.ndarray:
    """Return for each cell the share of its category's cells that are as far from their mean as it is, or nearer.

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
            # cumsum adds one by one; sum adds in pairs, which rounds differently.
            apart = column - np.cumsum(column)[-1] / len(cells)
            squares += apart * apart
        distances = np.sqrt(squares)
        ranks = np.searchsorted(np.sort(distances), distances, side="right")
        result[cells] = ranks.astype(np.float32) / np.float32(len(cells))
    return result


def outlier_record(obs: Mapping[str, Column], latent_key: str, latent: np.ndarray, min_points: int) -> dict[str, Any]:
    """Return ``uns['cellucid']['outlierQuantiles']``: the quantiles of every column that is shown as categories.

    A column has no entry if none of its categories has `min_points` cells.

    Parameters
    ----------
    obs
        Columns by key, as they are stored.
    latent_key, latent
        Key in obsm and array, (n_cells, k) float32, that distances are measured in.
    min_points
        Cells of smaller categories get NaN.
    """
    fields = {}
    for key, column in obs.items():
        codes, n_categories = _codes(column)
        if n_categories and np.bincount(codes[codes >= 0], minlength=n_categories).max() >= min_points:
            fields[key] = quantiles(latent, codes, n_categories, min_points)
    return {"latentKey": latent_key, "minPoints": min_points, "fields": fields}


def _codes(column: Column) -> tuple[np.ndarray, int]:
    """Return a column's codes, (n_cells,) with −1 for missing, and its number of categories, which is 0 for numbers."""
    if isinstance(column, Categories):
        return column.codes.astype(np.int64), len(column.labels)
    if isinstance(column, pd.arrays.BooleanArray):
        return column.to_numpy(dtype=np.int64, na_value=-1), 2
    if isinstance(column, np.ndarray) and column.dtype == bool:
        return column.astype(np.int64), 2
    if isinstance(column, np.ndarray) and column.dtype == object:
        return np.arange(len(column)), len(column)  # text that does not repeat
    return np.zeros(0, np.int64), 0
