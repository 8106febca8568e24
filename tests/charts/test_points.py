"""Cells as points: a sample that is said, the same for the same seed, within the outline."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cellucid_core import charts
from cellucid_core.cell_pages import Page
from tests.charts.test_distributions import page, rows

SCORES = [np.random.default_rng(1).normal(size=5_000), np.random.default_rng(2).normal(3, 1, size=60)]
PAGES = [page("A", 5_000), page("B", 60)]
BUILDS = pytest.mark.parametrize("build", [charts.violin, charts.box])


@BUILDS
def test_at_most_2000_cells_of_a_page_and_all_of_a_small_one(build):
    spots = rows(build(PAGES, SCORES, "Score", points=0), "spot")
    assert [sum(row["group"] == at for row in spots) for at in (0, 1)] == [2_000, 60]
    assert charts.points_caption(SCORES) == "2,060 of 5,060 cells shown as points"
    assert charts.points_caption([SCORES[1]]) == "60 of 60 cells shown as points"
    assert charts.points_caption([np.array([1.0, np.nan])]) == "1 of 1 cells shown as points"
    small = sorted(row["score"] for row in spots if row["group"] == 1)
    assert small == pytest.approx(np.sort(SCORES[1]), abs=1e-3)
    known = set(np.round(SCORES[0], 4))
    drawn = [row["score"] for row in spots if row["group"] == 0]
    assert all(min(abs(one - np.array(list(known)))) < 1e-3 for one in drawn[:50])


def test_many_pages_share_what_a_chart_holds():
    scores = [SCORES[0]] * 24
    spots = rows(charts.violin([page(f"P{i}") for i in range(24)], scores, "Score", points=0), "spot")
    assert len(spots) == 12_000
    assert charts.points_caption(scores) == "12,000 of 120,000 cells shown as points"


@BUILDS
def test_the_seed_decides(build):
    def spots(seed):
        return rows(build(PAGES, SCORES, "Score", points=seed), "spot")

    assert spots(3) == spots(3)
    assert spots(3) != spots(4)
    assert not rows(build(PAGES, SCORES, "Score"), "spot")


def test_points_stand_within_the_outline():
    chart = charts.violin(PAGES, SCORES, "Score", points=0)
    for at in (0, 1):
        outline = [row for row in rows(chart, "left") if row.get("group") == at]
        heights = np.array([row["right"] - at for row in outline])
        scores = np.array([row["score"] for row in outline])
        for row in (row for row in rows(chart, "spot") if row["group"] == at):
            assert abs(row["spot"] - at) <= np.interp(row["score"], scores, heights) + 2e-3


def test_points_are_one_small_layer():
    chart = charts.violin(PAGES, SCORES, "Score", points=0).to_dict()
    (data,) = (data for data in chart["datasets"].values() if "spot" in data[0])
    assert len(json.dumps(data, separators=(",", ":"))) / len(data) < 48
    (layer,) = (layer for layer in chart["layer"] if "spot" in json.dumps(layer["encoding"]))
    assert layer["mark"]["aria"] is False


@BUILDS
@pytest.mark.parametrize("scores", [[np.empty(0)], [np.ones(4), np.full(3, np.nan)]], ids=["empty", "constant"])
def test_anything_can_have_points(build, scores):
    text = build([page(f"P{i}") for i in range(len(scores))], scores, "Score", points=0).to_json()
    assert "NaN" not in text


def test_a_saved_picture_has_them():
    small = [np.arange(5.0), np.arange(6.0)]
    pages = [Page("A", np.arange(5)), Page("B", np.arange(6))]
    without, with_points = (
        charts.chart_image(charts.violin(pages, small, "Score", points=seed), "svg").decode() for seed in (None, 0)
    )
    assert with_points.count("<path") >= without.count("<path") + 11
