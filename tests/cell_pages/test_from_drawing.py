"""Pages drawn with boxes and lassos."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path

from cellucid_core.cell_pages import Box, Lasso, cells_inside, drawing_coordinates, page_from_drawing, read_areas
from cellucid_core.errors import CellucidError, InputError
from tests.making import make_adata


def even_odd(point, corners):
    """Count the edges that a ray to the right crosses, in exact arithmetic."""
    x, y = map(Fraction, point)
    inside = False
    for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True):
        ax, ay, bx, by = map(Fraction, (ax, ay, bx, by))
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


WHOLE = st.integers(-8, 8)


@given(st.lists(st.tuples(WHOLE, WHOLE), min_size=3, max_size=12), st.lists(st.tuples(WHOLE, WHOLE), max_size=30))
def test_lassos_by_the_even_odd_rule_however_they_cross_themselves(corners, points):
    # A quarter beside the grid of corners: on an edge, either answer would do.
    xy = np.array(points, dtype=np.float64).reshape(-1, 2) + np.array([0.25, 0.125])
    found = cells_inside(xy, [Lasso(np.array(corners, dtype=np.float64))])
    on_edge = {i for i, p in enumerate(xy) if _on_edge(p, corners)}
    expected = {i for i, p in enumerate(xy.tolist()) if even_odd(p, corners)}
    assert set(found.tolist()) - on_edge == expected - on_edge


def _on_edge(point, corners):
    x, y = map(Fraction, point.tolist())
    return any(
        (bx - ax) * (y - ay) == (by - ay) * (x - ax)
        for (ax, ay), (bx, by) in zip(corners, [*corners[1:], corners[0]], strict=True)
    )


@pytest.mark.parametrize("n_corners", [3, 7, 400])
def test_lassos_as_matplotlib_has_them(n_corners):
    rng = np.random.default_rng(n_corners)
    xy = rng.normal(size=(20_000, 2))
    angle = np.sort(rng.random(n_corners)) * 2 * np.pi
    radius = 0.5 + rng.random(n_corners)
    corners = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    found = cells_inside(xy, [Lasso(corners)])
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, np.flatnonzero(Path(corners).contains_points(xy)))


def test_the_edges_of_a_box_belong_to_it():
    xy = np.array([[0, 0], [1, 1], [0.5, 1], [1.0001, 0.5], [0.5, -0.1]])
    assert cells_inside(xy, [Box((0, 1), (0, 1))]).tolist() == [0, 1, 2]


def test_several_areas_are_taken_together_and_cells_without_a_place_never():
    xy = np.array([[0, 0], [5, 5], [np.nan, 0], [0, np.inf], [9, 9]], dtype=np.float32)
    triangle = Lasso(np.array([[4.0, 4], [6, 4], [5, 6]]))
    everywhere = Lasso(np.array([[-1e9, -1e9], [1e9, -1e9], [0, 1e9]]))
    assert cells_inside(xy, [Box((-1, 1), (-1, 1)), triangle]).tolist() == [0, 1]
    assert cells_inside(xy, [everywhere, everywhere]).tolist() == [0, 1, 4]
    assert cells_inside(np.empty((0, 2)), [triangle]).tolist() == []


def test_outlines_that_enclose_nothing():
    xy = np.array([[0.0, 0], [1, 1], [2, 2]])
    for corners in ([[0, 0], [1, 1], [2, 2]], [[1, 1], [1, 1], [1, 1]]):
        assert cells_inside(xy, [Lasso(np.array(corners, dtype=np.float64))]).tolist() == []


def test_areas_are_read_from_a_chart():
    box, lasso = read_areas(
        [
            {"brush_index": 0, "brush_type": "rect", "coord_range": [[2, -1.5], [3, 4]]},
            {"brush_index": 0, "brush_type": "polygon", "coord_range": [[0, 0], [1, 0], [0, 1]]},
            {"brush_index": 0, "brush_type": "polygon", "coord_range": [[0, 0], [1, 0]]},
        ]
    )
    assert box == Box((-1.5, 2.0), (3.0, 4.0))
    assert lasso.corners.tolist() == [[0, 0], [1, 0], [0, 1]]
    assert read_areas([]) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    JSON
    | st.lists(
        st.fixed_dictionaries(
            {"brush_type": st.sampled_from(["rect", "polygon", "lineX", ["rect"]]), "coord_range": JSON}
        ),
        max_size=3,
    )
)
def test_whatever_a_browser_sends_is_read_or_refused(drawn):
    try:
        for area in read_areas(drawn):
            cells_inside(np.zeros((3, 2)), [area])
    except CellucidError:
        pass


@pytest.mark.parametrize(
    "drawn",
    [
        [{"brush_type": "rect", "coord_range": [[0, 1], [0, 1], [0, 1]]}],
        [{"brush_type": "rect", "coord_range": [0, 1]}],
        [{"brush_type": "polygon", "coord_range": [[0, 0], [1, float("nan")], [1, 1]]}],
        [{"brush_type": "polygon", "coord_range": [[0, 0]] * 5_001}],
        [{"brush_type": "rect", "coord_range": [[0, 1], [0, 1]]}] * 101,
    ],
)
def test_areas_that_cannot_be(drawn):
    with pytest.raises(InputError):
        read_areas(drawn)


def test_a_page_is_drawn(demo_view):
    xy, where = drawing_coordinates(demo_view)
    assert where == demo_view.mapping.embeddings[2]
    page = page_from_drawing(demo_view, xy, [Box((-100, 0), (-100, 100))], name="left", where=where)
    assert page.rows.tolist() == np.flatnonzero(xy[:, 0] <= 0).tolist()
    assert page.made == f"Drawn on {where} with 1 box"
    with pytest.raises(InputError, match="Nothing was drawn"):
        page_from_drawing(demo_view, xy, [], name="x")
    with pytest.raises(InputError, match="No cell lies inside"):
        page_from_drawing(demo_view, xy, [Box((1e6, 2e6), (0, 1))], name="x")


def test_without_a_plane_nothing_can_be_drawn_on(viewed):
    adata = make_adata()
    del adata.obsm["X_umap"], adata.obsm["X_pca"]
    with pytest.raises(InputError, match="embedding to draw on"):
        drawing_coordinates(viewed(adata))
    adata.obsm["X_umap_3d"] = np.arange(180.0).reshape(60, 3)
    xy, where = drawing_coordinates(viewed(adata))
    assert (where, xy.shape) == ("X_umap_3d", (60, 2))
