"""Violin, box and histogram: what is in the chart is what was counted."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cellucid_core.cell_pages import Page, choose_pages, group_colors
from cellucid_core.charts import box, histogram, violin
from cellucid_core.signature import run_signature

CHARTS = [violin, box, histogram]


def rows(chart: Any, key: str) -> list[dict[str, Any]]:
    """All data rows of a chart that have a key, each set once."""
    spec = chart.to_dict()
    return [row for data in spec["datasets"].values() for row in data if key in row]


def page(name: str, n: int = 5) -> Page:
    return Page(name, np.arange(n))


@pytest.fixture
def run(demo_view):
    return run_signature(demo_view, "CD3D, CD3E, CD8A", pages=choose_pages(demo_view, "bulk_labels"))


@pytest.mark.parametrize("build", CHARTS)
def test_marks_do_not_grow_with_cells(build):
    rng = np.random.default_rng(0)
    sizes = []
    for n in (500, 50_000):
        scores = [rng.normal(size=n), rng.normal(size=n)]
        spec = build([page("A"), page("B")], scores, "Score").to_dict()
        sizes.append(sum(len(data) for data in spec["datasets"].values()))
    assert max(sizes) < 400
    assert abs(sizes[1] - sizes[0]) < 100


def test_quartiles_and_mean_are_those_of_the_scores(run):
    for build in (violin, box):
        for row in rows(build(run.pages, run.scores, run.title), "median"):
            scores = run.scores[row["at"]]
            assert row["page"] == run.pages[row["at"]].name
            assert row["cells"] == len(scores)
            want = [*np.quantile(scores, [0.25, 0.5, 0.75]), scores.mean(), scores.min(), scores.max()]
            assert [row[k] for k in ("q1", "median", "q3", "mean", "low", "high")] == pytest.approx(want)


def test_whiskers_are_tukeys(run):
    for row in rows(box(run.pages, run.scores, run.title), "from"):
        scores, fence = run.scores[row["at"]], 1.5 * (row["q3"] - row["q1"])
        assert row["from"] == pytest.approx(scores[scores >= row["q1"] - fence].min())
        assert row["to"] == pytest.approx(scores[scores <= row["q3"] + fence].max())


def test_violins_are_mirrored_and_as_long_as_the_scores(run):
    outline = rows(violin(run.pages, run.scores, run.title), "left")
    for at, scores in enumerate(run.scores):
        mine = [r for r in outline if r["group"] == at]
        assert (mine[0]["score"], mine[-1]["score"]) == pytest.approx((scores.min(), scores.max()), rel=1e-4)
        assert all((r["left"] + r["right"]) / 2 == pytest.approx(at) for r in mine)
        assert max(r["right"] - r["left"] for r in mine) == pytest.approx(0.86)


def test_histogram_counts_every_cell(run):
    bars = rows(histogram(run.pages, run.scores, run.title), "share")
    for at, scores in enumerate(run.scores):
        mine = [r for r in bars if r["group"] == at]
        assert sum(r["cells"] for r in mine) == len(scores)
        assert sum(r["share"] for r in mine) == pytest.approx(1)
        for r in mine:
            inside = (scores >= r["from"]) & (scores <= r["to"])
            assert r["cells"] <= inside.sum()


@pytest.mark.parametrize("build", CHARTS)
def test_colours_are_the_pages_own(build, run, demo_view):
    colors = group_colors(demo_view, "bulk_labels")
    text = build(run.pages, run.scores, run.title).to_json()
    scale = next(
        layer["encoding"]["color"]["scale"]
        for layer in build(run.pages, run.scores, run.title).to_dict()["layer"]
        if "scale" in layer.get("encoding", {}).get("color", {})
    )
    assert scale["range"] == [colors[p.name] for p in run.pages]
    assert "Mean expression" in text


@pytest.mark.parametrize("build", CHARTS)
@pytest.mark.parametrize(
    "scores",
    [
        [np.empty(0)],
        [np.full(3, np.nan), np.array([1.0])],
        [np.ones(10), np.zeros(10)],
        [np.array([np.inf, 1, 2]), np.array([1.0, 2, 3])],
        [np.arange(20.0) + i for i in range(40)],
    ],
    ids=["empty", "missing", "constant", "infinite", "forty"],
)
def test_anything_can_be_drawn(build, scores):
    pages = [page(f"P{i}") for i in range(len(scores))]
    assert "Infinity" not in (text := build(pages, scores, "Score").to_json())
    assert "NaN" not in text


@pytest.mark.parametrize("build", CHARTS)
def test_odd_names_are_only_data(build):
    names = ["a.b[c]", "<script>x</script>", "quote\"'\\", "a.b[c]"]
    spec = build([page(n) for n in names], [np.arange(9.0) + i for i in range(4)], "Score").to_dict()
    for layer in spec["layer"]:
        for channel in layer["encoding"].values():
            for one in channel if isinstance(channel, list) else [channel]:
                assert re.fullmatch("[a-z]+[13]?", one.get("field", "page"))
