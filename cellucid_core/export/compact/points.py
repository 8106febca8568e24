"""Coordinates in the unit box: ``points_<d>d.bin``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellucid_core.errors import WorkRefused


@dataclass(frozen=True)
class Points:
    """An embedding as it is written.

    Attributes
    ----------
    array
        float32, (n_cells, d), within −1…1.
    scale
        Factor of the coordinates, and of vector fields of this dimension.
    """

    array: np.ndarray
    scale: float


def normalize(embedding: np.ndarray, dimension: int) -> Points:
    """Centre an embedding and scale it into −1…1, with one scale for all axes.

    ``(x − center) · 2 / largest axis range`` in float32 (``compact_v1``, Points), where the centre is half-way
    between the minimum and maximum of each axis, and a range below 1e-8 counts as 1. The arithmetic is that of cellucid
    0.0.9, so that coordinates, and centroids that are taken from them, are the same floats.

    Parameters
    ----------
    embedding
        (n_cells, dimension).
    dimension
        1, 2 or 3.

    Raises
    ------
    WorkRefused
        If it has another shape, no cells, or coordinates that are not finite or that float32 cannot hold.
    """
    what = f"The {dimension}D embedding"
    if embedding.ndim != 2 or embedding.shape[1] != dimension:
        raise WorkRefused(f"{what} has the shape {embedding.shape}.", "Choose another one.")
    if len(embedding) == 0:
        raise WorkRefused("There are no cells to export.", "Open a dataset with cells.")
    with np.errstate(over="ignore"):
        points = np.ascontiguousarray(embedding, dtype="<f4")
    low, high = points.min(axis=0), points.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        ranges = high - low
        center = (low + high) / 2
    if not (np.isfinite(ranges).all() and np.isfinite(center).all()):
        n_bad = int((~np.isfinite(points).all(axis=1)).sum())
        raise WorkRefused(
            f"{what} has coordinates that are not finite ({n_bad:,} cells)."
            if n_bad
            else f"{what} spans more than float32 can hold.",
            "Leave those cells out, or choose another embedding.",
        )
    largest = float(ranges.max())
    scale = 2.0 / (1.0 if largest < 1e-8 else largest)
    return Points(((points - center) * scale).astype("<f4"), scale)
