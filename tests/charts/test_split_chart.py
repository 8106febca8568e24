"""Pages split by a second column: halves for two values, side by side for more, colours and legend of the values."""

from __future__ import annotations

import itertools
import json
import re

import numpy as np
import pytest

from cellucid_core import charts
from cellucid_core.cell_pages import Page
from tests.charts.test_distributions import page, rows

PAGES = [page("B cells"), page("T cells"), page("a.b[c] <b>")]
RNG = np.random.default_rng(0)


def values(k: int) -> list[Page]:
    return [Page(f"dose {j}", np.arange(9), "#0072B2" if j == 0 else None) for j in range(k)]


def scores(k: int) -> list[list[np.ndarray]]:
    return [[RNG.normal(j, 1, 40 + j) for j in range(k)] for _ in PAGES]


def test_two_values_are_the_halves_of_a_violin():
    drawn = scores(2)
    chart = charts.split_violin(PAGES, values(2), drawn, "Score", "dose")
    outline = rows(chart, "mark")
    for row in outline:
        at = row["mark"] // 2
        if row["group"] == 0:
            assert row["left"] <= row["right"] == at
        else:
            assert row["right"] >= row["left"] == at
    for i, j in ((0, 0), (2, 1)):
        mine = [row for row in outline if row["mark"] == 2 * i + j]
        assert mine[0]["score"] == pytest.approx(drawn[i][j].min(), rel=1e-4)
        assert max(max(abs(row["left"] - i), abs(row["right"] - i)) for row in mine) == pytest.approx(0.43)
    for row in rows(chart, "median"):
        j = row["group"]
        assert np.sign(row["at"] - round(row["at"])) == (-1 if j == 0 else 1)
        assert row["median"] == pytest.approx(np.median(drawn[round(row["at"])][j]))
        assert row["cells"] == 40 + j


@pytest.mark.parametrize("k", [3, 5])
def test_more_values_stand_beside_one_another(k):
    chart = charts.split_violin(PAGES, values(k), scores(k), "Score", "dose")
    outline = rows(chart, "mark")
    reach = [
        (
            min(row["left"] for row in outline if row["mark"] == mark),
            max(row["right"] for row in outline if row["mark"] == mark),
        )
        for mark in range(len(PAGES) * k)
    ]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(reach))
    for mark, (left, right) in enumerate(reach):
        place = mark // k + charts.split_places(k)[mark % k]
        assert (left + right) / 2 == pytest.approx(place, abs=1e-6)
        assert abs((left + right) / 2 - mark // k) < 0.5


@pytest.mark.parametrize("build", [charts.split_violin, charts.split_box])
@pytest.mark.parametrize("k", [2, 3, 8])
def test_the_legend_names_the_values_in_their_colours(build, k):
    spec = build(PAGES, values(k), scores(k), "Score", "dose", points=0).to_dict()
    legends = [
        layer["encoding"]["color"]
        for layer in spec["layer"]
        if layer.get("encoding", {}).get("color", {}).get("legend") is not None
    ]
    assert legends
    for color in legends:
        assert color["legend"]["title"] == "dose"
        assert json.loads(re.fullmatch(r"(\[.*\])\[datum\.value\]", color["legend"]["labelExpr"])[1]) == [
            [f"dose {j}"] for j in range(k)
        ]
        assert color["scale"]["domain"] == list(range(k))
        assert color["scale"]["range"][0] == "#0072B2"
    assert "NaN" not in json.dumps(spec)


def test_boxes_do_not_touch():
    chart = charts.split_box(PAGES, values(2), scores(2), "Score", "dose")
    spans = sorted((row["left"], row["right"]) for row in rows(chart, "left"))
    assert len(spans) == 6
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


def test_points_of_a_half_stay_on_its_side():
    chart = charts.split_violin(PAGES, values(2), scores(2), "Score", "dose", points=0)
    for row in rows(chart, "spot"):
        beyond = row["spot"] - round(row["spot"])
        assert beyond <= 0 if row["group"] == 0 else beyond >= 0


def test_many_values_are_drawn_as_rows():
    pages = [page(f"P{i}") for i in range(6)]
    some = [[np.arange(9.0)] * 4 for _ in pages]
    spec = charts.split_box(pages, values(4), some, "Score", "dose").to_dict()
    assert spec["layer"][0]["encoding"]["y"]["field"] == "at"
    assert spec["height"] >= 6 * 4 * 22


@pytest.mark.parametrize("build", [charts.split_violin, charts.split_box])
def test_a_value_without_cells_leaves_its_place_empty(build):
    some = [[np.arange(9.0), np.empty(0)], [np.ones(3), np.array([np.nan])], [np.arange(4.0), np.arange(5.0)]]
    spec = build(PAGES, values(2), some, "Score", "dose", points=0).to_dict()
    assert "NaN" not in json.dumps(spec)
