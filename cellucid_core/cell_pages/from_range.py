"""Pages from numbers: the cells whose value is in a closed interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.cell_pages.page_set import SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View


def numeric_columns(view: View) -> list[str]:
    """Return the obs columns that hold numbers with at least one finite value, in order."""
    columns = []
    for key in map(str, view.dataset.obs.columns):
        column = view.obs(key)
        numeric = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype)
        if numeric and np.isfinite(column_values(view, key)).any():
            columns.append(key)
    return columns


def column_values(view: View, key: str) -> np.ndarray:
    """Return a numeric obs column as (n_cells,) float64, NaN where there is no value.

    Raises
    ------
    InputError
        There is no such column, or it does not hold real numbers.
    """
    column = view.obs(key)
    kind = column.dtype
    if (
        not pd.api.types.is_numeric_dtype(kind)
        or pd.api.types.is_bool_dtype(kind)
        or pd.api.types.is_complex_dtype(kind)
    ):
        raise InputError(f"The obs column {key!r} does not hold numbers.", "Choose a numeric column for a range.")
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def quantile_limits(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return two quantiles of the finite values (with linear interpolation, as `numpy.quantile`).

    Parameters
    ----------
    values
        (n_cells,) numbers.
    low, high
        Shares, 0 to 1.

    Raises
    ------
    InputError
        A share is outside 0 to 1, or no value is finite.
    """
    if not (0 <= low <= 1 and 0 <= high <= 1):
        raise InputError("A quantile lies between 0 and 1.", "Choose shares from 0 % to 100 %.")
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        raise InputError("There is no finite value to take quantiles of.", "Choose another column.")
    limits = np.quantile(finite, [low, high])
    return float(limits[0]), float(limits[1])


def in_range(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the positions of the values in a closed interval, int64, ascending; NaN is never inside.

    Raises
    ------
    InputError
        A limit is NaN, or the lower one is above the upper one.
    """
    if np.isnan(low) or np.isnan(high):
        raise InputError("A limit of the range is not a number.", "Give both limits.")
    if low > high:
        raise InputError(
            f"The range from {number(low)} to {number(high)} has its limits in the wrong order.",
            "Give the lower limit first.",
        )
    return np.flatnonzero((values >= low) & (values <= high)).astype(np.int64)


def page_from_range(
    view: View, what: str, low: float, high: float, *, values: np.ndarray | None = None, name: str | None = None
) -> SavedPage:
    """Make a page of the cells whose value is between `low` and `high`, both included.

    Parameters
    ----------
    view
        The dataset as mapped.
    what
        A numeric obs column; with `values`, their name.
    low, high
        The limits, which may be infinite.
    values
        (n_cells,) numbers to use instead of a column: a gene's expression, a score.
    name
        The page's name; by default the range.

    Raises
    ------
    InputError
        There is no such column, it does not hold numbers, there is not one value per cell, a limit is NaN, `low` is
        above `high`, or no cell is in the range.
    """
    numbers = column_values(view, what) if values is None else np.asarray(values, dtype=np.float64)
    if numbers.shape != (view.n_cells,):
        raise InputError(f"{what} has {numbers.size:,} values for {view.n_cells:,} cells.", "Give one value per cell.")
    cells = in_range(numbers, low, high)
    made = f"{what} from {number(low)} to {number(high)}"
    if len(cells) == 0:
        finite = numbers[np.isfinite(numbers)]
        span = f"Its values go from {number(finite.min())} to {number(finite.max())}." if len(finite) else ""
        raise InputError(f"No cell has {made}.", span or "The column has no values.")
    return SavedPage(name or made, view.cell_index[cells], made=made)


def number(value: float) -> str:
    """Return a number as people write it: ``1,234``, ``0.05``, ``2.5e-07``.

    Examples
    --------
    >>> number(1234.0), number(0.1234567), number(2.5e-07)
    ('1,234', '0.1235', '2.5e-07')
    """
    if np.isinf(value):
        return "−∞" if value < 0 else "∞"
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.1f}" if abs(value) >= 10_000 else f"{value:.4g}"
