"""The levels of a cell-type hierarchy: which cell has which label, and whether the levels nest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cellucid_core.errors import InputError
from cellucid_core.names import listed

if TYPE_CHECKING:
    from cellucid_core.dataset import View

#: A column with more values than this names cells rather than cell types.
MAX_TYPES = 300
#: A numeric column names cell types if it holds whole numbers and no more different ones than this.
_MAX_NUMBERS = 50


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of one level.

    Attributes
    ----------
    column
        The obs column.
    types
        Cell types that have cells, in the order of the column's categories.
    codes
        (n_cells,) int32 position of each cell's type in `types`, −1 for a cell without a label.
    """

    column: str
    types: list[str]
    codes: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Number of cells of each type, (n_types,) int64."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.types))

    @property
    def unlabelled(self) -> int:
        """Number of cells without a label."""
        return int((self.codes < 0).sum())


def read_labels(view: View, column: str) -> Labels:
    """Return the labels of an obs column.

    Missing and empty values are no labels, and spaces around labels are removed. Whole numbers that are kept as floats
    become "3", not "3.0".

    Raises
    ------
    InputError
        If there is no such column, or it does not group cells.
    """
    series = view.obs(column)
    if pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype):
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        different = np.unique(values[np.isfinite(values)])
        if len(different) > _MAX_NUMBERS or not np.array_equal(different, np.rint(different)):
            raise InputError(f"The column {column!r} holds measurements, not cell types.", "Choose another column.")
        series = pd.Series(np.where(np.isfinite(values), values, np.nan)).astype("Float64").astype("Int64")
    try:
        categories = series.astype("category").cat
    except TypeError:
        raise InputError(f"The column {column!r} holds lists, not names.", "Choose another column.") from None
    # Names that differ only in spaces around them are the same type.
    stripped = [str(value).strip() for value in categories.categories]
    names = list(dict.fromkeys(stripped))
    place = {name: i for i, name in enumerate(names)}
    codes = categories.codes.to_numpy(dtype=np.int32)
    codes = np.where(codes >= 0, np.array([place[name] for name in stripped], np.int32)[codes], -1)
    labels = _without_empty(column, names, codes)
    if len(labels.types) > MAX_TYPES:
        raise InputError(
            f"The column {column!r} has {len(labels.types):,} different values, too many for cell types.",
            "Choose a column that groups cells.",
        )
    return labels


def _without_empty(column: str, names: list[str], codes: np.ndarray) -> Labels:
    """Return labels without the types that have no cells, and without the empty label."""
    used = np.bincount(codes[codes >= 0], minlength=len(names)) > 0
    used &= np.array([bool(name) for name in names], dtype=bool)
    place = np.where(used, np.cumsum(used) - 1, -1).astype(np.int32)
    new = np.where(codes >= 0, place[codes] if len(place) else -1, -1).astype(np.int32)
    return Labels(column, [name for name, keep in zip(names, used, strict=True) if keep], new)


def nesting(levels: Sequence[Labels]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Find out which type of the level above holds each type, and where levels do not nest.

    Parameters
    ----------
    levels
        From the broadest to the most detailed.

    Returns
    -------
    tuple
        Column → type → the type of the level above that holds most of its cells; and a sentence for each type whose
        cells are in several.
    """
    parents: dict[str, dict[str, str]] = {}
    problems = []
    for above, below in pairwise(levels):
        both = (above.codes >= 0) & (below.codes >= 0)
        table = np.zeros((len(below.types), len(above.types)), np.int64)
        np.add.at(table, (below.codes[both], above.codes[both]), 1)
        parents[below.column] = {}
        for name, counts in zip(below.types, table, strict=True):
            holders = np.flatnonzero(counts)
            if len(holders) == 0:
                continue
            order = holders[np.argsort(-counts[holders], kind="stable")]
            parents[below.column][name] = above.types[order[0]]
            if len(order) > 1:
                shares = listed([f"{above.types[i]} ({counts[i]:,} cells)" for i in order], 5)
                problems.append(f"{name} ({below.column}) falls into {len(order):,} types of {above.column}: {shares}.")
    return parents, problems
