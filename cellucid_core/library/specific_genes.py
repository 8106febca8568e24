"""The genes of one cell type: its markers, or those that it expresses above all others."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.library.model import Level


def type_degs(level: Level, cell_type: str) -> list[str]:
    """Return the DEGs whose mean is highest in a cell type, the most specific first.

    Raises
    ------
    InputError
        If there is no such type.
    """
    lead = _lead(level, cell_type)
    degs = lead.loc[level.degs]
    return [str(gene) for gene in degs[degs > 0].sort_values(ascending=False, kind="stable").index]


def specific_genes(level: Level, cell_type: str, n: int = 20) -> list[str]:
    """Return the genes whose mean in a cell type lies farthest above the highest mean of all others.

    Raises
    ------
    InputError
        If there is no such type, or only one.
    """
    lead = _lead(level, cell_type)
    return [str(gene) for gene in lead[lead > 0].sort_values(ascending=False, kind="stable").index[:n]]


def _lead(level: Level, cell_type: str) -> pd.Series:
    """Return how far each gene's mean lies above the highest of the other types."""
    if cell_type not in level.mean.columns:
        raise InputError(f"The level {level.name} has no cell type {cell_type!r}.", "Choose one of its cell types.")
    others = level.mean.drop(columns=cell_type)
    if others.shape[1] == 0:
        raise InputError(f"The level {level.name} has one cell type.", "Specific genes need others to compare with.")
    return level.mean[cell_type] - others.max(axis=1)


def centroid_correlation(level: Level) -> pd.DataFrame:
    """Return the Pearson correlation of the cell types' means over the DEGs (over all genes where there are none).

    Returns
    -------
    pandas.DataFrame
        Types × types; 0 with a type whose means are all the same.
    """
    means = level.mean.loc[level.degs] if len(level.degs) > 1 else level.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.atleast_2d(np.corrcoef(means.to_numpy().T))
    values = np.nan_to_num(values)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, index=means.columns, columns=means.columns)
