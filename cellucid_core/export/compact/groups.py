"""The cells of each category, their centre, and how far from the others of its category a cell lies.

Centroids and outlier quantiles are computed in float32, group by group in the order of the cells, as cellucid 0.0.9
does, so that both programs write the same floats; but the cells of all categories are found by one sort, not by one
pass over all cells per category.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Groups:
    """Cells by category.

    Attributes
    ----------
    order
        Positions of the cells, (n_cells,): cells without a category first, then category by category, ascending.
    starts
        Where each category begins in `order`, and where the last one ends, (n_categories + 1,).
    """

    order: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts) - 1

    def cells(self, category: int) -> np.ndarray:
        """Return the positions of a category's cells, ascending."""
        return self.order[self.starts[category] : self.starts[category + 1]]

    @property
    def sizes(self) -> np.ndarray:
        """Number of cells per category, (n_categories,)."""
        return np.diff(self.starts)


def group_cells(codes: np.ndarray, n_categories: int) -> Groups:
    """Group cells by category.

    Parameters
    ----------
    codes
        (n_cells,) integers: the category, or −1 for none.
    n_categories
        Number of categories, with or without cells.
    """
    narrow = codes.astype(np.int16 if n_categories < 2**15 else np.int32)  # 16 bits are sorted by radix, in linear time
    order = np.argsort(narrow, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(n_categories + 1))
    return Groups(order, starts)


def centroids(
    points: np.ndarray, groups: Groups, labels: list[str], min_points: int, quantile: float | None
) -> list[dict[str, Any]]:
    """Return the centre of each category on one embedding.

    This is the mean of a category's points. If there are more than `min_points`, points further from the mean than the
    `quantile` of the distances are dropped, and the mean is taken of the rest if `min_points` remain
    (``compact_v1``, Centroids).

    Parameters
    ----------
    points
        (n_cells, d) float32, normalized.
    labels
        Names of the categories.
    min_points
        Categories with fewer cells have no centroid.
    quantile
        0 < q ≤ 1, or None for no centroids at all.

    Returns
    -------
    list
        ``{"category", "position": [d floats], "n_points": number of points used}``, in the order of the categories.
    """
    if quantile is None:
        return []
    result = []
    for category in np.flatnonzero(groups.sizes >= min_points):
        inside = points[groups.cells(int(category))]
        center = inside.mean(axis=0)
        if len(inside) > min_points:
            distances = np.linalg.norm(inside - center, axis=1)
            near = distances <= float(np.quantile(distances, quantile))
            if int(near.sum()) >= min_points:
                inside = inside[near]
                center = inside.mean(axis=0)
        position = center.astype(np.float64).tolist()
        result.append({"category": labels[category], "position": position, "n_points": len(inside)})
    return result


def outlier_quantiles(latent: np.ndarray, groups: Groups, min_points: int) -> np.ndarray:
    """Return how far out each cell lies within its category.

    The quantile of a cell is the share of its category's cells that are as far from the category's mean in the latent
    space as it is, or nearer (``compact_v1``, Outlier quantile).

    Parameters
    ----------
    latent
        (n_cells, k) float32.
    min_points
        Cells of smaller categories get NaN.

    Returns
    -------
    numpy.ndarray
        float32 (n_cells,) in 0…1; NaN also for cells without a category.
    """
    result = np.full(len(latent), np.nan, np.float32)
    for category in np.flatnonzero(groups.sizes >= min_points):
        cells = groups.cells(int(category))
        inside = latent[cells]
        distances = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
        ranks = np.searchsorted(np.sort(distances), distances, side="right")
        result[cells] = ranks.astype(np.float32) / len(cells)
    return result
