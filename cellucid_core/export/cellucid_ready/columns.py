"""Columns of the cell and the gene table, as AnnData stores them.

Numbers, bools, categories and pandas' nullable types keep their type. Text becomes categories if a value repeats or is
missing (anndata's own rule). What AnnData cannot store (dates, mixed values) becomes categories of texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cellucid_core.export.compact import categories_of


@dataclass(frozen=True)
class Categories:
    """A categorical column.

    Attributes
    ----------
    codes
        (n,), of the smallest signed integer type that holds them; −1 for missing.
    labels
        The categories, (n_categories,): an object array of str, or numbers.
    ordered
        Whether the categories have an order.
    """

    codes: np.ndarray
    labels: np.ndarray
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.codes)


#: A column as it is stored, (n,); an object array holds text.
Column = Categories | np.ndarray | pd.arrays.IntegerArray | pd.arrays.BooleanArray


@dataclass(frozen=True)
class Stored:
    """A column as it is stored.

    Attributes
    ----------
    column
        The column.
    changed
        ``"text"`` if values became text, ``"infinite"`` if infinities became missing values, else empty.
    """

    column: Column
    changed: str = ""


def stored(series: pd.Series) -> Stored:
    """Return a column as it is stored. Infinities become missing values, since a colour scale cannot show them."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(series)
    if isinstance(dtype, pd.SparseDtype):
        series = series.astype(dtype.subtype)
        dtype = series.dtype
    array = series.array
    if isinstance(array, (pd.arrays.IntegerArray, pd.arrays.BooleanArray)):
        return Stored(array if series.isna().any() else nullable_values(array))
    if pd.api.types.is_float_dtype(dtype):
        return _floats(series)
    if isinstance(dtype, pd.StringDtype) or dtype.kind == "O":
        values = series.to_numpy(dtype=object)
        missing = np.asarray(series.isna(), dtype=bool)
        if pd.api.types.infer_dtype(values[~missing], skipna=False) in ("string", "empty"):
            return Stored(_text(values, missing))
        return _as_text(series)
    if isinstance(dtype, np.dtype) and dtype.kind in "biu":
        return Stored(series.to_numpy())
    return _as_text(series)


def nullable_values(column: pd.arrays.IntegerArray | pd.arrays.BooleanArray) -> np.ndarray:
    """Return the values of a nullable column as numpy's type, (n,); 0 or False where one is missing."""
    dtype: Any = column.dtype
    return np.asarray(column.to_numpy(dtype=dtype.numpy_dtype, na_value=0))


def _floats(series: pd.Series) -> Stored:
    dtype: Any = getattr(series.dtype, "numpy_dtype", series.dtype)
    values: np.ndarray = series.to_numpy(dtype=dtype, na_value=np.nan)
    if values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    infinite = np.isinf(values)
    if not infinite.any():
        return Stored(values)
    return Stored(np.where(infinite, values.dtype.type(np.nan), values), "infinite")


def _text(values: np.ndarray, missing: np.ndarray) -> Column:
    present = values[~missing]
    labels = sorted(set(present.tolist()))
    if len(labels) == len(values):
        return values
    known: pd.Categorical = pd.Categorical(pd.Series(values, dtype=object).mask(missing, None), categories=labels)
    return Categories(np.asarray(known.codes), np.array(labels, dtype=object))


def _categories(series: pd.Series) -> Stored:
    labels = series.cat.categories
    codes, ordered = series.cat.codes.to_numpy(), bool(series.cat.ordered)
    if isinstance(labels.dtype, np.dtype) and labels.dtype.kind in "iufb":
        return Stored(Categories(codes, labels.to_numpy(), ordered))
    if all(isinstance(label, str) for label in labels):
        return Stored(Categories(codes, labels.to_numpy(dtype=object), ordered))
    return _as_text(series, ordered)


def _as_text(series: pd.Series, ordered: bool = False) -> Stored:
    codes, labels = categories_of(series)
    narrow = pd.Categorical.from_codes(codes, categories=pd.RangeIndex(len(labels))).codes
    return Stored(Categories(np.asarray(narrow), np.array(labels, dtype=object), ordered), "text")
