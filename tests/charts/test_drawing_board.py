"""The board that cells are encircled on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from cellucid_core.cell_pages import REST_COLOR, Page
from cellucid_core.charts import MAX_POINTS, board_height, drawing_board


def board_points(board):
    return {series["name"]: board["dataset"][series["datasetIndex"]]["source"].to_numpy() for series in board["series"]}


def test_every_cell_is_a_point_in_its_pages_colour():
    xy = np.array([[0, 0], [1, 2], [3, 1], [np.nan, 1], [2, np.inf]])
    board = drawing_board(xy, [Page("<b>a</b>", np.array([1, 3]), "#123456"), Page("none", np.array([4]), "#654321")])
    points = board_points(board)
    assert points["other cells"].tolist() == [[0, 0], [3, 1]]
    assert points["<b>a</b>"].tolist() == [[1, 2]]
    assert [series["itemStyle"]["color"] for series in board["series"]] == [REST_COLOR, "#123456"]


def test_both_axes_have_the_same_scale_and_hold_all_cells():
    xy = np.random.default_rng(0).normal(size=(500, 2)) * [10, 1] + [100, -3]
    board = drawing_board(xy)
    x, y = (np.array([board[axis]["min"], board[axis]["max"]]) for axis in ("xAxis", "yAxis"))
    assert np.ptp(x) == pytest.approx(np.ptp(y))
    for i, (low, high) in enumerate((x, y)):
        assert low < xy[:, i].min()
        assert xy[:, i].max() < high
    grid = board["grid"]
    assert board_height(500) - grid["top"] - grid["bottom"] == 500 - grid["left"] - grid["right"]


def test_many_cells_become_tiles_of_the_most_frequent_page():
    rng = np.random.default_rng(1)
    xy = rng.normal(size=(MAX_POINTS + 5_000, 2))
    side = xy[:, 0] > 0
    pages = [Page("right", np.flatnonzero(side), "#000001"), Page("left", np.flatnonzero(~side), "#000002")]
    points = board_points(drawing_board(xy, pages))
    assert 1_000 < sum(map(len, points.values())) < MAX_POINTS
    tile = drawing_board(xy, pages)["xAxis"]
    step = (tile["max"] - tile["min"]) / 140
    assert points["right"][:, 0].min() > -step
    assert points["left"][:, 0].max() < step
    # Every cell is at most half a tile away from a mark.
    marks = np.vstack(list(points.values()))
    for cell in xy[:200]:
        assert np.abs(marks - cell).max(axis=1).min() <= step / 2 * (1 + 1e-9)


@pytest.mark.parametrize("xy", [np.empty((0, 2)), np.full((3, 2), np.nan), np.ones((4, 2)), np.ones((1, 2)) * 1e9])
def test_boards_of_nothing_and_of_one_place(xy):
    board = drawing_board(xy)
    assert board["xAxis"]["min"] < board["xAxis"]["max"]


def test_everything_but_the_tables_is_plain_json():
    board = drawing_board(np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32), [Page("a", np.arange(3))])
    assert all(isinstance(data["source"], pd.DataFrame) for data in board.pop("dataset"))
    json.dumps(board, allow_nan=False)
    assert board["brush"]["xAxisIndex"] == "all", "else the areas come in pixels"
