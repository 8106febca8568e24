"""Densities of scores, for violins, and of cells on an embedding, for the outline of a page."""

from __future__ import annotations

import numpy as np

#: Grid points per bandwidth: linear binning at this width errs by about 1/(8·16²), far below 1 % of the peak.
_PER_BANDWIDTH = 16
#: Where the Gaussian is cut off, in bandwidths (e^−18 of its peak).
_REACH = 6
_MOST_GRID = 2**21
_PIECE = 65_536
#: Of an outline: grid points along each axis, and how far the grid goes beyond the cells, in bandwidths.
_GRID, _BEYOND = 160, 4
#: Share of Scott's bandwidth that an outline uses: Scott's is for one cluster of cells, and pages often have several.
_SHARPER = 0.5


def scott_bandwidth(values: np.ndarray) -> float:
    """Return Scott's bandwidth of finite values, SD (ddof 1) × n^(−1/5), the default of `scipy.stats.gaussian_kde`."""
    return float(values.std(ddof=1)) * len(values) ** -0.2 if len(values) > 1 else 0.0


def density(values: np.ndarray, points: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Estimate the density of scores between the lowest and the highest.

    Values are spread over the two nearest points of a fine grid (linear binning; Wand 1994,
    10.1080/10618600.1994.10474656); the grid is convolved with the Gaussian by FFT and interpolated at the places asked
    for.

    Parameters
    ----------
    values
        (n,) scores; what is not finite is left out.
    points
        At how many evenly spaced places the density is given; the place of its maximum on the fine grid is added.

    Returns
    -------
    tuple
        Places, ascending, and densities there, float64; both empty if there are fewer than two different scores. They
        differ from `scipy.stats.gaussian_kde` by at most 1 % of the peak.
    """
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        values = values[np.isfinite(values)]
    bandwidth = scott_bandwidth(values)
    if len(values) < 2 or values.min() == values.max() or bandwidth <= 0:
        return np.empty(0), np.empty(0)
    low, high = float(values.min()), float(values.max())
    n_grid = int(min(np.ceil((high - low) / bandwidth * _PER_BANDWIDTH) + 1, _MOST_GRID))
    step = (high - low) / (n_grid - 1) if n_grid > 1 else bandwidth
    mass = _spread(values, low, step, n_grid)
    reach = int(np.ceil(_REACH * bandwidth / step))
    offsets = np.arange(-reach, reach + 1) * step / bandwidth
    kernel = np.exp(-0.5 * offsets**2) / (bandwidth * np.sqrt(2 * np.pi) * len(values))
    size = 1 << int(n_grid + 2 * reach).bit_length()
    smooth = np.fft.irfft(np.fft.rfft(mass, size) * np.fft.rfft(kernel, size), size)[reach : reach + n_grid]
    grid = low + step * np.arange(n_grid)
    places = np.union1d(np.linspace(low, high, points), grid[np.argmax(smooth)])
    return places, np.maximum(np.interp(places, grid, smooth), 0)


def _spread(values: np.ndarray, low: float, step: float, n_grid: int) -> np.ndarray:
    """Spread each value over the two nearest grid points, the nearer getting more; in pieces that fit the cache."""
    count = np.zeros(n_grid)
    part = np.zeros(n_grid)
    for start in range(0, len(values), _PIECE):
        at = (values[start : start + _PIECE] - low) / step
        left = np.minimum(at.astype(np.int64), n_grid - 2)
        at -= left
        # Only the stretch of the grid that this piece touches: scores often come sorted.
        first = int(left.min())
        left -= first
        counted = np.bincount(left)
        count[first : first + len(counted)] += counted
        part[first : first + len(counted)] += np.bincount(left, weights=at)
    mass = count - part
    mass[1:] += part[:-1]
    return mass


def density_contour(xy: np.ndarray, share: float = 0.8) -> list[np.ndarray]:
    """Return the lines around the densest places that together hold a share of the cells.

    The density is a histogram smoothed with a Gaussian of half of Scott's bandwidth, SD × n^(−1/6), in each axis. The
    lines are those where it equals the quantile ``1 − share`` of the densities at the cells.

    Parameters
    ----------
    xy
        (n_cells, 2) coordinates; what is not finite is left out.
    share
        Share of the cells that the lines enclose, between 0 and 1.

    Returns
    -------
    list of numpy.ndarray
        Each line (n, 2) float64; empty if there are fewer than three cells, or all have the same x or the same y.
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
    # Narrower than a grid point it would not be a Gaussian.
    smooth = gaussian_filter(counts.astype(np.float64), np.maximum(bandwidth / step, 1.0)[::-1], mode="constant")
    level = np.quantile(smooth[place[:, 1], place[:, 0]], 1 - share)
    middles = low + (np.arange(_GRID)[:, None] + 0.5) * step
    lines = contour_generator(middles[:, 0], middles[:, 1], smooth).lines(level)
    return [np.asarray(line) for line in lines if len(line) > 2]
