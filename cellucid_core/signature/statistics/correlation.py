"""Correlations over cells, or over a sample of them where there are very many."""

from __future__ import annotations

import numpy as np

MOST_RANKED = 200_000


def some_cells(cells: np.ndarray) -> np.ndarray:
    """Return the cells that a correlation is taken over: all, or 200,000 drawn with a fixed seed, ascending.

    The standard error of a correlation over so many is below 0.003, and ranking more takes seconds.
    """
    if len(cells) <= MOST_RANKED:
        return cells
    chosen = np.random.default_rng(0).choice(len(cells), MOST_RANKED, replace=False, shuffle=False)
    return np.asarray(cells[np.sort(chosen)])


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's correlation of finite values: Pearson's r of their `ranks`, see `pearson`."""
    return pearson(ranks(a), ranks(b))


def ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks from 1, (n,) float64; ties share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place])


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Return Pearson's r; 0 where one side does not vary, and for fewer than three values."""
    if len(a) < 3:
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    # Not `@`: waking BLAS's threads takes longer than one pass over the values.
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0
