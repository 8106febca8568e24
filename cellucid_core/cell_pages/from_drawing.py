"""Pages drawn on an embedding: every cell is tested, however coarse the picture was that the user drew on.

A point is inside a lasso by the even–odd rule: a ray from it crosses the outline an odd number of times (Shimrat 1962,
"Algorithm 112"; with half-open edges as in Franklin's PNPOLY, so that a vertex is not crossed twice). The cells near an
outline are sorted by y once, and each edge looks only at those between its ends. So an outline of many edges costs
little more than one of few, because at most heights there are only a few edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cellucid_core.cell_pages.page_set import SavedPage
from cellucid_core.errors import InputError

if TYPE_CHECKING:
    from cellucid_core.dataset import View

MAX_AREAS = 100
#: A hand-drawn lasso has a few hundred corners.
MAX_CORNERS = 5_000


@dataclass(frozen=True)
class Box:
    """A rectangle from the first to the second x and y, edges included."""

    x: tuple[float, float]
    y: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Lasso:
    """A closed outline, (k, 2) float64; the last corner is joined to the first."""

    corners: np.ndarray


Area = Box | Lasso


def read_areas(drawn: object) -> list[Area]:
    """Read and check the areas that a browser reports as drawn on a chart.

    Parameters
    ----------
    drawn
        A list of ``{"brush_type": "rect", "coord_range": [[x0, x1], [y0, y1]]}`` and
        ``{"brush_type": "polygon", "coord_range": [[x, y], …]}`` (the areas of an ECharts brush).

    Returns
    -------
    list
        `Box` and `Lasso`; an outline with fewer than three corners encloses nothing and is left out.

    Raises
    ------
    InputError
        `drawn` is something else, or there are more than 100 areas or an area with more than 5,000 corners.
    """
    if not isinstance(drawn, Sequence) or isinstance(drawn, str) or len(drawn) > MAX_AREAS:
        raise InputError("The drawn areas could not be read.", f"Draw at most {MAX_AREAS} areas.")
    areas: list[Area] = []
    for area in drawn:
        kind = area.get("brush_type") if isinstance(area, Mapping) else None
        corners = _corners(area["coord_range"]) if kind in ("rect", "polygon") and "coord_range" in area else None
        if corners is None or (kind == "rect" and len(corners) != 2):
            raise InputError("A drawn area could not be read.", f"Draw it again, with at most {MAX_CORNERS:,} corners.")
        if kind == "rect":
            (x0, x1), (y0, y1) = np.sort(corners, axis=1).tolist()
            areas.append(Box((x0, x1), (y0, y1)))
        elif len(corners) >= 3:
            areas.append(Lasso(corners))
    return areas


def _corners(pairs: Any) -> np.ndarray | None:
    """Return (k, 2) finite float64 numbers, or None if `pairs` is anything else."""
    if not isinstance(pairs, Sequence) or isinstance(pairs, str) or len(pairs) > MAX_CORNERS:
        return None
    try:
        corners = np.array(pairs, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if len(corners) == 0:
        return np.empty((0, 2))
    return corners if corners.ndim == 2 and corners.shape[1] == 2 and np.isfinite(corners).all() else None


def cells_inside(xy: np.ndarray, areas: Sequence[Area]) -> np.ndarray:
    """Return the cells that are inside at least one of the areas.

    Parameters
    ----------
    xy
        (n_cells, 2) coordinates. A cell whose coordinates are not finite is in no area.
    areas
        Boxes and lassos.

    Returns
    -------
    numpy.ndarray
        Positions, int64, ascending.
    """
    inside = np.zeros(len(xy), dtype=bool)
    x, y = (np.ascontiguousarray(xy[:, i], dtype=np.float64) for i in (0, 1))
    for area in areas:
        if isinstance(area, Box):
            inside |= _in_box(x, y, area)
        else:
            inside[_in_lasso(x, y, area.corners)] = True
    return np.flatnonzero(inside).astype(np.int64)


def _in_box(x: np.ndarray, y: np.ndarray, box: Box) -> np.ndarray:
    found: np.ndarray = (x >= box.x[0]) & (x <= box.x[1]) & (y >= box.y[0]) & (y <= box.y[1])
    return found


def _in_lasso(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the positions of the points inside an outline, in no particular order."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    near = np.flatnonzero(_in_box(x, y, Box((low[0], high[0]), (low[1], high[1]))))
    near = near[np.argsort(y[near])]
    x, y = x[near], y[near]
    inside = np.zeros(len(near), dtype=bool)
    starts, ends = corners, np.roll(corners, -1, axis=0)
    # Every edge goes from its lower to its upper end, which is not part of it.
    up = starts[:, 1] <= ends[:, 1]
    bottom, top = np.where(up[:, None], starts, ends), np.where(up[:, None], ends, starts)
    first, last = np.searchsorted(y, bottom[:, 1]), np.searchsorted(y, top[:, 1])
    for (x0, y0), (x1, y1), i, j in zip(bottom.tolist(), top.tolist(), first.tolist(), last.tolist(), strict=True):
        if i < j:
            inside[i:j] ^= (x[i:j] - x0) * (y1 - y0) < (y[i:j] - y0) * (x1 - x0)
    return near[inside]


def page_from_drawing(view: View, xy: np.ndarray, areas: Sequence[Area], *, name: str, where: str = "") -> SavedPage:
    """Make a page of the cells inside drawn areas.

    Parameters
    ----------
    view
        The dataset as mapped.
    xy
        (n_cells, 2) coordinates of the view's cells.
    areas
        Boxes and lassos, taken together.
    name
        The page's name.
    where
        Name of the embedding that was drawn on, for the record.

    Raises
    ------
    InputError
        Nothing was drawn, or no cell is inside.
    """
    if not areas:
        raise InputError("Nothing was drawn.", "Draw around the cells with the lasso or the box.")
    cells = cells_inside(xy, areas)
    if len(cells) == 0:
        raise InputError("No cell lies inside what was drawn.", "Draw around some cells.")
    kinds = [
        f"{n} {word}{'es' if n > 1 and word == 'box' else 's' if n > 1 else ''}"
        for word, kind in (("lasso", Lasso), ("box", Box))
        if (n := sum(isinstance(area, kind) for area in areas))
    ]
    made = f"Drawn{f' on {where}' if where else ''} with {' and '.join(kinds)}"
    return SavedPage(name, view.cell_index[cells], made=made)


def drawing_coordinates(view: View) -> tuple[np.ndarray, str]:
    """Return the coordinates to draw on, and what they are called.

    Returns
    -------
    tuple
        (n_cells, 2) coordinates of the 2D embedding, or else the first two axes of the 3D one; and its obsm key.

    Raises
    ------
    InputError
        There is neither a 2D nor a 3D embedding.
    """
    for dimension in (2, 3):
        if dimension in view.dimensions:
            return view.embedding(dimension)[:, :2], view.mapping.embeddings[dimension]
    raise InputError("There is no 2D or 3D embedding to draw on.", "Choose one on the Upload & Preflight page.")
