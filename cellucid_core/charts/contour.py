"""The outline of a group of cells on an embedding: the line around where they are dense."""

from __future__ import annotations

import numpy as np

#: Grid points along each axis, and how far the grid goes beyond the cells, in bandwidths.
_GRID, _BEYOND = 160, 4
#: Of Scott's bandwidth, which is for one heap of cells: pages often have several.
_SHARPER = 0.5


def density_contour(xy: np.ndarray, share: float = 0.8) -> list[np.ndarray]:
    """Return the lines around the densest places that together hold a share of the cells.

    The density is a histogram smoothed with a Gaussian of half of Scott's bandwidth in each axis, and the lines are
    those of equal density, at the quantile ``1 − share`` of the densities at the cells.

    Parameters
    ----------
    xy
        (n_cells, 2) coordinates; what is not finite is left out.
    share
        How many of the cells the lines enclose, between 0 and 1.

    Returns
    -------
    list of numpy.ndarray
        Each line (n, 2); none where the cells are too few, or lie on a line.
    """
    from contourpy import contour_generator
    from scipy.ndimage import gaussian_filter

    xy = np.asarray(xy, dtype=np.float64)
    xy = xy[np.isfinite(xy).all(axis=1)]
    if len(xy) < 3:
        return []
    bandwidth = _SHARPER * xy.std(axis=0, ddof=1) * len(xy) ** (-1 / 6)
    low, high = xy.min(axis=0) - _BEYOND * bandwidth, xy.max(axis=0) + _BEYOND * bandwidth
    if not (bandwidth > 0).all() or not (high > low).all():
        return []
    step = (high - low) / _GRID
    place = np.minimum(((xy - low) / step).astype(np.int64), _GRID - 1)
    counts = np.bincount(place[:, 1] * _GRID + place[:, 0], minlength=_GRID**2).reshape(_GRID, _GRID)
    # Narrower than a grid point it would be no Gaussian.
    smooth = gaussian_filter(counts.astype(np.float64), np.maximum(bandwidth / step, 1.0)[::-1], mode="constant")
    level = np.quantile(smooth[place[:, 1], place[:, 0]], 1 - share)
    middles = low + (np.arange(_GRID)[:, None] + 0.5) * step
    lines = contour_generator(middles[:, 0], middles[:, 1], smooth).lines(level)
    return [np.asarray(line) for line in lines if len(line) > 2]
