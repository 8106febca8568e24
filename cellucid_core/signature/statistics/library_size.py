"""How a score goes with the size of a cell's library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages import Page
from cellucid_core.signature.statistics.correlation import some_cells, spearman

if TYPE_CHECKING:
    from cellucid_core.dataset import View

_BINS = 30
#: Fewer cells in a bin show noise rather than a trend.
_LEAST_PER_BIN = 50
MEASURES = {"total": "total expression", "detected": "detected genes"}


@dataclass(frozen=True, eq=False)
class LibrarySize:
    """How a score goes with total expression and detected genes.

    Attributes
    ----------
    total, detected
        Spearman's correlation with each; 0 where one side does not vary.
    trend
        Up to 30 bins of about equal numbers of cells for each ``measure`` (``total`` or ``detected``): ``middle`` (the
        measure's median), ``cells``, and the score's ``mean``, ``q1`` and ``q3``.
    n_cells, n_used
        Cells with a score in the pages, and how many of them were used (at most 200,000, see `some_cells`).
    """

    total: float
    detected: float
    trend: pd.DataFrame
    n_cells: int
    n_used: int


def library_size(view: View, raw: np.ndarray, pages: Sequence[Page]) -> LibrarySize:
    """Tell how a score goes with library size, over the cells of the pages.

    Parameters
    ----------
    view
        The dataset as mapped; it has an expression matrix.
    raw
        (n_cells,) scores before normalization.
    pages
        The pages; each cell counts once.
    """
    expression = view.expression
    assert expression is not None
    inside = np.zeros(view.n_cells, dtype=bool)
    for page in pages:
        inside[page.cells] = True
    all_cells = np.flatnonzero(inside & np.isfinite(raw))
    cells = some_cells(all_cells)
    scores = raw[cells]
    rows: list[pd.DataFrame] = []
    rho = {}
    for measure, values in (("total", expression.cell_total), ("detected", expression.cell_detected)):
        x = np.asarray(values[cells], dtype=np.float64)
        rho[measure] = spearman(scores, x)
        rows.append(_trend(measure, x, scores))
    return LibrarySize(rho["total"], rho["detected"], pd.concat(rows, ignore_index=True), len(all_cells), len(cells))


def _trend(measure: str, x: np.ndarray, scores: np.ndarray) -> pd.DataFrame:
    """Cut cells into bins of about equal size; cells with the same x are in the same bin."""
    rows = []
    if len(x):
        bins = int(np.clip(len(x) // _LEAST_PER_BIN, 3, _BINS))
        edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        which = np.searchsorted(edges, x, side="right")
        for part in np.unique(which):
            mine = scores[which == part]
            q1, q3 = np.quantile(mine, [0.25, 0.75]).tolist()
            middle = float(np.median(x[which == part]))
            rows.append((measure, middle, len(mine), float(mine.mean()), q1, q3))
    return pd.DataFrame(rows, columns=["measure", "middle", "cells", "mean", "q1", "q3"])
