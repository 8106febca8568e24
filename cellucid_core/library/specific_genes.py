"""The genes of one cell type: those of the DEGs, or of all genes, that it expresses more than every other type."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.library.model import Level


def type_degs(level: Level, cell_type: str) -> list[str]:
    """Return the DEGs whose mean is highest in a cell type, sorted by their lead over the next type.

    Raises
    ------
    InputError
        If there is no such type, or only one.
    """
    lead = _lead(level, cell_type)
    degs = lead.loc[level.degs]
    return [str(gene) for gene in degs[degs > 0].sort_values(ascending=False, kind="stable").index]


def specific_genes(level: Level, cell_type: str, n: int = 20) -> list[str]:
    """Return up to `n` genes whose mean in a cell type is above that of all others, sorted by their lead.

    Raises
    ------
    InputError
        If there is no such type, or only one.
    """
    lead = _lead(level, cell_type)
    return [str(gene) for gene in lead[lead > 0].sort_values(ascending=False, kind="stable").index[:n]]


def _lead(level: Level, cell_type: str) -> pd.Series:
    """Return the lead of each gene: its mean in a cell type minus the highest mean in another type."""
    if cell_type not in level.mean.columns:
        raise InputError(f"The level {level.name} has no cell type {cell_type!r}.", "Choose one of its cell types.")
    others = level.mean.drop(columns=cell_type)
    if others.shape[1] == 0:
        raise InputError(f"The level {level.name} has one cell type.", "Specific genes need others to compare with.")
    return level.mean[cell_type] - others.max(axis=1)


def centroid_correlation(level: Level) -> pd.DataFrame:
    """Return the Pearson correlation of the cell types' means over the DEGs (all genes if there are fewer than two).

    Returns
    -------
    pandas.DataFrame
        Types × types; 0 for a type whose means are constant.
    """
    means = level.mean.loc[level.degs] if len(level.degs) > 1 else level.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.atleast_2d(np.corrcoef(means.to_numpy().T))
    values = np.nan_to_num(values)
    np.fill_diagonal(values, 1.0)
    return pd.DataFrame(values, index=means.columns, columns=means.columns)
