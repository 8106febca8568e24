"""Outlines of cells on an embedding."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.path import Path

from cellucid_core.charts import density_contour


def inside(lines, xy):
    """How many of the cells lie within the lines; within two of them is a hole."""
    return np.sum([Path(line).contains_points(xy) for line in lines], axis=0) % 2 == 1


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_the_share_of_cells_is_enclosed(share):
    xy = np.random.default_rng(0).normal(size=(20_000, 2)) * [3, 1]
    lines = density_contour(xy, share)
    assert inside(lines, xy).mean() == pytest.approx(share, abs=0.01)


def test_of_a_gaussian_it_is_an_ellipse():
    xy = np.random.default_rng(1).normal(size=(200_000, 2)) * [3, 1] + [10, -5]
    line = max(density_contour(xy, 0.5), key=len)
    # Half of the cells lie within √(2 ln 2) standard deviations of two axes.
    radius = np.hypot((line[:, 0] - 10) / 3, line[:, 1] + 5)
    assert radius == pytest.approx(np.sqrt(2 * np.log(2)), abs=0.12)


def test_two_heaps_have_two_lines():
    rng = np.random.default_rng(2)
    xy = np.concatenate([rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 20])
    assert len(density_contour(xy)) == 2


def test_scale_and_place_do_not_matter():
    xy = np.random.default_rng(3).normal(size=(1000, 2))
    for one, other in zip(density_contour(xy), density_contour(xy * 1e-3 + 7), strict=True):
        assert one * 1e-3 + 7 == pytest.approx(other, abs=1e-6)


@pytest.mark.parametrize(
    "xy", [np.empty((0, 2)), np.zeros((2, 2)), np.zeros((50, 2)), np.column_stack([np.arange(9.0), np.ones(9)])]
)
def test_too_few_cells_or_all_on_a_line_have_none(xy):
    assert density_contour(xy) == []


def test_what_is_not_finite_is_left_out():
    xy = np.random.default_rng(4).normal(size=(300, 2))
    holes = np.concatenate([xy, [[np.nan, 0], [np.inf, 1]]])
    for one, other in zip(density_contour(xy), density_contour(holes), strict=True):
        assert np.array_equal(one, other)
