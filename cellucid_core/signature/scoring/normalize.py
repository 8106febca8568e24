"""Bring scores to one scale, over all selected pages together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast, get_args

import numpy as np

from cellucid_core.errors import InputError

Normalization = Literal["none", "zscore", "minmax"]
NORMALIZATIONS = cast(tuple[Normalization, ...], get_args(Normalization))


def normalize(scores: Sequence[np.ndarray], how: Normalization = "none") -> list[np.ndarray]:
    """Normalize the scores of several pages together.

    Parameters
    ----------
    scores
        One (n_cells of the page,) array per page. A cell that is in two pages counts twice.
    how
        ``zscore``: (x − μ)/σ with σ the population standard deviation (ddof 0), all 0 if σ is 0.
        ``minmax``: (x − min)/(max − min), all 0 if they are equal. ``none``: as they are.

    Returns
    -------
    list of numpy.ndarray
        float64, one per page; values that are not finite become NaN and take no part.

    Raises
    ------
    InputError
        The normalization is unknown.
    """
    if how not in NORMALIZATIONS:
        raise InputError(f"There is no normalization {how!r}.", f"Choose one of {', '.join(NORMALIZATIONS)}.")
    clean = [np.where(np.isfinite(page), page, np.nan) for page in (np.asarray(p, np.float64) for p in scores)]
    if how == "none":
        return clean
    pooled = np.concatenate([page[~np.isnan(page)] for page in clean]) if clean else np.empty(0)
    if len(pooled) == 0:
        return clean
    low, high = float(pooled.min()), float(pooled.max())
    if low == high:  # not "σ == 0": rounding can make σ of equal numbers differ from 0
        return [np.where(np.isnan(page), np.nan, 0.0) for page in clean]
    if how == "minmax":
        return [(page - low) / (high - low) for page in clean]
    center, spread = float(pooled.mean()), float(pooled.std())
    return [(page - center) / spread for page in clean]
