"""The summary table: one row per page."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics.effects import Sample


def summarize(pages: Sequence[Page], scores: Sequence[np.ndarray | Sample]) -> pd.DataFrame:
    """Summarize the scores of each page.

    Parameters
    ----------
    pages
        In order.
    scores
        One array per page, or its `Sample`.

    Returns
    -------
    pandas.DataFrame
        ``page``, ``n`` (cells), ``n_valid`` (cells with a finite score), and over those ``mean``, ``median``, ``std``
        (ddof 1), ``q1``, ``q3`` (quartiles, linear), ``min``, ``max``; NaN where they are not defined.
    """
    rows = []
    for page, values in zip(pages, scores, strict=True):
        sample = values if isinstance(values, Sample) else Sample.of(values)
        row: dict[str, object] = {"page": page.name, "n": page.n, "n_valid": sample.n}
        if sample.n:
            low, q1, median, q3, high = sample.quantiles([0, 0.25, 0.5, 0.75, 1])
            row |= {"mean": sample.mean, "median": median, "std": math.sqrt(sample.variance)}
            row |= {"q1": q1, "q3": q3, "min": low, "max": high}
        rows.append(row)
    columns = ["page", "n", "n_valid", "mean", "median", "std", "q1", "q3", "min", "max"]
    return pd.DataFrame(rows, columns=columns).astype(
        {"n": np.int64, "n_valid": np.int64} | dict.fromkeys(columns[3:], np.float64)
    )
