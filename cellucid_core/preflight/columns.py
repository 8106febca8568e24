"""A summary of each column of the cell table, for the user who decides which are exported."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cellucid_core.dataset import View
from cellucid_core.names import listed
from cellucid_core.preflight.finding import plural

_BINS = 16


def column_table(view: View) -> pd.DataFrame:
    """Describe every column of the cell table.

    Returns
    -------
    pandas.DataFrame
        One row per column: ``column``, ``kind`` (as it is exported), ``values`` (categories or range in words),
        ``distribution`` (list of cell counts: of 16 equal bins, or of the 16 largest categories), ``missing`` (share,
        0 … 1).
    """
    rows = []
    for key in map(str, view.dataset.obs.columns):
        series, kind = view.obs(key), view.kind(key)
        words, counts = _numbers(series) if kind == "continuous" else _categories(view, key)
        missing = float(series.isna().mean()) if len(series) else 0.0
        rows.append((key, kind, words, counts, missing))
    return pd.DataFrame(rows, columns=["column", "kind", "values", "distribution", "missing"])


def _numbers(series: pd.Series) -> tuple[str, list[int]]:
    values = pd.to_numeric(series, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    values = values[np.isfinite(values)]
    if not len(values):
        return "no value", []
    counts = np.histogram(values, _BINS)[0] if values.min() < values.max() else np.array([len(values)])
    return f"{values.min():.4g} to {values.max():.4g}", counts.tolist()


def _categories(view: View, key: str) -> tuple[str, list[int]]:
    counts = view.label_counts(key)
    if not len(counts):
        return "no value", []
    named = listed(counts.index.tolist(), 4)
    return f"{plural(len(counts), 'category', 'categories')}: {named}", counts.iloc[:_BINS].tolist()
