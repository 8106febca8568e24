"""A sample of cells as points on a violin or box, small enough that a browser draws it at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import Any

import numpy as np

#: Most points of one page, and of all pages of a chart together.
MOST_POINTS = 2_000
_MOST_IN_ALL = 12_000
#: Largest error of a rounded score as a share of the range of scores: less than a tenth of a pixel.
_EXACT = 1e-4


def points_per_page(n_pages: int) -> int:
    """Return how many cells of each page are drawn at most in a chart of `n_pages` pages."""
    return min(MOST_POINTS, max(_MOST_IN_ALL // max(n_pages, 1), 1))


def points_caption(scores: Sequence[np.ndarray]) -> str:
    """Say how many cells are shown as points.

    Parameters
    ----------
    scores
        One array per violin or box; what is not finite is left out.

    Returns
    -------
    str
        Such as ``2,000 of 12,345 cells shown as points``.
    """
    counts = [int(np.isfinite(values).sum()) for values in scores]
    most = points_per_page(len(counts))
    shown, total = sum(min(count, most) for count in counts), sum(counts)
    return f"{shown:,} of {total:,} cells shown as points"


def sampled(values: np.ndarray, most: int, seed: int, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a sample of the cells of one page; the same arguments give the same sample.

    Parameters
    ----------
    values
        (n,) finite scores, ascending.
    most
        How many cells at most.
    seed, place
        Seed of the draw, and the number of the violin or box in the chart.

    Returns
    -------
    tuple
        Scores of at most `most` cells, drawn without replacement, ascending; and for each a number from −1 to 1, how
        far the point stands beside the middle.
    """
    draw = np.random.default_rng([seed, place])
    chosen = values if len(values) <= most else values[np.sort(draw.choice(len(values), most, replace=False))]
    return chosen, draw.uniform(-1, 1, len(chosen))


def point_rows(group: int, places: np.ndarray, scores: np.ndarray, span: float) -> list[dict[str, Any]]:
    """Return points as rows with only as many digits as a screen shows; `span` is the range of the chart's scores."""
    digits = max(-floor(log10(span * _EXACT)), 0) if span > 0 else 6
    return [
        {"group": group, "spot": x, "score": y}
        for x, y in zip(np.round(places, 3).tolist(), np.round(scores, digits).tolist(), strict=True)
    ]
