"""Whether values that were normalized and logged come from whole counts, told from the ratios within each cell.

Normalizing multiplies a cell's counts by one factor, so all its values are whole multiples of one unit; a logarithm
hides that, and only undoing the right one shows it again. So whole ratios tell the transform and its base.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

_LN2, _LN10 = float(np.log(2)), float(np.log(10))
Transform = Callable[[np.ndarray], np.ndarray]

#: What undoes a transform of values: ``e``, ``2`` and ``10`` are logs of value + 1, ``ee`` and ``22`` such logs twice.
INVERSES: dict[str, Transform] = {
    "linear": lambda v: v,
    "e": np.expm1,
    "2": lambda v: np.expm1(v * _LN2),
    "10": lambda v: np.expm1(v * _LN10),
    "ee": lambda v: np.expm1(np.expm1(v)),
    "22": lambda v: np.expm1(_LN2 * np.expm1(v * _LN2)),
}
#: The derivative of the undone value by the stored one, as a function of the undone value: it converts rounding errors.
_SLOPES: dict[str, Transform] = {
    "linear": np.ones_like,
    "e": lambda y: y + 1,
    "2": lambda y: _LN2 * (y + 1),
    "10": lambda y: _LN10 * (y + 1),
    "ee": lambda y: (y + 1) * (np.log1p(y) + 1),
    "22": lambda y: _LN2 * _LN2 * (y + 1) * (np.log2(y + 1) + 1),
}
#: Ratios that can tell: smaller ones are mostly 1 with any transform, larger ones drown in rounding.
_SMALLEST_RATIO, _LARGEST_RATIO = 1.5, 400.0
_SLACK, _LARGEST_ERROR = 0.02, 0.2
_RATIOS_OF_A_CELL, _SHARE_OF_RATIOS, _SHARE_OF_CELLS = 3, 0.98, 0.9


@dataclass(frozen=True)
class CountsBehind:
    """Counts that were found behind values.

    Attributes
    ----------
    transform
        Key of `INVERSES`.
    totals
        Undone total of each cell, (n_cells,) float64.
    unit_share
        Share of non-empty cells whose smallest undone value is 1, as in counts that were not normalized.
    """

    transform: str
    totals: np.ndarray
    unit_share: float


def counts_behind(rows: sparse.csr_matrix, *, half_precision: bool = False) -> CountsBehind | None:
    """Return the transform whose undoing shows whole counts in the most cells, at least 9 of 10; None if none does.

    Parameters
    ----------
    rows
        Some whole cells, (n_cells, n_genes) float64, all entries finite and above 0.
    half_precision
        Whether the values were stored as float16 (11 bits of precision).
    """
    rounding = _rounding(rows.data, half_precision)
    best: tuple[float, CountsBehind] | None = None
    for name in INVERSES:
        share, found = _share_of_whole_cells(rows, name, rounding)
        if found is not None and share >= _SHARE_OF_CELLS and (best is None or share > best[0]):
            best = (share, found)
    return best[1] if best else None


def _rounding(values: np.ndarray, half_precision: bool) -> np.ndarray:
    """Return how far each stored value may lie from the exact one: by its type's precision, or by saved decimals."""
    relative = values * (2.0**-11 if half_precision else 2.0**-23)
    some = values[:: max(1, len(values) // 20_000)]
    for decimals in range(1, 6):  # tables that were saved with a few decimals
        steps = some * 10.0**decimals
        if np.abs(steps - np.rint(steps)).max() < 1e-2:
            return np.maximum(relative, 0.5 * 10.0**-decimals)
    return relative


def _share_of_whole_cells(
    rows: sparse.csr_matrix, name: str, rounding: np.ndarray
) -> tuple[float, CountsBehind | None]:
    n_cells = rows.shape[0]
    filled = np.flatnonzero(np.diff(rows.indptr) > 0)
    cell = np.repeat(np.arange(n_cells), np.diff(rows.indptr))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        undone = INVERSES[name](rows.data)
        if not np.isfinite(undone).all():
            return 0.0, None
        unit = np.full(n_cells, np.nan)
        unit[filled] = np.minimum.reduceat(undone, rows.indptr[filled])
        smallest = undone == unit[cell]
        error = rounding * _SLOPES[name](undone) / undone
        unit_error = np.zeros(n_cells)
        unit_error[cell[smallest]] = error[smallest]
        ratio = undone / unit[cell]
        error = ratio * (error + unit_error[cell])
    telling = (ratio > _SMALLEST_RATIO) & (ratio <= _LARGEST_RATIO) & (error < _LARGEST_ERROR)
    ratio, error, cell_of = ratio[telling], error[telling], cell[telling]
    count = np.bincount(cell_of, minlength=n_cells)
    judged = count >= _RATIOS_OF_A_CELL
    if judged.sum() < min(10, max(3, len(filled) // 2)):
        return 0.0, None
    whole = np.zeros(n_cells, dtype=bool)
    for multiple in (1, 2, 3, 4):  # a cell's smallest count need not be 1
        off = np.abs(multiple * ratio - np.rint(multiple * ratio))
        hit = off <= np.minimum(_SLACK + multiple * error, 0.3)
        hits = np.bincount(cell_of, weights=hit, minlength=n_cells)
        whole |= judged & (hits >= _SHARE_OF_RATIOS * count)
    totals = np.bincount(cell, weights=undone, minlength=n_cells)
    units = np.abs(unit[filled] - 1) < 1e-3
    return float(whole.sum() / judged.sum()), CountsBehind(name, totals, float(units.mean()))
