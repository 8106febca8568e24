"""Cells in three dimensions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cellucid_core.charts import MAX_POINTS, point_cloud
from cellucid_core.charts.embedding import NO_VALUE, SEQUENTIAL
from cellucid_core.errors import InputError


def rgb(shade):
    return [int(shade[1:3], 16), int(shade[3:5], 16), int(shade[5:], 16)]


def test_all_axes_are_shrunk_by_the_same_factor():
    cloud = point_cloud(np.array([[0.0, 0, 0], [4, 2, 0], [2, 1, 1]]), np.array([1.0, 2, 3]))
    assert [row["xyz"] for row in cloud.rows] == [[-1, -0.5, -0.25], [1, 0.5, -0.25], [0, 0, 0.25]]


def test_numbers_go_from_the_first_colour_to_the_last():
    cloud = point_cloud(np.eye(4)[:, :3], np.array([0.0, 10, np.nan, 2]))
    shades = [row["rgb"] for row in cloud.rows]
    assert shades == [rgb(SEQUENTIAL[0]), rgb(SEQUENTIAL[-1]), rgb(NO_VALUE), rgb(SEQUENTIAL[1])]
    assert [row["value"] for row in cloud.rows] == ["0", "10", "no value", "2"]
    assert cloud.legend == [("0", SEQUENTIAL[0]), ("10", SEQUENTIAL[-1])]


def test_groups_have_their_colours():
    groups = pd.Series(["b", "a", None])
    cloud = point_cloud(np.eye(3), groups, colors={"a": "#010203", "b": "#FFFEFD"})
    assert [row["rgb"] for row in cloud.rows] == [[255, 254, 253], [1, 2, 3], rgb(NO_VALUE)]
    assert cloud.legend == [("a", "#010203"), ("b", "#FFFEFD")]


def test_of_many_cells_some_are_drawn_evenly():
    n = 3 * MAX_POINTS
    cloud = point_cloud(np.random.default_rng(0).normal(size=(n, 3)), np.arange(n, dtype=float))
    assert (len(cloud.rows), cloud.n_cells) == (MAX_POINTS, n)
    assert [row["value"] for row in cloud.rows[:3]] == ["0", "3", "6"]


def test_what_is_not_finite_is_left_out_and_nothing_is_no_error():
    xyz = np.array([[0.0, 0, 0], [np.nan, 0, 0]])
    assert len(point_cloud(xyz, np.array([1.0, 2])).rows) == 1
    assert point_cloud(np.empty((0, 3)), np.empty(0)).rows == []
    assert point_cloud(xyz, np.array([np.nan, np.nan])).legend == []


def test_what_does_not_fit():
    with pytest.raises(InputError):
        point_cloud(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(InputError):
        point_cloud(np.zeros((3, 3)), np.zeros(4))
