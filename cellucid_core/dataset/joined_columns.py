"""A column of several cell tables as one: numbers stay numbers, categories are united, clashing kinds become text."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pandas as pd


def joined_column(pieces: list[pd.Series | None], sizes: list[int]) -> tuple[Any, bool]:
    """Return a column of the joined cell table, and whether its kinds (numbers, text, …) clash between parts.

    Parameters
    ----------
    pieces
        The column of each part; None where a part lacks it, whose cells then have no value.
    sizes
        Number of cells of each part.
    """
    there = [piece for piece in pieces if piece is not None and len(piece)]
    if not there:
        return np.full(sum(sizes), np.nan), False
    numeric = [pd.api.types.is_numeric_dtype(p.dtype) and not pd.api.types.is_bool_dtype(p.dtype) for p in there]
    if all(numeric):
        filled = [
            np.full(size, np.nan)
            if piece is None
            else piece.to_numpy()
            if not pd.api.types.is_extension_array_dtype(piece.dtype)
            else piece.to_numpy(dtype=np.float64, na_value=np.nan)
            for piece, size in zip(pieces, sizes, strict=True)
            if size
        ]
        return np.concatenate(filled), False
    first = there[0].dtype
    if all(p.dtype == first for p in there) and not isinstance(first, pd.CategoricalDtype):
        lacking = any(piece is None and size for piece, size in zip(pieces, sizes, strict=True))
        if not (lacking and pd.api.types.is_bool_dtype(first)):
            parts = [
                pd.Series([None] * size, dtype=first) if piece is None else piece
                for piece, size in zip(pieces, sizes, strict=True)
                if size
            ]
            return pd.concat(parts, ignore_index=True).array, False
    clash = any(numeric) or len({_word_kind(p) for p in there}) > 1
    categories = [_words(p, clash) for p in there]
    ordered = all(c.ordered and c.categories.equals(categories[0].categories) for c in categories)
    union = pd.Index(dict.fromkeys(value for c in categories for value in c.categories), dtype=object)
    codes, used = [], iter(categories)
    for piece, size in zip(pieces, sizes, strict=True):
        if piece is None or not size:
            codes.append(np.full(size, -1))
            continue
        one = next(used)
        places = union.get_indexer(one.categories.astype(object))
        codes.append(np.where(one.codes < 0, -1, places[one.codes]) if len(places) else np.full(size, -1))
    return pd.Categorical.from_codes(np.concatenate(codes), categories=union, ordered=ordered), clash


def _word_kind(series: pd.Series) -> str:
    dtype = series.cat.categories.dtype if isinstance(series.dtype, pd.CategoricalDtype) else series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return "truth"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "time"
    return "number" if pd.api.types.is_numeric_dtype(dtype) else "word"


def _words(series: pd.Series, as_text: bool) -> pd.Categorical:
    """Return a column as categories; with `as_text` these are text, whole numbers without ".0"."""
    if as_text:
        values = series.astype(object)
        there = values.notna()
        text = values[there].map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v))
        values = values.where(
            ~there,
            text.reindex(values.index)
            if values.index.is_unique
            else pd.Series(_spread(text.to_numpy(), there.to_numpy()), index=values.index),
        )
        return pd.Categorical(values)
    return (
        pd.Categorical(series)
        if not isinstance(series.dtype, pd.CategoricalDtype)
        else cast(pd.Categorical, series.array)
    )


def _spread(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    spread = np.full(len(there), None, dtype=object)
    spread[there] = values
    return spread
