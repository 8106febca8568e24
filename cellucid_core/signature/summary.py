"""The summary table: one row per page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page


def summarize(pages: Sequence[Page], scores: Sequence[np.ndarray]) -> pd.DataFrame:
    """Summarize the scores of each page.

    Parameters
    ----------
    pages
        In order.
    scores
        One array per page.

    Returns
    -------
    pandas.DataFrame
        ``page``, ``n`` (cells), ``n_valid`` (cells with a finite score), and over those ``mean``, ``median``, ``std``
        (ddof 1), ``q1``, ``q3`` (quartiles, linear), ``min``, ``max``; NaN where they are not defined.
    """
    rows = []
    for page, values in zip(pages, scores, strict=True):
        valid = np.asarray(values, dtype=np.float64)
        valid = valid[np.isfinite(valid)]
        row: dict[str, object] = {"page": page.name, "n": page.n, "n_valid": len(valid)}
        if len(valid):
            low, q1, median, q3, high = np.quantile(valid, [0, 0.25, 0.5, 0.75, 1]).tolist()
            std = float(valid.std(ddof=1)) if len(valid) > 1 else np.nan
            if low == high and len(valid) > 1:
                std = 0.0
            row |= {"mean": float(valid.mean()), "median": median, "std": std}
            row |= {"q1": q1, "q3": q3, "min": low, "max": high}
        rows.append(row)
    columns = ["page", "n", "n_valid", "mean", "median", "std", "q1", "q3", "min", "max"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"n": np.int64, "n_valid": np.int64} | dict.fromkeys(columns[3:], np.float64)
    )
