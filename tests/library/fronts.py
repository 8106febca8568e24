"""How good the front of a search is."""

from __future__ import annotations

import numpy as np


def hypervolume(front: np.ndarray, reference: tuple[float, float]) -> float:
    """Return the area that a front dominates, bounded by a reference point (Zitzler & Thiele 1999).

    Parameters
    ----------
    front
        (n, 2) correlation (low is good) and distance (high is good).
    reference
        A high correlation and a low distance; points that are not better in both add nothing.
    """
    inside = front[(front[:, 0] < reference[0]) & (front[:, 1] > reference[1])]
    area, reached = 0.0, reference[1]
    for correlation, distance in inside[np.lexsort((-inside[:, 1], inside[:, 0]))]:
        if distance > reached:
            area += (reference[0] - correlation) * (distance - reached)
            reached = distance
    return float(area)
